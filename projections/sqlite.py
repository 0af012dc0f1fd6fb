"""What a view in tables answers: the questions of ``projections/view.py`` as statements.

SQLite runs them, and PostgreSQL too, over a connection that gives what is asked of SQLite's
(``projections/postgres_views.py``): they keep to what both understand.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from projections.attempts import Attempt
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable, Sight
from projections.position import At, Position, position_of
from projections.sqlite_store import LINE_COLUMNS, DamagedViewError, attempt_of, tracking_of

_FIRST_PAGE, _PAGE = 20, 500
_AT_ONCE = 300
_Value = TypeVar("_Value")
# The index of releases has columns of these names too.
_LINE = ", ".join(f"history.{name}" for name in LINE_COLUMNS.split(", "))
_COUNTS_LAST = (
    "SELECT i.idx FROM history AS i WHERE i.imported = origin.origin AND i.counts_at <= ?"
    " ORDER BY i.counts_at DESC, i.idx DESC LIMIT 1"
)
_STATES = (
    "SELECT reach.stream, (SELECT rows FROM state WHERE state.stream = reach.stream AND idx <= reach.last"
    " ORDER BY idx DESC LIMIT 1) FROM reach"
)
_SIGHTS = (
    "SELECT h.stream, h.idx, h.recorded_at, h.type, h.driver FROM reach JOIN history AS h ON h.idx ="
    " (SELECT idx FROM history AS s WHERE s.stream = reach.stream AND s.driver IS NOT NULL AND s.idx <= reach.last"
    " ORDER BY idx DESC LIMIT 1)"
)


class SqliteView:
    """The view behind one connection; ``projections/view.py`` says what each answer is."""

    def __init__(self, views: sqlite3.Connection) -> None:
        self._views = views

    def size(self) -> int:
        """Return the number of events that are folded."""
        return tracking_of(self._views).size

    def nodes(self, *, at: At | None = None, stream: str | None = None) -> tuple[NodeTable, ...]:
        """Return the table of each node as it was *at*, in order of registration."""
        # One step in the index of each node's states, however many there are.
        state = "SELECT rows FROM state WHERE state.stream = node.stream AND idx <= ? ORDER BY idx DESC LIMIT 1"
        which = (
            "ORDER BY (SELECT min(idx) FROM state WHERE state.stream = node.stream)"
            if stream is None
            else "WHERE stream = ?"
        )
        position = position_of(at)
        rows = self._views.execute(
            f"SELECT stream, ({state}) FROM node {which}",  # noqa: S608 # our own words
            (position.own, *(() if stream is None else (stream,))),
        )
        found: dict[str, str | None] = dict(rows.fetchall())
        if position.moment is not None:
            limits = {name: last for name, last in self.limits(position).items() if name in found}
            found.update(self._by_stream(_STATES, limits))  # type: ignore[arg-type] # a row is a stream and a text
        tables = (NodeTable.from_text(text) for text in found.values() if text is not None)
        return tuple(table for table in tables if table.registered)

    def short_table(self, stream: str) -> tuple[str, str, tuple[tuple[str, str], ...]] | None:
        """Return name, root and releases of a node as the shortest answers read them, from tables of their own."""
        node = self._views.execute("SELECT node, root FROM node WHERE stream = ?", (stream,)).fetchone()
        rows = self._views.execute("SELECT vsn, status FROM versions WHERE stream = ? ORDER BY position", (stream,))
        return None if node is None else (*node, tuple(rows))

    def seen(self, *, at: At | None = None) -> tuple[Sight, ...]:
        """Return, for each installation, the newest event up to *at* that was learnt from it, through a driver.

        By the name of the stream: a server gives rows in any order that it likes.
        """
        position = position_of(at)
        # As above: one step in an index for each node.
        rows = self._views.execute(
            "SELECT h.stream, h.idx, h.recorded_at, h.type, h.driver FROM node JOIN history AS h ON h.idx ="
            " (SELECT idx FROM history AS s WHERE s.stream = node.stream AND s.driver IS NOT NULL AND s.idx <= ?"
            " ORDER BY idx DESC LIMIT 1)",
            (position.own,),
        )
        sights = map(Sight._make, rows)
        if position.moment is None:
            return tuple(sorted(sights))
        reached = self.limits(position)
        here = (sight for sight in sights if sight.stream not in reached)
        return tuple(sorted((*here, *(Sight._make(row) for row in self._by_stream(_SIGHTS, reached)))))

    def origins(self, *, at: At | None = None) -> Mapping[str, tuple[str, ...]]:
        """Return the logs from which events of an installation were imported up to *at*, by its stream."""
        position = position_of(at)
        reached = {} if position.moment is None else self.limits(position)
        found: dict[str, tuple[str, ...]] = {}
        for stream, first, origin in self._stretches():
            known = found.get(stream, ())
            if origin is not None and origin not in known and first <= reached.get(stream, position.number):
                found[stream] = (*known, origin)
        return found

    def lines(self, wanted: HistoryFilter, *, oldest_first: bool = False) -> Iterator[Line]:
        """Return the lines that are wanted, newest first, a page at a time."""
        size = self.size() if wanted.at is None else min(wanted.at.number + 1, self.size())
        chosen, parameters = _chosen(wanted)
        low, left = -1, size if wanted.limit is None else wanted.limit
        if oldest_first and left < size:
            # The limit counts from the newest: what lies behind it is found first.
            statement = f"SELECT history.idx {chosen} ORDER BY {_number(wanted)} DESC LIMIT 1 OFFSET ?"
            behind = self._views.execute(statement, (*parameters, low, size, left)).fetchone()
            low = low if behind is None else behind[0]
        order = "" if oldest_first else "DESC"
        statement = f"SELECT {_LINE} {chosen} ORDER BY {_number(wanted)} {order} LIMIT ?"

        def pages(low: int, high: int, left: int) -> Iterator[Line]:
            page = _FIRST_PAGE  # who wants the first lines only does not wait for more
            while left > 0:
                rows = self._page(statement, (*parameters, low, high, min(left, page)), size=size)
                yield from map(_line, rows)
                if len(rows) < page:
                    return
                left, page = left - len(rows), min(2 * page, _PAGE)
                low, high = (rows[-1][0], high) if oldest_first else (low, rows[-1][0])

        return pages(low, size, left)

    def notes(self) -> tuple[Line, ...]:
        """Return the line of every note and correction, oldest first."""
        rows = self._views.execute(f"SELECT {LINE_COLUMNS} FROM history WHERE noted IS NOT NULL ORDER BY idx")  # noqa: S608 # our own names
        return tuple(map(_line, rows))

    def attempt(self, attempt: str) -> Attempt | None:
        """Return an attempt by its id."""
        return attempt_of(self._views, attempt)

    def attempt_events(self, attempt: str) -> tuple[int, ...]:
        """Return the numbers of the events of an attempt, oldest first."""
        rows = self._views.execute("SELECT idx FROM history WHERE attempt = ? ORDER BY idx", (attempt,))
        return tuple(number for (number,) in rows)

    def attempts_at(self, vsn: str, *, since: int) -> tuple[Attempt, ...]:
        """Return the attempts at release *vsn* that began after event *since*, in the order of the log."""
        rows = self._views.execute(
            "SELECT * FROM attempt WHERE vsn = ? AND first_event > ? ORDER BY first_event", (vsn, since)
        )
        return tuple(map(Attempt._make, rows))

    def fleet_plans(self) -> tuple[Line, ...]:
        """Return the line of every fleet plan, newest first."""
        rows = self._views.execute(
            f"SELECT {LINE_COLUMNS} FROM history WHERE type = 'fleet_planned' ORDER BY idx DESC"  # noqa: S608 # our own names
        )
        return tuple(map(_line, rows))

    def plan_events(self, plan: str) -> tuple[int, ...]:
        """Return the numbers of the events that are about a fleet plan, oldest first."""
        rows = self._views.execute("SELECT idx FROM history WHERE plan = ? ORDER BY idx", (plan,))
        return tuple(number for (number,) in rows)

    def latest_time(self, number: int) -> str:
        """Return the latest time that an event up to *number* carries."""
        (latest,) = self._views.execute(
            "SELECT recorded_at FROM history WHERE idx <= ? AND NOT late ORDER BY idx DESC LIMIT 1", (number,)
        ).fetchone()
        return str(latest)

    def first_time(self) -> str:
        """Return the time of the first event, recorded here or imported."""
        rows = self._views.execute(
            "SELECT recorded_at FROM history WHERE idx = 0 UNION ALL"
            " SELECT min(counts_at) FROM history WHERE imported IS NOT NULL"
        )
        return min(str(time) for (time,) in rows if time is not None)

    def position_at(self, moment: str) -> Position | None:
        """Return how far history counts at a time, as events store it; None where nothing had been recorded."""
        native = self._newest_at(moment)
        later = native is not None and self.latest_time(native) > moment
        # One step in an index for each log that was imported.
        logs = self._views.execute(
            "SELECT origin.first_event, origin.last_event, h.idx, h.recorded_at FROM origin"  # noqa: S608 # our own words
            f" LEFT JOIN history AS h ON h.idx = ({_COUNTS_LAST})",
            (moment,),
        ).fetchall()
        last = -1 if native is None else native
        if all(reached == end <= last if reached is not None else first > last for first, end, reached, _ in logs):
            return None if native is None else Position(native, stamped_later=later)
        times = {reached: time for _, _, reached, time in logs if reached is not None}
        if native is not None:
            times[native] = self._time_of(native)
        if not times:
            return None
        newest = max(times, key=lambda number: (times[number], number))
        return Position(max(times), later or self._ahead(moment), moment, last, newest)

    def counted(self, numbers: Sequence[int], *, at: Position) -> frozenset[int]:
        """Return those of *numbers* of events that count *at* a position."""
        if at.moment is None:
            return frozenset(number for number in numbers if number <= at.number)
        found = set[int]()
        condition, parameters = _counts(at, "idx")
        for part in _parts(numbers):
            marks = ", ".join("?" * len(part))
            statement = f"SELECT idx FROM history WHERE idx IN ({marks}) AND {condition}"  # noqa: S608 # our own words
            found.update(number for (number,) in self._views.execute(statement, (*part, *parameters)))
        return frozenset(found)

    def ids_starting(self, prefix: str, *, at: Position | None = None) -> tuple[tuple[str, int], ...]:
        """Return up to two ids, of events and of attempts, with this start, each with its last event."""
        position = position_of(at)
        counts, parameters = _counts(position, "idx")
        begun = f"first_event IN (SELECT idx FROM history WHERE {counts})"  # noqa: S608 # our own words
        if position.moment is None:
            begun, _ = _counts(position, "first_event")
        # "g" is the first text after every id with this start: ids are hexadecimal digits and hyphens.
        bounds = (prefix, f"{prefix}g", *parameters)
        rows = self._views.execute(
            f"SELECT event_id, idx FROM history WHERE event_id >= ? AND event_id < ? AND {counts} UNION ALL"  # noqa: S608 # as above
            f" SELECT attempt, last_event FROM attempt WHERE attempt >= ? AND attempt < ? AND {begun} LIMIT 2",
            (*bounds, *bounds),
        )
        return tuple((found, number) for found, number in rows)

    def limits(self, position: Position) -> Mapping[str, int]:
        """Return, for each node with imported events, the last number of them that counts at a *position* in time."""
        logs = self._views.execute(f"SELECT origin, ({_COUNTS_LAST}) FROM origin", (position.moment,))  # noqa: S608 # our own words
        reached = {origin: -1 if number is None else number for origin, number in logs}
        reached[None] = position.native
        stretches = dict[str, list[tuple[int, str | None]]]()
        for stream, first, origin in self._stretches():
            stretches.setdefault(stream, [(0, None)]).append((first, origin))
        return {stream: _limit(found, reached) for stream, found in stretches.items()}

    def _stretches(self) -> Sequence[tuple[str, int, str | None]]:
        return self._views.execute("SELECT * FROM stretch ORDER BY stream, first_event").fetchall()

    def _by_stream(self, statement: str, limits: Mapping[str, int]) -> Iterator[tuple[object, ...]]:
        """Yield what *statement* gives for each stream with its last number, many at once."""
        for part in _parts(tuple(limits.items())):
            marks = ", ".join("(?, ?)" for _ in part)
            values = [value for pair in part for value in pair]
            yield from self._views.execute(f"WITH reach (stream, last) AS (VALUES {marks}) {statement}", values)

    def _newest_at(self, moment: str) -> int | None:
        """Return the highest number of an event of this ledger's own whose time is *moment* or before."""
        # Times that are not late rise with the number: the first of these is one step in an index.
        (newest,) = self._views.execute(
            # The sign keeps the planner in the index of late times: without it, it walks down all numbers.
            "SELECT max(idx) FROM (SELECT * FROM (SELECT idx FROM history WHERE NOT late AND recorded_at <= ?"
            " ORDER BY recorded_at DESC, idx DESC LIMIT 1) AS in_time"
            " UNION ALL SELECT max(+idx) FROM history WHERE late AND recorded_at <= ?) AS newest",
            (moment, moment),
        ).fetchone()
        return None if newest is None else int(newest)

    def _time_of(self, number: int) -> str:
        (time,) = self._views.execute("SELECT recorded_at FROM history WHERE idx = ?", (number,)).fetchone()
        return str(time)

    def _ahead(self, moment: str) -> bool:
        """Tell whether an imported event counts at *moment* that carries a later time."""
        statement = "SELECT 1 FROM history WHERE recorded_at > counts_at AND counts_at <= ? AND recorded_at > ? LIMIT 1"
        return self._views.execute(statement, (moment, moment)).fetchone() is not None

    def _page(self, statement: str, parameters: Sequence[object], *, size: int) -> list[tuple[int, object]]:
        """Return the rows of one page; a view that has fewer than *size* events by now is another one."""
        begun = not self._views.in_transaction
        if begun:
            self._views.execute("BEGIN")
        try:
            rows = self._views.execute(statement, parameters).fetchall()
            if self.size() < size:
                raise DamagedViewError
        finally:
            if begun and self._views.in_transaction:
                self._views.execute("ROLLBACK")
        return rows


