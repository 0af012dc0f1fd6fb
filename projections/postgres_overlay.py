"""A view in a database with what it lacks laid over it: how somebody who may only read finds it up to date.

The events that are missing are folded, as in every view, into one of this process alone; what the
fold has to know of the events before them it asks the database. Then each statement is put as it
is, with its tables replaced: the rows of the database that are not overtaken, and the rows of the
fold, which go along as JSON. So nothing is copied, and nothing is made on the server, which may be a
standby.

All of it up to the answer rests on one snapshot. Lists that are read further after it have one for
each page; where others folded meanwhile, less is laid over. An imported event whose clock fell would
change rows of events before it, so it is not laid over.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from projections.postgres_views import NotServedError, ServedViews
from projections.read import log_size
from projections.sqlite_store import DamagedViewError, tracking_of, views_in_memory

if TYPE_CHECKING:
    import sqlite3

    import psycopg

MOST = 1000
"""How many events may be missing: each statement carries what is laid over its tables."""

APPENDED: Mapping[str, str] = {"state": "idx", "history": "idx", "concerns": "idx", "stretch": "first_event"}
"""Tables whose rows belong to one event, with the column of its number."""

REPLACED: Mapping[str, str] = {"node": "stream", "attempt": "attempt", "origin": "origin"}
"""Tables whose rows are overtaken, with their key."""

_OF_NODES = "versions"
_WRITES = ("INSERT INTO ", "DELETE FROM versions WHERE stream = ?")
_COLUMN = re.compile(r"\b\w+\.\w+\b")
_WORD = re.compile(r"\w+")


class OverlaidViews:
    """What the statements of a view ask of a connection of SQLite, over *served* and what it lacks of *ledger*.

    Raises: NotServedError where too much is missing; ServerLostError.
    """

    def __init__(self, served: ServedViews, ledger: "sqlite3.Connection") -> None:
        self._served = served
        self._fold = views_in_memory()
        self._asking = False
        self._laid: dict[str, tuple[str, list[object]]] = {}
        try:
            served.execute("BEGIN")
            self._size = _size_near(served, ledger)
        except BaseException:
            self.close()
            raise

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._asking or self._fold.in_transaction

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> "psycopg.Cursor[Any] | sqlite3.Cursor":
        """Run a statement and return its rows.

        Raises: NotServedError for what cannot be laid over; DamagedViewError; ServerLostError.
        """
        if statement.startswith(("SELECT ", "WITH ")):
            return self._asked(statement, parameters)
        if statement.startswith("UPDATE tracking "):
            return self._fold.execute(statement, parameters)
        if statement in {"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"}:
            return self._moved(statement)
        raise NotServedError

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Write what was folded.

        Raises: NotServedError for a change of what is in the database.
        """
        if statement.startswith(_WRITES):
            self._fold.executemany(statement, rows)
        elif any(True for _ in rows):
            raise NotServedError

    def close(self) -> None:
        """Forget what was folded; the connection is closed by the ledger, whose it is."""
        self._fold.close()
        self._served.close()

    def _asked(self, statement: str, parameters: Sequence[object]) -> "psycopg.Cursor[Any]":
        named = set(_WORD.findall(_COLUMN.sub("", statement)))
        laid = [one for table, one in self._laid.items() if table in named]
        if not laid:
            return self._served.execute(statement, parameters)
        tables = ", ".join(definition for definition, _ in laid)
        before = [value for _, values in laid for value in values]
        more = f", {statement.removeprefix('WITH ')}" if statement.startswith("WITH ") else f" {statement}"
        return self._served.execute(f"WITH {tables}{more}", (*before, *parameters))

    def _moved(self, statement: str) -> "psycopg.Cursor[Any] | sqlite3.Cursor":
        if statement == "BEGIN IMMEDIATE":
            return self._fold.execute("BEGIN")
        if self._fold.in_transaction:
            done = self._fold.execute(statement)
            self._lay_over()
            return done
        self._asking = statement == "BEGIN"
        # The first one is open since the snapshot.
        if self._asking and self._served.in_transaction:
            return self._fold.execute("SELECT 1")
        moved = self._served.execute(statement)
        if self._asking:
            self._find_size()
        return moved

    def _find_size(self) -> None:
        """Go by how far the database is in a new snapshot: others may have folded the same events."""
        size = tracking_of(cast("sqlite3.Connection", self._served)).size
        if size < self._size:
            raise DamagedViewError
        if size > self._size:
            self._size = size
            self._lay_over()

    def _lay_over(self) -> None:
        rows = {table: _rows(self._fold, table) for table in ("tracking", *APPENDED, *REPLACED, _OF_NODES)}
        self._laid = {"tracking": _laid("tracking", rows["tracking"], " WHERE false")}
        for table, column in APPENDED.items():
            # No condition on the rows of the database: with one, PostgreSQL sorts all of them for each page.
            lacking = [row for row in rows[table] if cast("int", row[column]) >= self._size]
            if lacking:
                self._laid[table] = _laid(table, lacking)
        for table, key in REPLACED.items():
            if rows[table]:
                overtaken = [row[key] for row in rows[table]]
                self._laid[table] = _laid(table, rows[table], f" WHERE {key} <> ALL(?::text[])", overtaken)
        if rows["node"]:
            streams = [row["stream"] for row in rows["node"]]
            self._laid[_OF_NODES] = _laid(_OF_NODES, rows[_OF_NODES], " WHERE stream <> ALL(?::text[])", streams)


def _size_near(served: ServedViews, ledger: "sqlite3.Connection") -> int:
    size = tracking_of(cast("sqlite3.Connection", served)).size
    if not 0 <= log_size(ledger) - size <= MOST:
        raise NotServedError
    return size


def _rows(fold: "sqlite3.Connection", table: str) -> list[dict[str, object]]:
    cursor = fold.execute(f"SELECT * FROM {table}")  # noqa: S608 # our own names
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, map(_as_json, row), strict=True)) for row in cursor]


def _as_json(value: object) -> object:
    # As PostgreSQL reads a bytea.
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value


def _laid(table: str, rows: Sequence[object], kept: str = "", *values: object) -> tuple[str, list[object]]:
    """Return the definition that stands for a table, and its parameters; *kept* tells which rows stay."""
    # Else what is asked once for each node would go through all rows of the table.
    definition = (
        f"{table} AS NOT MATERIALIZED (SELECT * FROM views.{table}{kept} UNION ALL"  # noqa: S608 # our own names
        f" SELECT * FROM json_populate_recordset(NULL::views.{table}, ?::json))"
    )
    return definition, [*values, json.dumps(rows)]
