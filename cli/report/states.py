"""The tables of versions over a period: what the cursor of the report reads and its lanes draw.

Order is the log index, never the clock. A state counts from the earliest time at which
``versions --at`` shows it: an event of a later number may carry an earlier time, and then
already stands for it. So *since* never falls from one state to the next, of one log: what was
imported has the times of the log that it comes from.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from projections.history import HistoryFilter
from projections.nodes import NodeTable
from projections.view import View

CHANGING = (
    "installation_registered",
    "operation_failed",
    "operation_recovered",
    "unpacked",
    "installed",
    "downgraded",
    "made_permanent",
    "uninstalled",
    "node_restarted",
    "drift_observed",
    "installation_moved",
    "installation_unregistered",
    "spool_begun",
)
MOST = 5_000

Rows = tuple[tuple[str, str], ...]


class State(NamedTuple):
    """The table of one node from event *number* on; *releases* is None once the node has left the ledger."""

    number: int
    since: str
    stream: str
    node: str
    rehearsal: bool
    releases: Rows | None


class Splice(NamedTuple):
    """Rows as a change of those before: the first *kept*, then *rows*, then the last *ending* of the former ones."""

    kept: int
    ending: int
    rows: Rows


def states_of(view: View, *, first: int, last: int, node: str | None) -> tuple[State, ...] | None:
    """Return the states from event *first* to event *last*, of one *node* or of all; None where they are too many."""
    lines = view.lines(HistoryFilter(since=first, until=last, types=CHANGING, limit=MOST + 2))
    changes = [line.number for line in lines if line.number > first]
    if len(changes) > MOST:
        return None
    since = _since(view, first)
    known: dict[str, NodeTable] = {}
    states: list[State] = []
    for number in (first, *reversed(changes)):
        tables = {table.stream: table for table in view.nodes(at=number) if node in (None, table.node, table.stream)}
        elsewhere = _of_other_logs(view, tables, first) if number == first else {}
        for stream, table in tables.items():
            if known.get(stream) != table:
                states.append(_state(number, elsewhere.get(stream, since[number - first]), table, table.releases))
        states.extend(
            _state(number, since[number - first], known[stream], None) for stream in known if stream not in tables
        )
        known = tables
    return tuple(states)


def splice(before: Rows, after: Rows) -> Splice:
    """Return the change from *before* to *after*.

    ``spliced(before, splice(before, after)) == after``.
    """
    most = min(len(before), len(after))
    kept = next((n for n in range(most) if before[n] != after[n]), most)
    ending = next((n for n in range(most - kept) if before[-1 - n] != after[-1 - n]), most - kept)
    return Splice(kept, ending, after[kept : len(after) - ending])


def spliced(before: Rows, change: Splice) -> Rows:
    """Return *before* after *change*."""
    return (*before[: change.kept], *change.rows, *before[len(before) - change.ending :])


def changes_of(states: Sequence[State]) -> Iterator[tuple[State, Splice | None]]:
    """Yield each state with its rows as a change of those that its node had before; None: it has left."""
    before: dict[str, Rows] = {}
    for state in states:
        if state.releases is None:
            yield state, None
        else:
            yield state, splice(before.get(state.stream, ()), state.releases)
        before[state.stream] = state.releases or ()


def _since(view: View, first: int) -> tuple[str, ...]:
    """Return, for each event from *first* on, the earliest time of it and all later ones of its own log."""
    least = dict[str | None, str]()
    times = []
    for line in view.lines(HistoryFilter(since=first)):
        least[line.imported] = min(line.recorded_at, least.get(line.imported, line.recorded_at))
        times.append(least[line.imported])
    return tuple(reversed(times))


def _of_other_logs(view: View, tables: Mapping[str, NodeTable], first: int) -> Mapping[str, str]:
    """Return the times of tables that events of another log made than event *first* is of; they count from then on."""
    if not view.origins():
        return {}
    lines = {
        n: next(view.lines(HistoryFilter(since=n, until=n))) for n in (first, *(t.last_change for t in tables.values()))
    }
    changed = {stream: lines[table.last_change] for stream, table in tables.items()}
    return {stream: line.recorded_at for stream, line in changed.items() if line.imported != lines[first].imported}


def _state(number: int, since: str, table: NodeTable, releases: Rows | None) -> State:
    return State(
        number,
        since,
        table.stream,
        table.node,
        table.kind == "rehearsal",
        releases,
    )
