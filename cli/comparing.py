"""Comparing two moments, two nodes or two ledgers: their tables, and what happened in between or in one of them.

What is named with a ``/`` or is a folder is a ledger; what has an ``@`` is a node; all else is a
moment. Events of two moments are those after the earlier one; of nodes and ledgers, the attempts
and what was noticed that only one of them has.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cli.exit_codes import DIFFERENT, DONE
from cli.notes import Notes, note_lines, note_records, notes_of
from cli.plain_text import plain
from cli.reading import ask, meant, now
from cli.render_versions import node_label
from cli.session import Session
from cli.table import table_text
from cli.whom import choose
from ledger.errors import UsageError
from projections.catch_up import read_folder
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable
from projections.position import Position
from projections.view import View
from projections.when import resolve_when

SCHEMA = "release-ledger/diff/1"
_TOLD = (
    "operation_completed",
    "operation_failed",
    "operation_refused",
    "operation_recovered",
    "node_restarted",
    "drift_observed",
    "installation_moved",
    "installation_unregistered",
)


class SidesError(UsageError):
    """Two things are named that cannot be compared."""

    def __init__(self, a: "Side", b: "Side") -> None:
        super().__init__(
            f"a {a.kind} is not compared with a {b.kind}",
            fact=f"{a.title}; {b.title}",
            hint="name two moments, two nodes or two ledgers; see `release-ledger diff --help`",
        )


class Side(NamedTuple):
    """One of the two: its tables, what happened there, and the notes on it; *position* is that of a moment."""

    kind: str
    title: str
    nodes: tuple[NodeTable, ...]
    lines: tuple[Line, ...]
    notes: Notes
    position: Position = Position(-1)


class Event(NamedTuple):
    """Something that happened, in one *side* only or, of two moments, between them; *notes* are those of its side."""

    side: str
    line: Line
    notes: Notes


class Change(NamedTuple):
    """One thing that differs; an empty text where a side does not have it."""

    node: str
    what: str
    a: str
    b: str


def compare(a: str, b: str, *, session: Session) -> int:
    """Print how *a* and *b* differ; return the exit code.

    Raises: SidesError; the errors of reading a ledger; WhenError, NoSuchEventError, NodeUnknownError.
    """
    one, other = _side(a, session), _side(b, session)
    if one.kind != other.kind:
        raise SidesError(one, other)
    changes = tuple(_changes(one, other))
    events = tuple(_between(one, other, session) if one.kind == "moment" else _apart(one, other))
    if session.json:
        session.terminal.write(_as_json(one, other, changes, events))
    else:
        session.terminal.write("".join(f"{plain(line)}\n" for line in (f"A: {one.title}", f"B: {other.title}")))
        session.terminal.write(table_text(("Node", "What", "A", "B"), _rows(changes), session) if changes else "")
        session.terminal.write("".join(_event_text(event) for event in events))
        if not changes and not events:
            session.terminal.write("No difference.\n")
    return DIFFERENT if changes or events else DONE


def _side(text: str, session: Session) -> Side:
    if "/" in text or os.path.isdir(text):  # noqa: PTH112 # unlike pathlib, it says no where it may not look
        return read_folder(Path(text), lambda view, _: _of_ledger(view, text))
    if "@" in text:
        return ask(session, lambda view, _: _of_node(view, text))
    return ask(session, lambda view, ledger: _of_moment(view, ledger, text, session))


def _of_ledger(view: View, text: str) -> Side:
    return Side("ledger", f"ledger {text}", view.nodes(), _happened(view, HistoryFilter(types=_TOLD)), notes_of(view))


def _of_node(view: View, text: str) -> Side:
    node = choose([(node.node, node.stream, node) for node in view.nodes()], text)
    lines = tuple(line for line in _happened(view, HistoryFilter(types=_TOLD)) if line.stream == node.stream)
    return Side("node", f"node {node.node}", (node,), lines, notes_of(view))


def _of_moment(view: View, _: sqlite3.Connection, text: str, session: Session) -> Side:
    position = resolve_when(view, text, now=now())
    number = position.event
    (line,) = view.lines(HistoryFilter(since=number, until=number))
    nodes = meant(view.nodes(at=position), session)
    return Side("moment", f"event {number}, {line.recorded_at}", nodes, (), notes_of(view), position)


def _happened(view: View, wanted: HistoryFilter) -> tuple[Line, ...]:
    return tuple(view.lines(wanted, oldest_first=True))


def _changes(a: Side, b: Side) -> Iterator[Change]:
    if a.kind == "node":
        yield from _of_tables(f"{a.nodes[0].node}, {b.nodes[0].node}", a.nodes[0], b.nodes[0])
        return
    ours, theirs = _by_name(a), _by_name(b)
    for name in dict.fromkeys((*ours, *theirs)):
        yield from _of_tables(name, ours.get(name), theirs.get(name))


def _by_name(side: Side) -> Mapping[str, NodeTable]:
    # Two ledgers know one node by its name; in one ledger the stream goes on when the name changes.
    return {node_label(node) if side.kind == "ledger" else node.stream: node for node in side.nodes}


def _of_tables(name: str, a: NodeTable | None, b: NodeTable | None) -> Iterator[Change]:
    label = node_label(b or a) if name == (b or a or _NOBODY).stream else name  # type: ignore[arg-type] # one of them is there
    ours, theirs = _facts(a), _facts(b)
    for what in dict.fromkeys((*ours, *theirs)):
        if ours.get(what, "") != theirs.get(what, ""):
            yield Change(label, what, ours.get(what, ""), theirs.get(what, ""))


_NOBODY = NodeTable("", "", "", "", (), None, "", None, None, 0)


def _facts(node: NodeTable | None) -> Mapping[str, str]:
    if node is None:
        return {}
    opened = "" if node.open_attempt is None else f"{node.open_attempt.verb} {node.open_attempt.to or ''}".strip()
    facts = {"running": node.running or "", "boots next": node.boots_next or "", "open attempt": opened}
    return {**dict(node.releases), **facts}


def _between(a: Side, b: Side, session: Session) -> Iterator[Event]:
    """Yield what happened after the earlier of two moments, up to the later one, oldest first."""
    low, high = sorted((a.position, b.position), key=lambda at: (at.own, at.moment or "", at.number))
    streams = {node.stream for node in (*a.nodes, *b.nodes)}
    for line in ask(session, lambda view, _: _counted_since(view, low, high)):
        if line.stream in streams:
            yield Event("", line, b.notes)


def _counted_since(view: View, low: Position, high: Position) -> tuple[Line, ...]:
    """Return what happened and counts at one position and not at an earlier one."""
    if low.moment is None:
        return _happened(view, HistoryFilter(since=low.number + 1, types=_TOLD, at=high))
    lines = _happened(view, HistoryFilter(types=_TOLD, at=high))
    known = view.counted([line.number for line in lines], at=low)
    return tuple(line for line in lines if line.number not in known)


def _apart(a: Side, b: Side) -> Iterator[Event]:
    """Yield what happened in one of them only, oldest first."""
    ours, theirs = ({_key(line, side.kind): line for line in side.lines} for side in (a, b))
    yield from (Event("A", line, a.notes) for key, line in ours.items() if key not in theirs)
    yield from (Event("B", line, b.notes) for key, line in theirs.items() if key not in ours)


def _key(line: Line, kind: str) -> str:
    # Attempts of two nodes never share an id: they are the same where they did the same.
    return line.event_id if kind == "ledger" else line.words


def _event_text(event: Event) -> str:
    line, mark = event.line, f"only in {event.side}: " if event.side else ""
    told = f"{mark}{plain(f'event {line.number}, {line.recorded_at}, {line.actor}: {line.words}')}"
    return "".join(f"{text}\n" for text in (told, *(f"  {n}" for n in note_lines(line.event_id, event.notes))))


def _rows(changes: Sequence[Change]) -> list[tuple[str, ...]]:
    return [(change.node, change.what, change.a or "-", change.b or "-") for change in changes]


def _as_json(a: Side, b: Side, changes: Sequence[Change], events: Sequence[Event]) -> str:
    record = {
        "schema": SCHEMA,
        "kind": a.kind,
        "a": a.title,
        "b": b.title,
        "different": bool(changes or events),
        "changes": [{name: value for name, value in change._asdict().items() if value} for change in changes],
        "events": [_event_record(event) for event in events],
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def _event_record(event: Event) -> Mapping[str, object]:
    line = event.line
    record = {
        "index": line.number,
        "recorded_at": line.recorded_at,
        "type": line.type,
        "actor": line.actor,
        "words": line.words,
        "notes": note_records(line.event_id, event.notes),
        "only_in": event.side.lower() or None,
    }
    return {name: value for name, value in record.items() if value is not None}
