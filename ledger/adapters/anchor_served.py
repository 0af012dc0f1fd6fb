"""What is committed in a ledger in PostgreSQL, for outside holders: the questions of ``anchor_store`` put to a server.

A connection is made when something is asked first: a command without holders makes none.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ledger.adapters.anchor_store import SqliteAnchorStore
from ledger.adapters.postgres_schema import WRITER
from ledger.adapters.postgres_server import Connection, reached
from ledger.application.anchor_ports import Receipt

_RECEIPTS = "SELECT DISTINCT ON (sink) sink, size, proof FROM anchor ORDER BY sink, size DESC"
_KEEP = "INSERT INTO anchor VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING size"


class ServedAnchorStore(SqliteAnchorStore):
    """The ``AnchorStore`` of the ledger at *address*; *now* gives the time as records hold it."""

    def __init__(self, address: str, *, now: Callable[[], str]) -> None:
        super().__init__(Path(), now=now)
        self._address = address
        self._open = ExitStack()
        self._served: Connection | None = None

    def close(self) -> None:
        """Close the connection, if there was need of one."""
        self._open.close()
        self._served = None

    def receipts(self) -> Mapping[str, Receipt]:
        """Return the newest receipt of each sink."""
        return {sink: Receipt(size, proof) for sink, size, proof in self._run(_RECEIPTS)}

    def keep(self, sink: str, receipt: Receipt) -> None:
        """Keep a receipt; one that is there already stays."""
        self._run(_KEEP, receipt.size, sink, receipt.proof, self._now())

    def _run(self, statement: str, *parameters: object) -> Sequence[Any]:
        if self._served is None:
            self._served = self._open.enter_context(reached(self._address, role=WRITER))
        return self._served.execute(statement.replace("?", "%s"), parameters or None).fetchall()
