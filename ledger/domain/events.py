"""Events of one installation's releases, version 1.

Each class is one fact in the past tense. ``TOPIC`` is its name on disk and outlives every
rename and move; a recorded class is never changed, a new meaning is a new ``.v2`` class.
Fields are primitives or the records of ``records.py``; ``docs/events.md`` lists the members
that each one stores. ``installed`` and ``downgraded`` differ by the direction of the versions,
whatever the verb was. The classes satisfy the library's ``DomainEventProtocol``.
"""

from typing import ClassVar

from ledger.dataclass import dataclass
from ledger.domain.reason import Reason
from ledger.domain.records import (
    Context,
    InstallationFacts,
    OpenAttempt,
    Output,
    PackageRecord,
    PlannedStep,
    Run,
    StagedRecord,
)
from ledger.domain.tables import Tables


@dataclass(frozen=True, kw_only=True)
class InstallationEvent:
    """One fact about an installation: its place in the stream, who and why."""

    TOPIC: ClassVar[str]

    originator_id: str
    originator_version: int
    context: Context


@dataclass(frozen=True, kw_only=True)
class ReleaseEvent(InstallationEvent):
    """One fact about the releases of a node, and the driver through which it was learnt."""

    driver: str


@dataclass(frozen=True, kw_only=True)
class InstallationRegistered(ReleaseEvent):
    """An installation came under the ledger; its baseline is a claim, not an observed history."""

    TOPIC = "emqx.release.installation_registered.v1"

    kind: str
    source: str
    root: str
    facts: InstallationFacts
    tables: Tables
    booted: str
    run: Run
    baseline: str = "claim"


