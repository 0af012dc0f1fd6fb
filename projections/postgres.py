"""The record in PostgreSQL, read only, as ``projections/read.py`` reads the one in a file.

The statements of the readers are the same for both stores; here a question mark becomes what psycopg
takes. Nothing can be written: the connection has the role of an auditor and is read-only besides,
but for the transactions in which ``projections/postgres_views.py`` writes the view.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from ledger.adapters.postgres_errors import ConnectionLostError, error_of, server_lost, translated
from ledger.adapters.postgres_place import address_in
from ledger.adapters.postgres_server import connect

if TYPE_CHECKING:
    from ledger.adapters.postgres_server import Connection


class ServedLedger:
    """A connection that takes the statements of the readers."""

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> "psycopg.Cursor[Any]":
        """Run a statement and return its rows.

        Raises: ServerLostError and the other errors of ``postgres_errors``.
        """
        try:
            return self.connection.execute(statement.replace("?", "%s"), parameters or None)
        except psycopg.Error as exc:
            raise error_of(self.connection.place, exc) from exc

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def served_at(address: str) -> ServedLedger:
    """Return the ledger at *address*.

    Raises: as ``reached``.
    """
    try:
        with translated(address):
            connection = connect(address)
            connection.execute("SET default_transaction_read_only = on")
    except ConnectionLostError as exc:
        raise server_lost(address, str(exc)) from exc
    return ServedLedger(connection)


@contextmanager
def open_served(folder: Path) -> Iterator[ServedLedger]:
    """Give the ledger whose address lies in *folder*.

    Raises: as ``served_at``.
    """
    with closing(served_at(address_in(folder))) as served:
        yield served
