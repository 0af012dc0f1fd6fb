"""Level 5 of evidence.md 6.1: whether the record tells a history that can have happened.

An imported event is judged as the original, in the stream that it stands in.
Each event holds what the events of its topic hold, to the letter (``event_form``). Every stream is
folded afresh with the rules of the domain. Each event must start from the tables
that the fold has reached, and must lead to those that it states; a step belongs to an open
attempt and acts on a release in a status that OTP allows; an attempt ends before the next one
begins; what a restart undid is named. An attempt that is still open is told, not condemned:
it is what a crash leaves, and ``recover`` closes it. Whether the node agrees is not known here.

These are rules of this product's own events, so a topic that this version does not know leaves
the level undecided.
"""

from collections.abc import Iterable, Iterator

from ledger.application.audit_report import AuditReport, Finding, Level, Verdict
from ledger.dataclass import replace
from ledger.domain.decisions import CORRECTION
from ledger.domain.envelope import Sealed, unseal
from ledger.domain.event_codec import UnknownTopicError
from ledger.domain.event_form import event_fault
from ledger.domain.events import (
    AnyReleaseEvent,
    DriftObserved,
    EventImported,
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
from ledger.domain.imported import carried_event, carried_leaf
from ledger.domain.ledger_events import AnyEvent, AnyImported, LedgerEvent, TipAccepted
from ledger.domain.releases import NodeReleases, evolve, table_digest
from ledger.domain.spooling import unlike
from ledger.domain.status import ReleaseStatus
from ledger.errors import EvidenceError, LedgerError

_RELEASES = "release:"
_Steps = ReleaseUnpacked | ReleaseInstalled | ReleaseDowngraded | ReleaseMadePermanent | ReleaseUninstalled


class Meaning:
    """The fold of every stream, and what was found wrong on the way.

    *shared* tells that several hosts sign the log: each accepts a tip past its own guard, while others go on.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._nodes: dict[str, NodeReleases | None] = {}
        self._begun: dict[str, int] = {}
        self._accepted: list[tuple[int, TipAccepted]] = []
        self.findings: list[Finding] = []

    def take(self, index: int, state: bytes) -> bool:
        """Follow the event at leaf *index*; return False when its stream cannot be followed on."""
        try:
            sealed = unseal(state)
            event, at = _strict_event(sealed), index
            while isinstance(event, AnyImported):
                at = event.index
                event = _strict_original(event)
        except UnknownTopicError as exc:
            self._find(index, Verdict.UNDECIDED, str(exc))
            return True
        except LedgerError as exc:
            self._find(index, Verdict.FAILED, f"{exc}: {exc.fact}")
            return False
        if isinstance(event, TipAccepted):
            # Hosts are told apart by their keys, which are not seen here: two may have one machine id.
            followed = self._shared and at == index and event.tree_size < index
            return self._accept(index, event, behind=event.tree_size if followed else at)
        if isinstance(event, LedgerEvent | EventImported) or not event.originator_id.startswith(_RELEASES):
            return True  # of no installation: the ledger's own events change no release (RULINGS 6)
        stream = event.originator_id
        node = self._nodes.get(stream)
        fault = next(_faults(node, event), None)
        try:
            after = evolve(node, event)
            fault = fault or next(_faults_after(after, event), None)
        except LedgerError as exc:
            fault = f"{exc}: {exc.fact}"
        if fault is not None:
            self._find(index, Verdict.FAILED, fault)
            return False
        if after.open_attempt is not None and (node is None or node.open_attempt is None):
            self._begun[stream] = index
        self._nodes[stream] = after
        return True

    def remarks(self) -> Iterator[str]:
        """Yield what a reader must know: tips that rest on somebody's word, and what is open at the end."""
        for index, event in self._accepted:
            yield (
                f"event {index} accepts the tip of {event.tree_size} events, since its tip guard was {event.found}: "
                "that there were no more is the word of who accepted it"
            )
        for stream, node in self._nodes.items():
            if node is not None and node.open_attempt is not None:
                verb = f"{node.open_attempt.verb} {node.open_attempt.to or ''}".strip()
                yield f"an attempt is open on {node.node} since event {self._begun[stream]}: {verb}"

    def _accept(self, index: int, event: TipAccepted, *, behind: int) -> bool:
        guarded = event.guarded if event.guarded is not None else 0
        if event.tree_size != behind:
            fault = f"it accepts a tip of {event.tree_size} events, and stands behind {behind}"
        elif (event.found == "passed") != (event.guarded is not None) or guarded > event.tree_size:
            fault = "what it says of the tip guard does not go together"
        elif event.context.reason is None:
            fault = "a tip was accepted without a reason"
        else:
            self._accepted.append((index, event))
            return True
        self._find(index, Verdict.FAILED, fault)
        return False

    def _find(self, index: int, verdict: Verdict, what: str) -> None:
        self.findings.append(Finding(Level.MEANING, verdict, f"event {index}", what))


class NotItsEventError(EvidenceError):
    """An envelope does not hold what the events of its topic hold."""

    def __init__(self, fault: str) -> None:
        super().__init__(
            "it is not what an event of its topic is",
            fact=fault,
            hint="keep the record as it is; find out which software wrote this entry",
        )


def _strict_event(sealed: Sealed) -> AnyEvent:
    """Return the event of an envelope; replay reads it the same, and would pass over a missing or mistyped member."""
    fault = event_fault(str(sealed.envelope.get("type")), sealed.envelope.get("data"))
    if fault is not None:
        raise NotItsEventError(fault)
    return sealed.event


def _strict_original(event: AnyImported) -> AnyEvent:
    """Return the event that *event* carries, which must be what an event of its topic is, too."""
    _strict_event(unseal(carried_leaf(vars(event))))
    return carried_event(event)


def read_meaning(report: AuditReport, events: Iterable[tuple[int, bytes]], *, shared: bool = False) -> AuditReport:
    """Return *report* with level 5 over *events*, all leaves of the log with their index."""
    meaning = Meaning(shared=shared)
    for index, state in events:
        if not meaning.take(index, state):
            break
    found = tuple(meaning.findings)
    return replace(
        report,
        asked=report.asked | {Level.MEANING},
        holding=report.holding if found else report.holding | {Level.MEANING},
        findings=report.findings + found,
        remarks=(*report.remarks, *meaning.remarks()),
    )


def _faults(node: NodeReleases | None, event: AnyReleaseEvent) -> Iterator[str]:
    """Yield why *event* cannot have happened to *node*."""
    if node is None:
        return  # evolve itself refuses a stream that begins with another event
    if isinstance(event, InstallationRegistered):
        if node.registered:
            yield "the installation was registered before"
        return
    if not node.registered and not isinstance(event, NoteAdded):
        yield "the installation had left the ledger before"
    if isinstance(event, SpoolBegun):
        other = unlike(node, event)
        if other is not None:
            yield f"it goes on from another {other} than the history up to it leads to"
        return
    if isinstance(event, NoteAdded | InstallationUnregistered | InstallationMoved):
        yield from _register_faults(node, event)
        return
    before: str | None = getattr(event, "before_sha256", None)
    if before is not None and before != table_digest(node.tables):
        yield "it starts from other tables than the history up to it leads to"
    yield from _attempt_faults(node, event)
    if isinstance(event, _Steps):
        yield from _step_faults(node, event)


def _register_faults(
    node: NodeReleases, event: NoteAdded | InstallationMoved | InstallationUnregistered
) -> Iterator[str]:
    if isinstance(event, NoteAdded):
        if event.context.corrects != (event.event_id if event.kind == CORRECTION else None):
            yield "it does not correct what it says that it corrects"
        return
    if node.open_attempt is not None:
        yield "the installation moves or leaves while an attempt is open"
    former = event.former_root if isinstance(event, InstallationMoved) else event.root
    if former != node.root:
        yield "it moves or leaves from another root than the history up to it names"


def _attempt_faults(node: NodeReleases, event: AnyReleaseEvent) -> Iterator[str]:
    attempt = node.open_attempt
    same = attempt is not None and event.context.attempt == attempt.attempt
    if isinstance(event, OperationRequested | OperationRefused) and attempt is not None:
        yield "it begins while another attempt is open"
    elif isinstance(event, OperationCompleted | OperationFailed) and not same:
        yield "it ends an attempt that is not open"
    elif isinstance(event, OperationRecovered) and attempt is not None and not same:
        yield "it closes another attempt than the open one"
    elif isinstance(event, FleetTurnTaken) and not same:
        yield "it takes a turn for an attempt that is not open"
    elif isinstance(event, _Steps) and not same:
        yield "it is a step of an attempt that is not open"
    elif isinstance(event, NodeRestarted) and event.before != node.tables:
        yield "it restarts from other tables than the history up to it leads to"
    elif isinstance(event, NodeRestarted) and frozenset(event.reverted) != frozenset(
        event.before.undone_in(event.after)
    ):
        yield "it does not name the releases that the restart undid"
    elif isinstance(event, DriftObserved) and event.recorded != node.tables:
        yield "it compares with other tables than the history up to it leads to"


def _step_faults(node: NodeReleases, event: _Steps) -> Iterator[str]:
    vsn = event.to if isinstance(event, ReleaseInstalled | ReleaseDowngraded) else event.vsn
    status = node.tables.status(vsn)
    allowed = isinstance(event, ReleaseUnpacked) or status is not None
    if isinstance(event, ReleaseUninstalled):
        allowed = status in {ReleaseStatus.OLD, ReleaseStatus.UNPACKED}
    elif isinstance(event, ReleaseMadePermanent):
        allowed = status in {ReleaseStatus.CURRENT, ReleaseStatus.PERMANENT}
    if not allowed:
        yield f"{vsn} is {status or 'not known'} there, which does not allow it"


def _faults_after(node: NodeReleases, event: AnyReleaseEvent) -> Iterator[str]:
    stated: str | None = getattr(event, "after_sha256", None) or getattr(event, "table_sha256", None)
    if stated is not None and stated != table_digest(node.tables):
        yield "it leads to other tables than it states"
