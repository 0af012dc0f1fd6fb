"""Replaying: every event folded afresh from the record, then compared with the stored view and with the node.

The fold is the aggregate's own; what is compared is what readers are shown (``views.db``), tables
and lines, and with ``--live`` what the node shows now.
"""

import json
import sqlite3
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple

from cli.exit_codes import DIFFERENT, DONE
from cli.listing import print_texts
from cli.live import look_at, own_of
from cli.notes import Notes, note_lines, note_records, notes_of
from cli.plain_text import plain
from cli.reading import ask_for_lines, meant, moment_at, now
from cli.render_versions import node_label
from cli.session import Session
from ledger.application.reconcile import unrecorded
from projections.history import HistoryFilter, Intent, Line, line_of, type_of
from projections.nodes import NodeTable
from projections.position import At, Position, position_of
from projections.read import StoredEvent
from projections.refold import refold
from projections.versions import table_of
from projections.view import View
from projections.when import resolve_when

if TYPE_CHECKING:
    from ledger.domain.releases import NodeReleases
    from projections.sqlite import SqliteView

SCHEMA, STATE_SCHEMA = "release-ledger/replay/1", "release-ledger/state/1"


class State(NamedTuple):
    """The table after one event."""

    event: StoredEvent
    table: NodeTable
    intent: Intent | None

    @property
    def event_id(self) -> str:
        """The id of the event."""
        return str(self.event.envelope["event_id"])

    @property
    def words(self) -> str:
        """What happened."""
        return line_of(self.event, intent=self.intent, before=None).words