@dataclass(frozen=True, kw_only=True)
class OperationRequested(ReleaseEvent):
    """An attempt began: what was asked for, from which state, by which plan."""

    TOPIC = "emqx.release.operation_requested.v1"

    verb: str
    to: str | None
    options: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    from_vsn: str | None
    facts: InstallationFacts
    plan: tuple[PlannedStep, ...]
    plan_sha256: str
    before_sha256: str
    package: PackageRecord | None = None
    staged: StagedRecord | None = None
    set_aside: tuple[str, ...] = ()
    warnings: tuple[Reason, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OperationRefused(ReleaseEvent):
    """Rules forbade an attempt; nothing was changed."""

    TOPIC = "emqx.release.operation_refused.v1"

    verb: str
    to: str | None
    options: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    from_vsn: str | None
    code: int
    reasons: tuple[Reason, ...]
    output: Output
    before_sha256: str
    package: PackageRecord | None = None


@dataclass(frozen=True, kw_only=True)
class OperationCompleted(ReleaseEvent):
    """An attempt reached what was asked for; *output* is what somebody else's tool said meanwhile."""

    TOPIC = "emqx.release.operation_completed.v1"

    verb: str
    result: str
    table_sha256: str
    boots_next: str | None
    output: Output | None = None


@dataclass(frozen=True, kw_only=True)
class OperationFailed(ReleaseEvent):
    """A step of an attempt failed; *tables* is what was observed afterwards."""

    TOPIC = "emqx.release.operation_failed.v1"

    verb: str
    step: str
    vsn: str | None
    code: int
    cause: str
    hint: str | None
    output: Output
    tables: Tables
    booted: str
    run: Run


@dataclass(frozen=True, kw_only=True)
class OperationRecovered(ReleaseEvent):
    """``recover`` closed an attempt, or mended files, by what memory and disk showed."""

    TOPIC = "emqx.release.operation_recovered.v1"

    result: str
    verb: str | None
    found: tuple[str, ...]
    done: tuple[str, ...] = ()
    tables: Tables
    table_sha256: str
    booted: str
    run: Run


@dataclass(frozen=True, kw_only=True)
class ReleaseUnpacked(ReleaseEvent):
    """``release_handler:unpack_release/1`` succeeded; *files_sha256* is the digest of what was packed."""

    TOPIC = "emqx.release.unpacked.v1"

    vsn: str
    package: PackageRecord
    erts: str
    files: int
    files_sha256: str
    set_aside: tuple[str, ...] = ()
    before_sha256: str
    after_sha256: str


@dataclass(frozen=True, kw_only=True)
class ReleaseInstalled(ReleaseEvent):
    """``release_handler:install_release/1`` went up to *to*, or back to the permanent version.

    *settings* names the settings of the running applications that this changed, never a value.
    """

    TOPIC = "emqx.release.installed.v1"

    from_vsn: str
    to: str
    settings: tuple[str, ...] = ()
    before_sha256: str
    after_sha256: str


@dataclass(frozen=True, kw_only=True)
class ReleaseDowngraded(ReleaseEvent):
    """``release_handler:install_release/1`` went down to *to*; *settings* as for an install."""

    TOPIC = "emqx.release.downgraded.v1"

    from_vsn: str
    to: str
    settings: tuple[str, ...] = ()
    before_sha256: str
    after_sha256: str


@dataclass(frozen=True, kw_only=True)
class ReleaseMadePermanent(ReleaseEvent):
    """``release_handler:make_permanent/1`` succeeded and all boot files name *vsn*."""

    TOPIC = "emqx.release.made_permanent.v1"

    vsn: str
    former: str | None
    before_sha256: str
    after_sha256: str


@dataclass(frozen=True, kw_only=True)
class ReleaseUninstalled(ReleaseEvent):
    """``release_handler:remove_release/1`` succeeded: what it removed, what stays, what was missing."""

    TOPIC = "emqx.release.uninstalled.v1"

    vsn: str
    was: str
    removed: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    before_sha256: str
    after_sha256: str


@dataclass(frozen=True, kw_only=True)
class NodeRestarted(ReleaseEvent):
    """The node booted anew, by order or on its own; *reverted* names the trials that this undid.

    *down_ms* is how long it was without service, where a command saw that.
    """

    TOPIC = "emqx.release.node_restarted.v1"

    cause: str
    booted: str
    before: Tables
    after: Tables
    reverted: tuple[str, ...] = ()
    run: Run
    down_ms: int | None = None
    before_sha256: str
    after_sha256: str


@dataclass(frozen=True, kw_only=True)
class DriftObserved(ReleaseEvent):
    """Node or disk were not what the record says: something acted outside the ledger (RULINGS 14)."""

    TOPIC = "emqx.release.drift_observed.v1"

    recorded: Tables
    found: Tables
    booted: str
    run: Run
    differences: tuple[str, ...]
    before_sha256: str
    after_sha256: str


@dataclass(frozen=True, kw_only=True)
class NoteAdded(InstallationEvent):
    """Somebody wrote something about the event *event_id*: a note, or a correction of what it says.

    Nothing is ever edited; the context of a correction names in *corrects* the event that it sets right.
    """

    TOPIC = "emqx.release.note_added.v1"

    event_id: str
    kind: str
    text: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class InstallationMoved(ReleaseEvent):
    """The installation has another root or node name from here on; the history goes on in its stream."""

    TOPIC = "emqx.release.installation_moved.v1"

    former_node: str
    former_root: str
    root: str


@dataclass(frozen=True, kw_only=True)
class InstallationUnregistered(InstallationEvent):
    """The installation is no longer under the ledger; its history stays, and it can be registered again."""

    TOPIC = "emqx.release.installation_unregistered.v1"

    root: str
    table_sha256: str


@dataclass(frozen=True, kw_only=True)
class FleetTurnTaken(InstallationEvent):
    """The attempt of the context is the installation's turn in a fleet plan (``FleetPlanned``), in that wave.

    It stands beside the intent, in its commit: the class of an intent that was recorded is never changed.
    """

    TOPIC = "emqx.release.fleet_turn_taken.v1"

    fleet_plan: str
    fleet_plan_sha256: str
    wave: int


@dataclass(frozen=True, kw_only=True)
class SpoolBegun(InstallationEvent):
    """A host that cannot reach the ledger of its fleet goes on with an installation in a ledger of its own.

    What the host knew of the installation is that of version *continues_version* of its stream in the ledger
    *continues_origin*; *continues_checkpoint* are the lines of the newest note of that ledger that it knew. It is the
    first event of the stream there, and changes nothing where it stands behind that version.
    """

    TOPIC = "emqx.release.spool_begun.v1"

    kind: str
    root: str
    facts: InstallationFacts
    tables: Tables
    booted: str
    run: Run
    open_attempt: OpenAttempt | None = None
    continues_origin: str
    continues_version: int
    continues_checkpoint: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EventImported(InstallationEvent):
    """An event of another ledger, carried byte for byte in the stream that it belongs to (``imported.py``).

    *index* is its place in the log of *origin*. *leaf* is what was stored there, *leaf_deflated* the same where
    that would be too long. *checkpoint* is the note of that log that ended a commit with it. The fold never meets
    this class: who replays a stream gets the original event.
    """

    TOPIC = "emqx.release.event_imported.v1"

    origin: str
    index: int
    leaf: tuple[str, ...] = ()
    leaf_deflated: tuple[str, ...] = ()
    checkpoint: tuple[str, ...] = ()


AnyReleaseEvent = (
    InstallationRegistered
    | OperationRequested
    | OperationRefused
    | OperationCompleted
    | OperationFailed
    | OperationRecovered
    | ReleaseUnpacked
    | ReleaseInstalled
    | ReleaseDowngraded
    | ReleaseMadePermanent
    | ReleaseUninstalled
    | NodeRestarted
    | DriftObserved
    | NoteAdded
    | InstallationMoved
    | InstallationUnregistered
    | FleetTurnTaken
    | SpoolBegun
)
