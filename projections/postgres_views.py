"""Views in the database of the ledger: the tables of ``projections/sqlite_store.py`` in the schema ``views``.

They belong to ``ledger_owner``, and ``init`` makes them. A login in ``ledger_writer`` may write their
rows and make nothing there: a function or a view of its own would run with the rights of whoever reads.
Whoever records catches the view up, each batch in one transaction with its tracking row, under the
lock of that row; who comes second finds nothing left to do. A login that may only read, or comes over
a standby, reads the view where it is up to date, else folds what is missing and lays it over the view
(``projections/postgres_overlay.py``); where that cannot be done, over a copy.

The comment on the schema carries the version. Tables of an older program are dropped and made anew
by the next ``init``, never migrated; those of a newer one are let be. A program that finds another
version than its own, or rows that it cannot read, goes by a view of its host.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.pq import TransactionStatus

from ledger.adapters.postgres_errors import ServerLostError, error_of
from ledger.adapters.postgres_schema import AUDITOR, OWNER, WRITER
from ledger.adapters.postgres_server import Connection, reached
from projections.sqlite_store import CREATE, FOLDED, SCHEMA_VERSION, DamagedViewError, views_in_memory

if TYPE_CHECKING:
    import sqlite3

    from projections.postgres import ServedLedger

TABLES = (*FOLDED, "tracking")
LOCK_SECONDS = 30
_COPIED_AT_ONCE = 5000
_MAKE_LOCK = 0x52_4C_56_57
"""The advisory lock of ``init``: two hosts that join at once would make the same tables."""

_VERSION = (
    "coalesce(substring(obj_description(to_regnamespace('views'), 'pg_namespace') FROM 'version ([0-9]+)$')::int, 0)"
)
_STATE = f"SELECT {_VERSION}, pg_has_role(session_user, '{WRITER}', 'MEMBER') AND NOT pg_is_in_recovery()"
_MAY_MAKE = f"SELECT {_VERSION}, coalesce(has_schema_privilege(to_regnamespace('views'), 'CREATE'), false)"
# What SQLite calls a type, and what the same column is here. Texts are compared byte by byte, as there.
_TYPES = (("INTEGER", "bigint"), ("BLOB", "bytea"), ("TEXT", 'text COLLATE "C"'), (" WITHOUT ROWID", ""))
_BEGIN = {
    # Whoever thinks for long between two questions locks nothing.
    "BEGIN": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0",
    # No wait for a flush: what a crash takes is the end of the view, and never more of it than of the log.
    "BEGIN IMMEDIATE": f"BEGIN READ WRITE; SET LOCAL ROLE {WRITER}; SET LOCAL synchronous_commit = off;"
    f" SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SELECT FROM tracking FOR UPDATE",
}


class NotServedError(DamagedViewError):
    """The server does not give the view, or does not take a change to it; never shown, because another is read."""


class ServedViews:
    """The view in the database of a ledger, over the ledger's own connection: both are those of one server.

    It gives what the statements of a view ask of a connection of SQLite.
    """

    def __init__(self, connection: Connection, *, may_write: bool) -> None:
        self._connection = connection
        self.may_write = may_write

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.info.transaction_status != TransactionStatus.IDLE

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> "psycopg.Cursor[Any]":
        """Run a statement and return its rows.

        Raises: NotServedError; ServerLostError.
        """
        if statement == "BEGIN IMMEDIATE" and not self.may_write:
            raise NotServedError
        with self._telling():
            return self._connection.execute(_spelled(_BEGIN.get(statement, statement)), parameters or None)

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for each of *rows*, without waiting for the server in between.

        Raises: as ``execute``.
        """
        with self._telling(), self._connection.cursor() as cursor:
            cursor.executemany(_spelled(statement), rows)

    def read_all(self, table: str) -> Iterator[tuple[object, ...]]:
        """Yield the rows of a table, inside the transaction of the caller.

        Raises: as ``execute``.
        """
        with self._telling(), self._connection.cursor(f"all_{table}") as cursor:
            cursor.itersize = _COPIED_AT_ONCE
            yield from cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 # our own names

    def close(self) -> None:
        """End what is open; the connection is closed by the ledger, whose it is."""
        if self.in_transaction and not self._connection.broken:
            self.execute("ROLLBACK")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            told = error_of(self._connection.place, exc)
            if isinstance(told, ServerLostError):
                raise told from exc
            raise NotServedError from exc


def served_views(ledger: "ServedLedger") -> ServedViews | None:
    """Return the view in the database of *ledger*, None where there is none that this program reads.

    Raises: the errors of ``ledger.execute``.
    """
    version, may_write = ledger.execute(_STATE).fetchone() or (0, False)
    return ServedViews(ledger.connection, may_write=may_write) if version == SCHEMA_VERSION else None


def copied(views: ServedViews) -> "sqlite3.Connection":
    """Return a view of this process alone that holds what *views* does.

    Raises: NotServedError, ServerLostError; sqlite3.Error where there is no room for it.
    """
    copy = views_in_memory()
    try:
        views.execute("BEGIN")
        copy.execute("BEGIN")
        copy.execute("DELETE FROM tracking")
        for table in TABLES:
            width = len(copy.execute(f"SELECT * FROM {table}").description)  # noqa: S608 # our own names
            marks = ", ".join("?" * width)
            copy.executemany(f"INSERT INTO {table} VALUES ({marks})", views.read_all(table))  # noqa: S608 # as above
        copy.execute("COMMIT")
    except BaseException:
        copy.close()
        raise
    finally:
        views.close()
    return copy


def make_views(address: str) -> None:
    """Make the tables in the database at *address*, unless they are there, or newer ones, or its user may not.

    Raises: as ``reached``.
    """
    with reached(address, role=OWNER) as connection, connection.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({_MAKE_LOCK})")
        version, may_make = cast("tuple[int, bool]", connection.execute(_MAY_MAKE).fetchone())
        if may_make and version < SCHEMA_VERSION:
            for statement in _create_statements():
                connection.execute(statement)


def _create_statements() -> Iterator[str]:
    yield "SET LOCAL search_path = views, pg_temp"
    yield f"DROP TABLE IF EXISTS {', '.join(TABLES)}"
    for statement in CREATE.split(";"):
        for theirs, ours in _TYPES:
            statement = statement.replace(theirs, ours)  # noqa: PLW2901 # one replacement after the other
        yield statement
    yield f"GRANT SELECT ON {', '.join(TABLES)} TO {AUDITOR}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO {WRITER}"
    yield f"COMMENT ON SCHEMA views IS 'release-ledger views, version {SCHEMA_VERSION}'"


def _spelled(statement: str) -> str:
    return statement.replace("?", "%s")
