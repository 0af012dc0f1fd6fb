"""History: one line for each event, and which of them a reader wants.

A line is made from the stored envelope alone, so that reading it needs neither the domain nor
the events, and an event of a later version still has its line. The *words* of a line say what
happened, in the words of PRODUCT section 5. The outcome of an attempt inherits verb and
version from its intent.

``log``, ``export`` and ``report`` take the same filter: ``matches`` says what each of its
parts means, and a view answers as if it had asked ``matches`` of every line.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ledger.dataclass import dataclass
from ledger.errors import UsageError
from projections.position import Position
from projections.read import StoredEvent

Data = Mapping[str, Any]
NOTE_ADDED = "note_added"


class Line(NamedTuple):
    """One event as ``log`` shows it; *number* is its leaf index, *vsns* are the versions it concerns.

    *clock_fell* flags a clock that was set back while the host ran on (RULINGS 10). *noted* is the
    id of the event that a note or correction is about, *plan* that of the fleet plan. *imported* is
    the log from which the event was imported, *imported_index* its number there.
    """

    number: int
    recorded_at: str
    stream: str
    node: str | None
    type: str
    topic: str
    event_id: str
    attempt: str | None
    verb: str | None
    vsn: str | None
    vsns: tuple[str, ...]
    actor: str
    driver: str | None
    ticket: str | None
    reason: str | None
    words: str
    failed: bool
    clock_fell: bool
    noted: str | None = None
    plan: str | None = None
    imported: str | None = None
    imported_index: int | None = None

    @property
    def rehearsal(self) -> bool:
        """Tell whether it happened on a rehearsal, never in production (RULINGS 2)."""
        return ":rehearsal:" in self.stream


class Clock(NamedTuple):
    """The clock of one event."""

    recorded_at: str
    boot_id: str
    monotonic_us: int


class Intent(NamedTuple):
    """What an attempt is about, for the lines of its outcome."""

    verb: str | None
    vsn: str | None


class UnknownTypeError(UsageError):
    """A filter names a type of event that does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!a} is not a type of event",
            fact="the types are " + ", ".join(sorted(WORDS)),
            hint="name one of them, for example --type installed",
        )
        self.name = name


