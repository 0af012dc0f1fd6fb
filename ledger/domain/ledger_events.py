"""Events of the ledger as a whole, version 1: those that belong to no installation (RULINGS 6).

They stand on one stream, ``ledger``, under topics ``emqx.ledger.<name>.v1``, and carry no node
and no driver. The fold of an installation never meets them. What ``events.py`` says of topics
and of recorded classes holds here too.
"""

from enum import StrEnum
from typing import ClassVar, get_args

from ledger.dataclass import dataclass
from ledger.domain.events import AnyReleaseEvent, EventImported
from ledger.domain.records import Context

LEDGER_STREAM = "ledger"


class GuardFound(StrEnum):
    """How a tip guard was that did not vouch for its ledger (evidence.md 5.4)."""

    MISSING = "missing"
    DAMAGED = "damaged"
    FOREIGN = "foreign"
    PASSED = "passed"


class ImportForm(StrEnum):
    """How another ledger's history came into this one: as a copy, as what goes on here, or from an offline host."""

    IMPORT = "import"
    MOVE = "move"
    SPOOL = "spool"


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
    that took this tip. The event stands directly behind the tree that it accepts; where many hosts record, events of
    others may stand between.
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


@dataclass(frozen=True, kw_only=True)
class LedgerImported(LedgerEvent):
    """A part of another ledger stands in this one from here on: from its event *first* to its tree of *tree_size*.

    They were verified before: *origin* and *vkeys* say by which keys, *root_sha256* and *checkpoint* what they were
    held against. *anchors* are the notes that others had signed. *form* is an ``ImportForm``; *disclosed* counts the
    personal values that came along.
    """

    TOPIC = "emqx.ledger.ledger_imported.v1"

    origin: str
    vkeys: tuple[str, ...]
    form: str
    first: int
    tree_size: int
    root_sha256: str
    checkpoint: tuple[str, ...]
    anchors: tuple[str, ...] = ()
    disclosed: int


@dataclass(frozen=True, kw_only=True)
class LedgerEventImported(LedgerEvent):
    """An event of another ledger that is of no installation, carried byte for byte: as ``EventImported``."""

    TOPIC = "emqx.ledger.event_imported.v1"

    origin: str
    index: int
    leaf: tuple[str, ...] = ()
    leaf_deflated: tuple[str, ...] = ()
    checkpoint: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LedgerMoved(LedgerEvent):
    """The last event of a ledger that goes on elsewhere: in the ledger *to_origin*, which lies at *to*.

    *to_checkpoint* is the newest note of that ledger, where it had one.
    """

    TOPIC = "emqx.ledger.ledger_moved.v1"

    to: str
    to_origin: str
    to_vkey: str
    to_checkpoint: tuple[str, ...] = ()


AnyLedgerEvent = (
    EvidenceExported
    | LedgerNoteAdded
    | LedgerRefilled
    | TipAccepted
    | FleetPlanned
    | FleetWavePlanned
    | FleetNodesLeftOut
    | FleetNodesExcused
    | LedgerImported
    | LedgerEventImported
    | LedgerMoved
)
LEDGER_CLASSES: tuple[type[AnyLedgerEvent], ...] = get_args(AnyLedgerEvent)
AnyImported = EventImported | LedgerEventImported
AnyEvent = AnyReleaseEvent | EventImported | AnyLedgerEvent
