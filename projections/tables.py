"""Tables for other programs: the lines of the history as CSV, the versions as JSON.

A cell that begins with ``=``, ``+``, ``-`` or ``@`` gets a quote mark in front, because a
spreadsheet would take it for a formula; so does one with a tab or a return, which some strip
first. Rows end in CR LF (RFC 4180).

*notes* has what was noted on an event, corrections too. Each has a row of its own as well, which names
in *noted* the ``event_id`` of the event that it is about; *plan* is the fleet plan of a turn, an excuse
or a part of a plan.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from projections.history import Line
from projections.nodes import NodeTable

COLUMNS = (
    "index",
    "recorded_at",
    "node",
    "rehearsal",
    "type",
    "verb",
    "vsn",
    "words",
    "failed",
    "actor",
    "reason",
    "ticket",
    "driver",
    "attempt",
    "event_id",
    "stream",
    "clock_fell",
    "imported",
    "imported_index",
    "notes",
    "noted",
    "plan",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_rows(lines: Iterable[Line], notes: Mapping[str, Sequence[Line]]) -> Iterator[str]:
    """Yield the heading and one row for each line; *notes* has those on an event by its id."""
    yield _row(COLUMNS)
    for line in lines:
        told = " | ".join(
            f"{n.words} (event {n.number}, {n.recorded_at}, {n.actor})" for n in notes.get(line.event_id, ())
        )
        own = {"index": line.number, "rehearsal": line.rehearsal, "notes": told}
        values: Mapping[str, object] = line._asdict() | own
        yield _row([_text(values[column]) for column in COLUMNS])


def versions_record(nodes: Sequence[NodeTable], *, size: int, root: str) -> Mapping[str, Any]:
    """Return the tables of all nodes after *size* events, whose root is *root*."""
    return {
        "schema": "release-ledger/bundle-versions/1",
        "as_of": {"tree_size": size, "root": root},
        "nodes": [
            {
                "node": node.node,
                "stream": node.stream,
                "kind": node.kind,
                "root_dir": node.root,
                "releases": [{"vsn": vsn, "status": status} for vsn, status in node.releases],
                "booted": node.booted,
                **({} if node.running is None else {"running": node.running}),
                **({} if node.boots_next is None else {"boots_next": node.boots_next}),
                **({} if node.open_attempt is None else {"open_attempt": node.open_attempt.attempt}),
            }
            for node in nodes
        ],
    }


def guarded(cell: str) -> str:
    """Return *cell* so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _text(value: object) -> str:
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _row(cells: Sequence[str]) -> str:
    text = StringIO()
    csv.writer(text).writerow([guarded(cell) for cell in cells])
    return text.getvalue()
