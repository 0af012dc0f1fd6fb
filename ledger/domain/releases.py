"""The releases of one node, folded from its events.

There is one aggregate per installation, because "exactly one permanent, at most one current"
is a rule across versions (release_handler(3)). ``evolve`` applies one recorded event and never
refuses; what may be recorded next is decided in ``decisions.py``.
"""

from typing import TypeVar, assert_never

from ledger.dataclass import dataclass
from ledger.domain.canonical import sha256_hex
from ledger.domain.events import (
    AnyReleaseEvent,
    DriftObserved,
    FleetTurnTaken,
    InstallationMoved,
    InstallationRegistered,
    InstallationUnregistered,
    NodeRestarted,
    NoteAdded,
    OperationCompleted,
    OperationFailed,
    OperationRecovered,
    OperationRefused,
    OperationRequested,
    ReleaseDowngraded,
    ReleaseInstalled,
    ReleaseMadePermanent,
    ReleaseUninstalled,
    ReleaseUnpacked,
    SpoolBegun,
)
from ledger.domain.records import InstallationFacts, Kind, OpenAttempt, Run, Verb
from ledger.domain.tables import Tables
from ledger.errors import EvidenceError


@dataclass(frozen=True, kw_only=True)
class NodeReleases:
    """What the record says of one node: its tables, what booted, what is open, whether it is under the ledger.

    *host* is the id of the host that registered or moved it.
    """

    id: str
    version: int
    node: str
    root: str
    kind: Kind
    facts: InstallationFacts
    tables: Tables
    booted: str
    run: Run
    host: str
    open_attempt: OpenAttempt | None = None
    registered: bool = True


_Frozen = TypeVar("_Frozen", NodeReleases, OpenAttempt)


def stream_of(node: str, *, kind: Kind, root_sha256: str) -> str:
    """Return the name of a node's stream (RULINGS 2): a rehearsal never shares one with production."""
    stream = f"release:{node}"
    return stream if kind is Kind.LIVE else f"{stream}:rehearsal:{root_sha256[:8]}"


def table_digest(tables: Tables) -> str:
    """Return the digest of memory, disk and boot pointers (RULINGS 4)."""
    return sha256_hex(tables.to_record())


def evolve(node: NodeReleases | None, event: AnyReleaseEvent) -> NodeReleases:  # noqa: C901, PLR0911, PLR0912 # one arm for each event; assert_never keeps it whole
    """Return the node after *event*; every recorded event is taken."""
    if isinstance(event, InstallationRegistered):
        return _registered(event)
    if node is None:
        if isinstance(event, SpoolBegun):
            return _with(_registered(event), open_attempt=event.open_attempt)
        raise StreamStartError(event.originator_id)
    version = event.originator_version
    match event:
        case OperationRequested():
            return _with(node, version=version, open_attempt=_opened(event))
        case OperationRefused() | OperationCompleted():
            return _with(node, version=version, open_attempt=None)
        case OperationFailed() | OperationRecovered():
            return _with(
                node, version=version, open_attempt=None, tables=event.tables, booted=event.booted, run=event.run
            )
        case ReleaseUnpacked():
            return _stepped(node, version, node.tables.unpacked(event.vsn))
        case ReleaseInstalled() | ReleaseDowngraded():
            return _stepped(node, version, node.tables.installed(event.to))
        case ReleaseMadePermanent():
            return _stepped(node, version, node.tables.made_permanent(event.vsn))
        case ReleaseUninstalled():
            return _stepped(node, version, node.tables.removed(event.vsn))
        case NodeRestarted():
            return _with(_stepped(node, version, event.after), booted=event.booted, run=event.run)
        case DriftObserved():
            return _with(node, version=version, tables=event.found, booted=event.booted, run=event.run)
        case NoteAdded() | FleetTurnTaken() | SpoolBegun():
            return _with(node, version=version)
        case InstallationMoved():
            name, host = event.context.node or node.node, event.context.source.host_id
            return _with(node, version=version, node=name, root=event.root, host=host)
        case InstallationUnregistered():
            return _with(node, version=version, registered=False)
        case _:
            assert_never(event)


class StreamStartError(EvidenceError):
    """A stream does not begin with the registration of its installation."""

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"the history of {stream} does not begin with its registration",
            fact="the first event of a stream registers the installation",
            hint="run `release-ledger verify`: events may have been removed",
        )
        self.stream = stream


def _with(value: _Frozen, **changed: object) -> _Frozen:
    """Return *value* with some fields *changed*: ``dataclasses.replace`` in a tenth of its time, for replay."""
    copy = object.__new__(type(value))
    copy.__dict__.update(value.__dict__, **changed)
    return copy


def _registered(event: InstallationRegistered | SpoolBegun) -> NodeReleases:
    return NodeReleases(
        id=event.originator_id,
        version=event.originator_version,
        node=event.context.node or event.originator_id,
        root=event.root,
        kind=Kind(event.kind),
        facts=event.facts,
        tables=event.tables,
        booted=event.booted,
        run=event.run,
        host=event.context.source.host_id,
    )


def _opened(event: OperationRequested) -> OpenAttempt:
    return OpenAttempt(
        attempt=event.context.attempt or "",
        verb=Verb(event.verb),
        to=event.to,
        plan=event.plan,
        done=0,
        package=event.package,
        staged=event.staged,
        options=event.options,
    )


def _stepped(node: NodeReleases, version: int, tables: Tables) -> NodeReleases:
    attempt = node.open_attempt
    if attempt is not None:
        attempt = _with(attempt, done=attempt.done + 1)
    return _with(node, version=version, tables=tables, open_attempt=attempt)