class LimitError(UsageError):
    """A filter asks for less than one event."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} is no number of events", fact="the least is 1", hint="leave -n away to see all of them"
        )
        self.limit = limit


@dataclass(frozen=True, kw_only=True)
class HistoryFilter:
    """Which events are wanted; a part that is None or empty wants all.

    *since* and *until* are inclusive: a number of an event, or a time as events store it. *at* wants
    what counts there. *node* is the name that an event carries, or its stream. *origin* is the log
    that events were imported from.
    *failed* wants what did not succeed; *limit* counts from the newest.
    """

    since: int | str | None = None
    until: int | str | None = None
    at: Position | None = None
    types: tuple[str, ...] = ()
    vsn: str | None = None
    actor: str | None = None
    ticket: str | None = None
    node: str | None = None
    origin: str | None = None
    failed: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        unknown = next((name for name in self.types if name not in WORDS), None)
        if unknown is not None:
            raise UnknownTypeError(unknown)
        if self.limit is not None and self.limit < 1:
            raise LimitError(self.limit)

    def matches(self, line: Line) -> bool:
        """Tell whether *line* is wanted, *limit* apart; a line alone does not tell whether it counts at a time."""
        return (
            (self.since is None or _place(line, self.since) >= self.since)  # type: ignore[operator] # _place answers in the type it was asked in
            and (self.until is None or _place(line, self.until) <= self.until)  # type: ignore[operator] # as above
            and (self.at is None or line.number <= self.at.number)
            and (not self.types or line.type in self.types)
            and (self.vsn is None or self.vsn in line.vsns)
            and (self.actor is None or self.actor == line.actor)
            and (self.ticket is None or self.ticket == line.ticket)
            and (self.node is None or self.node in {line.node, line.stream})
            and (self.origin is None or self.origin == line.imported)
            and (line.failed or not self.failed)
        )


def line_of(stored: StoredEvent, *, intent: Intent | None, before: Clock | None) -> Line:
    """Return the line of one event.

    *intent* is that of its attempt, where one was recorded; *before* the clock of the event before it in its log.
    Raises: KeyError, TypeError or AttributeError for an envelope that lacks a mandatory member.
    """
    envelope, data = stored.envelope, stored.data
    kind = type_of(stored.topic)
    verb, vsn = data.get("verb"), data.get("to", data.get("vsn"))
    if intent is not None:
        verb, vsn = verb or intent.verb, vsn or intent.vsn
    words = WORDS.get(kind, _unknown)({**data, "verb": verb, "of": vsn})
    return Line(
        number=stored.number,
        recorded_at=envelope["recorded_at"],
        stream=stored.stream,
        node=envelope.get("node"),
        type=kind,
        topic=stored.topic,
        event_id=envelope["event_id"],
        attempt=envelope.get("attempt"),
        verb=verb,
        vsn=vsn or data.get("booted"),
        vsns=_versions(data, vsn),
        actor=envelope["actor"]["id"],
        driver=data.get("driver"),
        ticket=envelope.get("ticket"),
        reason=envelope.get("reason"),
        words=words,
        failed=failed(kind, data),
        clock_fell=before is not None and _fell(before, clock_of(stored)),
        noted=data["event_id"] if kind == NOTE_ADDED else None,
        plan=data.get("fleet_plan"),
        imported=None if stored.imported is None else stored.imported.origin,
        imported_index=None if stored.imported is None else stored.imported.number,
    )


def clock_of(stored: StoredEvent) -> Clock:
    """Return the clock of one event.

    Raises: KeyError or TypeError for an envelope without one.
    """
    clock = stored.envelope["clock"]
    return Clock(stored.envelope["recorded_at"], clock["boot_id"], clock["monotonic_us"])


def type_of(topic: str) -> str:
    """Return the short name of a topic: ``installed`` of ``emqx.release.installed.v1`` (RULINGS 11)."""
    parts = topic.split(".")
    return parts[-2] if len(parts) > 1 else topic


def failed(kind: str, data: Data) -> bool:
    """Tell whether an event says that something did not succeed."""
    if kind == "operation_recovered":
        return data["result"] in {"failed", "taken_back"}
    return kind in {"operation_failed", "operation_refused"}


def _place(line: Line, bound: int | str) -> int | str:
    return line.number if isinstance(bound, int) else line.recorded_at


def _fell(before: Clock, after: Clock) -> bool:
    ran_on = after.boot_id == before.boot_id and after.monotonic_us > before.monotonic_us
    return ran_on and after.recorded_at < before.recorded_at


def _versions(data: Data, vsn: str | None) -> tuple[str, ...]:
    named = (vsn, data.get("from"), data.get("former"), data.get("booted"), *data.get("reverted", ()))
    return tuple(dict.fromkeys(name for name in named if name))


def _operation(data: Data) -> str:
    return " ".join(part for part in (data["verb"], data["of"]) if part) or "repair"


def _registered(data: Data) -> str:
    return f"registered as {data['kind']}, {data['booted']} booted"


def _requested(data: Data) -> str:
    return f"{_operation(data)} requested"


def _refused(data: Data) -> str:
    return f"{_operation(data)} refused: {', '.join(reason['rule'] for reason in data['reasons'])}"


def _completed(data: Data) -> str:
    return f"{_operation(data)} completed"


def _failed(data: Data) -> str:
    return f"{_operation(data)} failed at {data['step']}: {data['cause']}"


def _recovered(data: Data) -> str:
    return f"{_operation(data)} recovered: {data['result'].replace('_', ' ')}"


def _unpacked(data: Data) -> str:
    return f"unpacked {data['vsn']}"


def _installed(data: Data) -> str:
    return f"installed {data['to']} over {data['from']}"


def _downgraded(data: Data) -> str:
    return f"downgraded to {data['to']} from {data['from']}"


def _made_permanent(data: Data) -> str:
    return f"made {data['vsn']} permanent"


def _uninstalled(data: Data) -> str:
    return f"uninstalled {data['vsn']}, which was {data['was']}"


def _restarted(data: Data) -> str:
    undone = data.get("reverted", ())
    noticed = f", noticed later: it started at {data['run']['started_at']}" if data["cause"] == "noticed" else ""
    return f"booted {data['booted']}" + (f", undone: {', '.join(undone)}" if undone else "") + noticed


def _drifted(data: Data) -> str:
    places = ", ".join(text.partition(":")[0] for text in data.get("differences", ()))
    rows = ", ".join(f"{vsn} {status}" for vsn, status in data["found"]["memory"])
    return f"changed outside the ledger: {places}; found {rows or 'no release'}"


def _noted(data: Data) -> str:
    return f"{data['kind']}: {' / '.join(data['text'])}"


def _moved(data: Data) -> str:
    return f"moved from {data['former_node']}, {data['former_root']}, to {data['root']}"


def _unregistered(data: Data) -> str:
    return f"left the ledger, its root was {data['root']}"


def _exported(data: Data) -> str:
    events = "1 event" if data["entries"] == 1 else f"{data['entries']} events"
    return f"exported {events} as evidence, {data['form']} form, tree of {data['tree_size']}"


def _refilled(data: Data) -> str:
    return f"got back events {data['first']} to {data['tree_size'] - 1}, which had been lost"


def _accepted(data: Data) -> str:
    held = f"passed at {data['guarded']}" if data["found"] == "passed" else data["found"]
    return f"accepted the tip of {data['tree_size']} events, its tip guard was {held}"


def _planned(data: Data) -> str:
    out = f", {data['left_out']} left out" if data["left_out"] else ""
    return f"planned {data['to']} for {_nodes(data['nodes'])} in {data['waves']} waves{out}"


def _wave(data: Data) -> str:
    return f"planned for wave {data['wave']}: {_nodes(len(data['streams']))}"


def _left_out(data: Data) -> str:
    return f"left {_nodes(len(data['streams']))} out of the plan: {', '.join(data['rules'])}"


def _excused(data: Data) -> str:
    return f"excused {_nodes(len(data['streams']))} from the plan"


def _turn(data: Data) -> str:
    return f"took its turn in wave {data['wave']} of plan {data['fleet_plan']}"


def _spool(data: Data) -> str:
    return f"goes on apart from {data['continues_origin']}, from version {data['continues_version']} of its history"


def _imported_event(data: Data) -> str:
    return f"event {data['index']} of {data['origin']}, not readable"


def _imported(data: Data) -> str:
    return f"imported events {data['first']} to {data['tree_size'] - 1} of {data['origin']}, as {data['form']}"


def _moved_on(data: Data) -> str:
    return f"the ledger goes on as {data['to_origin']} at {data['to']}"


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _unknown(data: Data) -> str:
    return f"not known to this version: {len(data)} members"


WORDS: Mapping[str, Callable[[Data], str]] = {
    "installation_registered": _registered,
    "operation_requested": _requested,
    "operation_refused": _refused,
    "operation_completed": _completed,
    "operation_failed": _failed,
    "operation_recovered": _recovered,
    "unpacked": _unpacked,
    "installed": _installed,
    "downgraded": _downgraded,
    "made_permanent": _made_permanent,
    "uninstalled": _uninstalled,
    "node_restarted": _restarted,
    "drift_observed": _drifted,
    "evidence_exported": _exported,
    "ledger_refilled": _refilled,
    "tip_accepted": _accepted,
    NOTE_ADDED: _noted,
    "installation_moved": _moved,
    "installation_unregistered": _unregistered,
    "fleet_planned": _planned,
    "fleet_wave_planned": _wave,
    "fleet_nodes_left_out": _left_out,
    "fleet_nodes_excused": _excused,
    "fleet_turn_taken": _turn,
    "spool_begun": _spool,
    "event_imported": _imported_event,
    "ledger_imported": _imported,
    "ledger_moved": _moved_on,
}
