"""Small records inside the events: who, where, which package, which run of the node.

Each is stored as a JSON object whose absent facts are missing members (evidence.md 1.1), and
reads back equal to what was written.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from ledger.dataclass import dataclass


@dataclass(frozen=True, kw_only=True)
class _Record:
    """An object of strings, numbers and truths; a None is a missing member."""

    def to_record(self) -> dict[str, object]:
        """Return the members that are known."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Self:
        """Return what a stored object says; members of later versions are left to the envelope."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__ if name in record})


@dataclass(frozen=True, kw_only=True)
class Actor(_Record):
    """Who asked: a claim of the operating system unless a signature says more (PRODUCT section 6).

    *id* is ``os:<uid>`` of the login, else of the effective user; *name_commit* is the salted
    commitment of the login name (evidence.md 1.5).
    """

    id: str
    kind: str = "human"
    auth: str = "os"
    login_uid: int | None = None
    name_commit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source(_Record):
    """Where the command ran: host, tool, and commitments of terminal and address."""

    host_id: str
    tool: str
    tty_commit: str | None = None
    address_commit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What surrounds an event: node, attempt, who, where from and why; *corrects* is the event that it sets right."""

    actor: Actor
    source: Source
    node: str | None = None
    attempt: str | None = None
    reason: str | None = None
    ticket: str | None = None
    corrects: str | None = None


@dataclass(frozen=True, kw_only=True)
class InstallationFacts(_Record):
    """What an installation is, as far as it is known (PRODUCT section 2)."""

    edition: str | None = None
    otp: str | None = None
    erts: str | None = None
    os: str | None = None
    arch: str | None = None


@dataclass(frozen=True, kw_only=True)
class Run(_Record):
    """One run of a node's virtual machine: a restart changes it.

    *generation* also tells a restart inside the same process apart (native-driver.md 3);
    *os_pid* is absent for an embedded node, which has no process of its own.
    """

    boot_id: str
    started_at: str
    generation: str
    os_pid: int | None = None


@dataclass(frozen=True, kw_only=True)
class PackageRecord(_Record):
    """The package that an attempt rests on; *size* in bytes."""

    name: str
    size: int
    sha256: str
    signature: str = "absent"


@dataclass(frozen=True, kw_only=True)
class StagedRecord(_Record):
    """What an attempt is about to place: files of the package, their digest, its emulator."""

    erts: str
    files: int
    files_sha256: str


@dataclass(frozen=True, kw_only=True)
class Output(_Record):
    """Captured words of the node: digest and size of all, excerpt of the start (evidence.md 1.1)."""

    output_sha256: str
    output_bytes: int
    excerpt: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedStep(_Record):
    """One step of a plan."""

    step: str
    vsn: str


class Driver(StrEnum):
    """The way in which an installation is changed (PRODUCT section 2)."""

    EMBEDDED = "embedded"
    NODE = "node"
    SCRIPT = "script"


class Kind(StrEnum):
    """Whether an installation serves or is a rehearsal; fixed at registration (RULINGS 2)."""

    LIVE = "live"
    REHEARSAL = "rehearsal"


class Verb(StrEnum):
    """The changes that an operator asks for."""

    UNPACK = "unpack"
    INSTALL = "install"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    PERMANENT = "permanent"
    UNINSTALL = "uninstall"
    RESTART = "restart"


class StepKind(StrEnum):
    """The steps of a plan, one call of the release handler each."""

    UNPACK = "unpack"
    INSTALL = "install"
    MAKE_PERMANENT = "make_permanent"
    REMOVE = "remove"
    RESTART = "restart"


class Resolution(StrEnum):
    """How ``recover`` closed an attempt or mended the files."""

    FINISHED = "finished"
    TAKEN_BACK = "taken_back"
    FAILED = "failed"
    MENDED = "mended"


@dataclass(frozen=True, kw_only=True)
class OpenAttempt:
    """An attempt whose intent is recorded and whose outcome is not; *done* counts the steps that are recorded."""

    attempt: str
    verb: Verb
    to: str | None
    plan: tuple[PlannedStep, ...]
    done: int
    package: PackageRecord | None
    staged: StagedRecord | None
    options: tuple[str, ...]

    def to_record(self) -> dict[str, object]:
        """Return the members that are known."""
        record: dict[str, object] = {"attempt": self.attempt, "verb": str(self.verb), "done": self.done}
        known = {"to": self.to, "plan": [step.to_record() for step in self.plan], "options": list(self.options)}
        record |= {name: value for name, value in known.items() if value}
        parts = {"package": self.package, "staged": self.staged}
        return record | {name: part.to_record() for name, part in parts.items() if part is not None}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return what a stored object says."""
        package, staged = record.get("package"), record.get("staged")
        return cls(
            attempt=record["attempt"],
            verb=Verb(record["verb"]),
            to=record.get("to"),
            plan=tuple(map(PlannedStep.from_record, record.get("plan", ()))),
            done=record["done"],
            package=None if package is None else PackageRecord.from_record(package),
            staged=None if staged is None else StagedRecord.from_record(staged),
            options=tuple(record.get("options", ())),
        )
