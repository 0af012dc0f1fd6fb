"""What a change was asked to be, and what its steps brought about: the inputs of decisions."""

from ledger.dataclass import dataclass
from ledger.domain.package_facts import PackageFacts, Staged
from ledger.domain.plan import Plan
from ledger.domain.reason import Reason
from ledger.domain.records import Context, Driver, Output, PackageRecord, StagedRecord, StepKind


@dataclass(frozen=True, kw_only=True)
class By:
    """Who acts and why, and through which driver."""

    context: Context
    driver: Driver


@dataclass(frozen=True, kw_only=True)
class Request:
    """A plan with the options it was asked with and the package it rests on."""

    plan: Plan
    options: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    package: PackageRecord | None = None
    staged: StagedRecord | None = None
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """All reasons against a request, the exit code, and the words that the operator saw."""

    code: int
    reasons: tuple[Reason, ...]
    output: Output


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Where an attempt broke off: the step, the exit code, the cause and the way out."""

    step: StepKind
    vsn: str | None
    code: int
    cause: str
    hint: str | None
    output: Output


@dataclass(frozen=True, kw_only=True)
class StagedPackage:
    """A sound package, laid out beside the installation and not yet part of it.

    *set_aside* names what lies in the way and is renamed for *attempt* when the package is placed,
    which is after the intent with these names was recorded (PRODUCT section 3).
    """

    package: PackageFacts
    staged: Staged
    set_aside: tuple[str, ...] = ()
    attempt: str = ""

    @property
    def record(self) -> StagedRecord:
        """What the intent holds of it."""
        return StagedRecord(
            erts=self.package.erts or "", files=self.staged.files, files_sha256=self.staged.files_sha256
        )


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What ``unpack_release`` brought: the emulator of the release, its files and their digest."""

    vsn: str
    erts: str
    files: int
    files_sha256: str


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What ``install_release`` brought: which settings of the running applications it changed, and how."""

    settings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What ``remove_release`` removed, what stays by rule, and what was missing before (otp.md 7)."""

    removed: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The turn of one installation in a fleet plan: its *wave*, and the *reasons* why it has not come."""

    plan: str
    plan_sha256: str
    wave: int
    reasons: tuple[Reason, ...] = ()
