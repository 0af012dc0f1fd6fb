"""Events of the ledger as a whole, version 1: those that belong to no installation (RULINGS 6).

They stand on one stream, ``ledger``, under topics ``emqx.ledger.<name>.v1``, and carry no node
and no driver. The fold of an installation never meets them. What ``events.py`` says of topics
and of recorded classes holds here too.
"""

from enum import StrEnum
from typing import ClassVar, get_args

from ledger.dataclass import dataclass
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.records import Context

LEDGER_STREAM = "ledger"


class GuardFound(StrEnum):
    """How a tip guard was that did not vouch for its ledger (evidence.md 5.4)."""

    MISSING = "missing"
    DAMAGED = "damaged"
    FOREIGN = "foreign"
    PASSED = "passed"


@dataclass(frozen=True, kw_only=True)
class LedgerEvent:
    """One fact about the ledger itself: its place in the stream, who and why."""

    TOPIC: ClassVar[str]

    originator_id: str = LEDGER_STREAM
    originator_version: int
    context: Context


@dataclass(frozen=True, kw_only=True)
class EvidenceExported(LedgerEvent):
    """An evidence bundle left the ledger: of the tree of *tree_size* events, known by its manifest's digest.

    *form* is ``whole`` or ``sample``; *disclosed* counts the personal values that went with it.
    """

    TOPIC = "emqx.ledger.evidence_exported.v1"

    form: str
    tree_size: int
    entries: int
    disclosed: int
    filters: tuple[str, ...] = ()
    manifest_sha256: str


@dataclass(frozen=True, kw_only=True)
class LedgerNoteAdded(LedgerEvent):
    """Somebody wrote something about an event of the ledger itself: as ``NoteAdded`` of an installation."""

    TOPIC = "emqx.ledger.note_added.v1"

    event_id: str
    kind: str
    text: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LedgerRefilled(LedgerEvent):
    """A restored ledger got back what it had lost: the events from *first* to the tree of *tree_size*, byte for byte.

    *root_sha256* is the root that had been signed for that size, and was reached again.
    """

    TOPIC = "emqx.ledger.ledger_refilled.v1"

    first: int
    tree_size: int
    root_sha256: str


@dataclass(frozen=True, kw_only=True)
class TipAccepted(LedgerEvent):
    """The operator accepted the tree of *tree_size* events as the whole ledger; its tip guard did not vouch for it.

    *found* says how the guard was (a ``GuardFound``): foreign is that of another ledger, passed one behind by more than
    one commit, at *guarded* events; *guard_sha256* is the digest of what lay in its place. *holders* are those outside
    that took this tip. The event stands directly behind the tree that it accepts.
    """

    TOPIC = "emqx.ledger.tip_accepted.v1"

    found: str
    tree_size: int
    root_sha256: str
    guarded: int | None = None
    guard_sha256: str | None = None
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FleetPlanned(LedgerEvent):
    """A plan for a fleet was made: *nodes* go to release *to* in *waves*, *left_out* do not.

    *fleet_plan* is its id, *fleet_plan_sha256* the digest of all of it. Which nodes stands in the events behind it,
    of the same commit. *packages* are those that it was judged by.
    """

    TOPIC = "emqx.ledger.fleet_planned.v1"

    fleet_plan: str
    fleet_plan_sha256: str
    to: str
    waves: int
    nodes: int
    left_out: int
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FleetWavePlanned(LedgerEvent):
    """Installations that take their turn in one wave of a plan, counted from 1; a large wave has several events."""

    TOPIC = "emqx.ledger.fleet_wave_planned.v1"

    fleet_plan: str
    wave: int
    streams: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FleetNodesLeftOut(LedgerEvent):
    """Installations that a plan leaves out, all by the same *rules*."""

    TOPIC = "emqx.ledger.fleet_nodes_left_out.v1"

    fleet_plan: str
    rules: tuple[str, ...]
    streams: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FleetNodesExcused(LedgerEvent):
    """Installations for which the later waves of a plan need not wait; the context says why."""

    TOPIC = "emqx.ledger.fleet_nodes_excused.v1"

    fleet_plan: str
    streams: tuple[str, ...]


AnyLedgerEvent = (
    EvidenceExported
    | LedgerNoteAdded
    | LedgerRefilled
    | TipAccepted
    | FleetPlanned
    | FleetWavePlanned
    | FleetNodesLeftOut
    | FleetNodesExcused
)
LEDGER_CLASSES: tuple[type[AnyLedgerEvent], ...] = get_args(AnyLedgerEvent)
AnyEvent = AnyReleaseEvent | AnyLedgerEvent