def _limit(stretches: Sequence[tuple[int, str | None]], reached: Mapping[str | None, int]) -> int:
    """Return the last number of one stream that counts, given that of each log; None is this one."""
    end = 2**62
    for first, origin in reversed(stretches):
        last = min(end, reached.get(origin, -1))
        if last >= first:
            return last
        end = first - 1
    return -1


def _counts(position: Position, number: str) -> tuple[str, tuple[object, ...]]:
    """Return the condition that a row of the history counts, *number* being the column of its number."""
    if position.moment is None:
        return f"{number} <= ?", (position.number,)
    condition = f"(CASE WHEN imported IS NULL THEN {number} <= ? ELSE counts_at <= ? END)"
    return condition, (position.native, position.moment)


def _parts(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


_CONDITIONS = (
    ("actor", "actor = ?"),
    ("ticket", "ticket = ?"),
    ("node", "? IN (node, stream)"),
    ("vsn", "concerns.vsn = ?"),
    ("origin", "imported = ?"),
)


def _number(wanted: HistoryFilter) -> str:
    # The number by which a page is walked to: that of the table which leads.
    return "history.idx" if wanted.vsn is None else "concerns.idx"


def _chosen(wanted: HistoryFilter) -> tuple[str, list[object]]:
    """Return the end of a statement over the rows that are wanted, and its parameters, which two bounds follow."""
    conditions, parameters = [], list[object]()
    for bound, sign in ((wanted.since, ">="), (wanted.until, "<=")):
        if bound is not None:
            conditions.append(f"{_number(wanted) if isinstance(bound, int) else 'recorded_at'} {sign} ?")
            parameters.append(bound)
    for name, condition in _CONDITIONS:
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    if wanted.types:
        conditions.append(f"type IN ({', '.join('?' * len(wanted.types))})")
        parameters.extend(wanted.types)
    if wanted.failed:
        conditions.append("failed")
    if wanted.at is not None and wanted.at.moment is not None:
        condition, more = _counts(wanted.at, "history.idx")
        conditions.append(condition)
        parameters.extend(more)
    # The events of one release are few among many: their index leads, whatever the planner knows of the tables.
    tables = "history" if wanted.vsn is None else "concerns CROSS JOIN history"
    conditions += () if wanted.vsn is None else ("history.idx = concerns.idx",)
    conditions += (f"{_number(wanted)} > ?", f"{_number(wanted)} < ?")
    return f"FROM {tables} WHERE {' AND '.join(conditions)}", parameters


def _line(row: Sequence[object]) -> Line:
    line = Line(*row)  # type: ignore[arg-type] # the columns are those of Line
    vsns: object = line.vsns
    return line._replace(vsns=tuple(str(vsns).split()), failed=bool(line.failed), clock_fell=bool(line.clock_fell))
