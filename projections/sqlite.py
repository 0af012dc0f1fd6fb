"""What a view in SQLite answers: the questions of ``projections/view.py`` as statements."""

import sqlite3
from collections.abc import Sequence

from projections.attempts import Attempt
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable
from projections.sqlite_store import LINE_COLUMNS, attempt_of, tracking_of


class SqliteView:
    """The view behind one connection; ``projections/view.py`` says what each answer is."""

    def __init__(self, views: sqlite3.Connection) -> None:
        self._views = views

    def size(self) -> int:
        """Return the number of events that are folded."""
        return tracking_of(self._views).size

    def nodes(self, *, at: int | None = None) -> tuple[NodeTable, ...]:
        """Return the table of each node after event *at*, in order of registration."""
        # One step in the index of each node's states, however many there are.
        rows = self._views.execute(
            "SELECT (SELECT rows FROM state WHERE state.stream = node.stream AND idx <= ? ORDER BY idx DESC LIMIT 1)"
            " FROM node ORDER BY (SELECT min(idx) FROM state WHERE state.stream = node.stream)",
            (2**62 if at is None else at,),
        )
        tables = (NodeTable.from_text(text) for (text,) in rows if text is not None)
        return tuple(table for table in tables if table.registered)

    def lines(self, wanted: HistoryFilter) -> tuple[Line, ...]:
        """Return the lines that are wanted, newest first."""
        conditions, parameters = _conditions(wanted)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = f"SELECT {LINE_COLUMNS} FROM history{where} ORDER BY idx DESC LIMIT ?"  # noqa: S608 # conditions come from the table below
        rows = self._views.execute(statement, (*parameters, -1 if wanted.limit is None else wanted.limit))
        return tuple(_line(row) for row in rows)

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
            "SELECT max(idx) FROM (SELECT * FROM (SELECT idx FROM history WHERE NOT late AND recorded_at <= ?1"
            " ORDER BY recorded_at DESC, idx DESC LIMIT 1)"
            " UNION ALL SELECT max(idx) FROM history INDEXED BY history_late WHERE late AND recorded_at <= ?1)",
            (moment,),
        ).fetchone()
        return None if newest is None else int(newest)

    def ids_starting(self, prefix: str) -> tuple[tuple[str, int], ...]:
        """Return up to two ids, of events and of attempts, with this start, each with its last event."""
        # "g" is the first text after every id with this start: ids are hexadecimal digits and hyphens.
        rows = self._views.execute(
            "SELECT event_id, idx FROM history WHERE event_id >= ?1 AND event_id < ?1 || 'g' UNION ALL"
            " SELECT attempt, last_event FROM attempt WHERE attempt >= ?1 AND attempt < ?1 || 'g' LIMIT 2",
            (prefix,),
        )
        return tuple((found, number) for found, number in rows)


_CONDITIONS = (
    ("actor", "actor = ?"),
    ("ticket", "ticket = ?"),
    ("node", "node = ?"),
    ("vsn", "idx IN (SELECT idx FROM concerns WHERE vsn = ?)"),
)


def _conditions(wanted: HistoryFilter) -> tuple[list[str], list[object]]:
    conditions, parameters = [], list[object]()
    for bound, sign in ((wanted.since, ">="), (wanted.until, "<=")):
        if bound is not None:
            conditions.append(f"{'idx' if isinstance(bound, int) else 'recorded_at'} {sign} ?")
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
    return conditions, parameters


def _line(row: Sequence[object]) -> Line:
    line = Line(*row)  # type: ignore[arg-type] # the columns are those of Line
    vsns: object = line.vsns
    return line._replace(vsns=tuple(str(vsns).split()), failed=bool(line.failed), clock_fell=bool(line.clock_fell))