class _Shown:
    """The lines that readers are shown, oldest first, asked for by rising numbers."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._ahead = next(lines, None)

    def at(self, number: int) -> Line | None:
        """Return the line of event *number*, None where there is none."""
        while self._ahead is not None and self._ahead.number < number:
            self._ahead = next(self._lines, None)
        return self._ahead if self._ahead is not None and self._ahead.number == number else None


class Replay:
    """A replay up to event *last*: the nodes and tables so far, and each place where the view says something else."""

    def __init__(
        self, view: "SqliteView", ledger: sqlite3.Connection, *, to: Position, streams: AbstractSet[str]
    ) -> None:
        self._view, self._ledger, self._streams = view, ledger, streams
        self._to = to
        self._limits = {} if to.moment is None else view.limits(to)
        self.moment = moment_at(ledger, to)
        self.last = to.number
        self.notes = notes_of(view)
        self.nodes: dict[str, NodeReleases] = {}
        self.tables: dict[str, NodeTable] = {}
        self.differences: list[str] = []
        self._intents: dict[str, Intent] = {}

    def states(self) -> Iterator[State]:
        """Fold every event afresh, and yield the table after each."""
        shown = _Shown(self._view.lines(HistoryFilter(until=self.last), oldest_first=True))
        for stored, _, node in refold(self._ledger, stop=self.last + 1):
            if stored.stream not in self._streams or not self._counts(stored):
                continue
            self.differences += _line_differs(shown.at(stored.number), stored, self._intent(stored))
            table, known = table_of(node, last_change=0), self.tables.get(stored.stream)
            self.nodes[stored.stream], self.tables[stored.stream] = node, table
            if table != known:
                self.differences += _view_differs(self._view, stored.number, table)
            yield State(stored, table, self._intent(stored))
        for table in self.tables.values():
            self.differences += _view_differs(self._view, self._to, table)
            if self._to.moment is None and self.last == self._view.size() - 1:
                self.differences += _short_table_differs(self._view, self.last, table)

    def _counts(self, stored: StoredEvent) -> bool:
        """Tell whether an event counts at the moment to which is replayed."""
        return stored.number <= self._limits.get(stored.stream, self._to.own)

    def _intent(self, stored: StoredEvent) -> Intent | None:
        """Return what the attempt of an event is about, which its first event says."""
        attempt, data = stored.envelope.get("attempt"), stored.data
        if attempt is None:
            return None
        if type_of(stored.topic) == "operation_requested":
            self._intents[stored.stream] = Intent(data.get("verb"), data.get("to"))
        # One attempt of an installation at a time is open.
        return self._intents.get(stored.stream)


def replay(to: str | None, *, step: bool, live: bool, session: Session) -> int:
    """Print what the events lead to; return the exit code.

    Raises: the errors of reading a ledger; WhenError, NoSuchEventError, NodeUnknownError; as ``look_at``.
    """
    with ask_for_lines(session, lambda view, ledger: _begun(view, ledger, to, session)) as done:
        states = done.states()
        if step:
            told = _state_json if session.json else _state_text
            print_texts((told(state, done.notes) for state in states), session)
        # Whoever does not look at each state, or reads no further, is answered by the exit code all the same.
        for _ in states:
            pass
    differences = tuple(done.differences)
    if live:
        differences = (*differences, *_live(done, session))
    if session.json:
        session.terminal.write(_as_json(done, differences, live=live))
    else:
        session.terminal.write("".join(f"{plain(line)}\n" for line in _lines(done, differences, live=live)))
    return DIFFERENT if differences else DONE


def _begun(view: "SqliteView", ledger: sqlite3.Connection, to: str | None, session: Session) -> Replay:
    end = Position(view.size() - 1) if to is None else resolve_when(view, to, now=now())
    return Replay(view, ledger, to=end, streams={node.stream for node in meant(view.nodes(at=end), session)})


def _line_differs(shown: Line | None, stored: StoredEvent, intent: Intent | None) -> Iterator[str]:
    """Compare what `log` and its filters answer from; whether the clock fell needs the event before, of any node."""
    line = line_of(stored, intent=intent, before=None)
    if shown is None:
        yield f"no line for event {stored.number}; the events say: {line.words}"
        return
    shown = shown._replace(clock_fell=line.clock_fell)
    names = [name for name in Line._fields if getattr(shown, name) != getattr(line, name)]
    if names:
        told = "; ".join(f"{name} {getattr(shown, name)}, the events say: {getattr(line, name)}" for name in names)
        yield f"line of event {stored.number}: {told}"


def _view_differs(view: View, at: At, table: NodeTable) -> Iterator[str]:
    shown = next(iter(view.nodes(at=at, stream=table.stream)), None)
    if table.registered and (shown is None or shown._replace(last_change=0) != table):
        yield f"view at event {position_of(at).number}: {_in_words(shown)}; the events say: {_in_words(table)}"


def _short_table_differs(view: "SqliteView", number: int, table: NodeTable) -> Iterator[str]:
    """Compare what `versions` and `root_dir` answer from."""
    shown = view.short_table(table.stream)
    if table.registered and shown != (table.node, table.root, table.releases):
        node, root, releases = shown or ("no node", "no root", ())
        rows = ", ".join(f"{vsn} {status}" for vsn, status in releases) or "no release"
        yield f"short table at event {number}: {node} in {root}, {rows}; the events say: {_in_words(table)}"


def _live(done: Replay, session: Session) -> Iterator[str]:
    for node in own_of([node for node in done.nodes.values() if node.registered], session):
        yield from (f"node {node.node}: {text}" for text in unrecorded(node, look_at(node, session)))


def _in_words(table: NodeTable | None) -> str:
    if table is None:
        return "nothing"
    rows = ", ".join(f"{vsn} {status}" for vsn, status in table.releases) or "no release"
    return f"{rows}; boots next {table.boots_next or 'nothing known'}"


def _lines(done: Replay, differences: tuple[str, ...], *, live: bool) -> Iterator[str]:
    yield f"Replayed events 0 to {done.last}, {done.moment.in_words}" if done.moment.at else _replayed(done)
    for table in done.tables.values():
        yield f"{node_label(table)}: {_in_words(table)}"
    yield from (f"differs: {text}" for text in differences)
    if not differences:
        yield "The view agrees" + (", and so does the node." if live else ".")


def _replayed(done: Replay) -> str:
    return f"Replayed events 0 to {done.last}" + (f", root {done.moment.root}" if done.moment.root else "")


def _as_json(done: Replay, differences: tuple[str, ...], *, live: bool) -> str:
    record = {
        "schema": SCHEMA,
        "as_of": done.moment.record,
        "nodes": [_table_record(table) for table in done.tables.values()],
        "compared_with": ["view", "node"] if live else ["view"],
        "differences": list(differences),
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def _state_text(state: State, notes: Notes) -> str:
    table = f"{node_label(state.table)}: {_in_words(state.table)}"
    noted = "".join(f"  {line}\n" for line in note_lines(state.event_id, notes))
    return f"event {state.event.number}: {plain(state.words)}\n{noted}  {plain(table)}\n"


def _state_json(state: State, notes: Notes) -> str:
    record = {"schema": STATE_SCHEMA, "index": state.event.number, "words": state.words, **_table_record(state.table)}
    if noted := note_records(state.event_id, notes):
        record["notes"] = noted
    return json.dumps(record, separators=(",", ":")) + "\n"


def _table_record(table: NodeTable) -> dict[str, object]:
    record: dict[str, object] = {
        "node": table.node,
        "kind": table.kind,
        "releases": [{"vsn": vsn, "status": status} for vsn, status in table.releases],
        "running": table.running,
        "boots_next": table.boots_next,
        "open_attempt": None if table.open_attempt is None else table.open_attempt.attempt,
    }
    return {name: value for name, value in record.items() if value is not None}
