"""Comparing two moments, two nodes or two ledgers: their tables, and what happened in between or in one of them.

What is named with a ``/`` or is a folder is a ledger; what has an ``@`` is a node; all else is a
moment. Events of two moments are those after the earlier one; of nodes and ledgers, the attempts
and what was noticed that only one of them has.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cli.exit_codes import DIFFERENT, DONE
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
    """One of the two: its tables, and what happened there; *number* is the event of a moment."""

    kind: str
    title: str
    nodes: tuple[NodeTable, ...]
    lines: tuple[Line, ...]
    number: int = -1


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
    events = tuple(_events(one, other))
    if session.json:
        session.terminal.write(_as_json(one, other, changes, events))
    else:
        session.terminal.write("".join(f"{plain(line)}\n" for line in (f"A: {one.title}", f"B: {other.title}")))
        session.terminal.write(table_text(("Node", "What", "A", "B"), _rows(changes), session) if changes else "")
        session.terminal.write("".join(f"{_side_mark(side)}{plain(_told(line))}\n" for side, line in events))
        if not changes and not events:
            session.terminal.write("No difference.\n")
    return DIFFERENT if changes or events else DONE


def _side(text: str, session: Session) -> Side:
    if "/" in text or Path(text).is_dir():
        return read_folder(Path(text), lambda view, _: Side("ledger", f"ledger {text}", view.nodes(), _happened(view)))
    if "@" in text:
        return ask(session, lambda view, _: _of_node(view, text))
    return ask(session, lambda view, ledger: _of_moment(view, ledger, text, session))


def _of_node(view: View, text: str) -> Side:
    node = choose([(node.node, node.stream, node) for node in view.nodes()], text)
    return Side("node", f"node {node.node}", (node,), tuple(x for x in _happened(view) if x.stream == node.stream))


def _of_moment(view: View, _: sqlite3.Connection, text: str, session: Session) -> Side:
    number = resolve_when(view, text, now=now()).number
    (line,) = view.lines(HistoryFilter(since=number, until=number))
    nodes = meant(view.nodes(at=number), session)
    streams = {node.stream for node in nodes}
    lines = tuple(x for x in _happened(view) if x.stream in streams)
    return Side("moment", f"event {number}, {line.recorded_at}", nodes, lines, number)


def _happened(view: View) -> tuple[Line, ...]:
    return tuple(view.lines(HistoryFilter(types=_TOLD), oldest_first=True))


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


def _events(a: Side, b: Side) -> Iterator[tuple[str, Line]]:
    """Yield what happened in one of them only, each with its side, oldest first."""
    if a.kind == "moment":
        low, high = sorted((a.number, b.number))
        yield from (("", line) for line in (b.lines or a.lines) if low < line.number <= high)
        return
    ours, theirs = ({_key(line, side.kind): line for line in side.lines} for side in (a, b))
    yield from (("A", line) for key, line in ours.items() if key not in theirs)
    yield from (("B", line) for key, line in theirs.items() if key not in ours)


def _key(line: Line, kind: str) -> str:
    # Attempts of two nodes never share an id: they are the same where they did the same.
    return line.event_id if kind == "ledger" else line.words


def _side_mark(side: str) -> str:
    return f"only in {side}: " if side else ""


def _told(line: Line) -> str:
    return f"event {line.number}, {line.recorded_at}, {line.actor}: {line.words}"


def _rows(changes: Sequence[Change]) -> list[tuple[str, ...]]:
    return [(change.node, change.what, change.a or "-", change.b or "-") for change in changes]


def _as_json(a: Side, b: Side, changes: Sequence[Change], events: Sequence[tuple[str, Line]]) -> str:
    record = {
        "schema": SCHEMA,
        "kind": a.kind,
        "a": a.title,
        "b": b.title,
        "different": bool(changes or events),
        "changes": [{name: value for name, value in change._asdict().items() if value} for change in changes],
        "events": [
            {
                "index": line.number,
                "recorded_at": line.recorded_at,
                "type": line.type,
                "actor": line.actor,
                "words": line.words,
                **({"only_in": side.lower()} if side else {}),
            }
            for side, line in events
        ],
    }
    return json.dumps(record, separators=(",", ":")) + "\n"
