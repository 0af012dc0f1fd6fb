"""What a view in tables answers: the questions of ``projections/view.py`` as statements.

SQLite runs them, and PostgreSQL too, over a connection that gives what is asked of SQLite's
(``projections/postgres_views.py``): they keep to what both understand.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from projections.attempts import Attempt
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable, Sight
from projections.sqlite_store import LINE_COLUMNS, DamagedViewError, attempt_of, tracking_of

_FIRST_PAGE, _PAGE = 20, 500
# The index of releases has columns of these names too.
_LINE = ", ".join(f"history.{name}" for name in LINE_COLUMNS.split(", "))


class SqliteView:
    """The view behind one connection; ``projections/view.py`` says what each answer is."""

    def __init__(self, views: sqlite3.Connection) -> None:
        self._views = views

    def size(self) -> int:
        """Return the number of events that are folded."""
        return tracking_of(self._views).size

    def nodes(self, *, at: int | None = None, stream: str | None = None) -> tuple[NodeTable, ...]:
        """Return the table of each node after event *at*, in order of registration."""
        # One step in the index of each node's states, however many there are.
        state = "SELECT rows FROM state WHERE state.stream = node.stream AND idx <= ? ORDER BY idx DESC LIMIT 1"
        which = (
            "ORDER BY (SELECT min(idx) FROM state WHERE state.stream = node.stream)"
            if stream is None
            else "WHERE stream = ?"
        )
        rows = self._views.execute(
            f"SELECT ({state}) FROM node {which}",  # noqa: S608 # our own words
            (_bound(at), *(() if stream is None else (stream,))),
        )
        tables = (NodeTable.from_text(text) for (text,) in rows if text is not None)
        return tuple(table for table in tables if table.registered)

    def short_table(self, stream: str) -> tuple[str, str, tuple[tuple[str, str], ...]] | None:
        """Return name, root and releases of a node as the shortest answers read them, from tables of their own."""
        node = self._views.execute("SELECT node, root FROM node WHERE stream = ?", (stream,)).fetchone()
        rows = self._views.execute("SELECT vsn, status FROM versions WHERE stream = ? ORDER BY position", (stream,))
        return None if node is None else (*node, tuple(rows))

    def seen(self, *, at: int | None = None) -> tuple[Sight, ...]:
        """Return, for each installation, the newest event up to *at* that was learnt from it, through a driver."""
        # As above: one step in an index for each node.
        rows = self._views.execute(
            "SELECT h.stream, h.idx, h.recorded_at, h.type, h.driver FROM node JOIN history AS h ON h.idx ="
            " (SELECT idx FROM history AS s WHERE s.stream = node.stream AND s.driver IS NOT NULL AND s.idx <= ?"
            " ORDER BY idx DESC LIMIT 1)",
            (_bound(at),),
        )
        return tuple(map(Sight._make, rows))

    def lines(self, wanted: HistoryFilter, *, oldest_first: bool = False) -> Iterator[Line]:
        """Return the lines that are wanted, newest first, a page at a time."""
        size = self.size() if wanted.before is None else min(wanted.before, self.size())
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

    def newest_at(self, moment: str) -> int | None:
        """Return the highest number of an event whose ``recorded_at`` is *moment* or before."""
        # Times that are not late rise with the number: the first of these is one step in an index.
        (newest,) = self._views.execute(
            # The sign keeps the planner in the index of late times: without it, it walks down all numbers.
            "SELECT max(idx) FROM (SELECT * FROM (SELECT idx FROM history WHERE NOT late AND recorded_at <= ?"
            " ORDER BY recorded_at DESC, idx DESC LIMIT 1) AS in_time"
            " UNION ALL SELECT max(+idx) FROM history WHERE late AND recorded_at <= ?) AS newest",
            (moment, moment),
        ).fetchone()
        return None if newest is None else int(newest)

    def ids_starting(self, prefix: str, *, before: int | None = None) -> tuple[tuple[str, int], ...]:
        """Return up to two ids, of events and of attempts, with this start, each with its last event."""
        # "g" is the first text after every id with this start: ids are hexadecimal digits and hyphens.
        bounds = (prefix, f"{prefix}g", 2**62 if before is None else before)
        rows = self._views.execute(
            "SELECT event_id, idx FROM history WHERE event_id >= ? AND event_id < ? AND idx < ? UNION ALL"
            " SELECT attempt, last_event FROM attempt WHERE attempt >= ? AND attempt < ? AND first_event < ? LIMIT 2",
            (*bounds, *bounds),
        )
        return tuple((found, number) for found, number in rows)

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


def _bound(at: int | None) -> int:
    return 2**62 if at is None else at


_CONDITIONS = (
    ("actor", "actor = ?"),
    ("ticket", "ticket = ?"),
    ("node", "? IN (node, stream)"),
    ("vsn", "concerns.vsn = ?"),
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
    # The events of one release are few among many: their index leads, whatever the planner knows of the tables.
    tables = "history" if wanted.vsn is None else "concerns CROSS JOIN history"
    conditions += () if wanted.vsn is None else ("history.idx = concerns.idx",)
    conditions += (f"{_number(wanted)} > ?", f"{_number(wanted)} < ?")
    return f"FROM {tables} WHERE {' AND '.join(conditions)}", parameters


def _line(row: Sequence[object]) -> Line:
    line = Line(*row)  # type: ignore[arg-type] # the columns are those of Line
    vsns: object = line.vsns
    return line._replace(vsns=tuple(str(vsns).split()), failed=bool(line.failed), clock_fell=bool(line.clock_fell))
