"""Receipts of outside holders in the ledger's own database, and what they are receipts for.

It reads committed rows only, over a connection of its own, so that no note leaves before its
commit has returned (evidence.md 5.2, step 8). The table ``anchor`` is append-only: a receipt
is written once, whichever command gets there first.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ledger.adapters.sqlite import connect
from ledger.adapters.sqlite_errors import translated
from ledger.application.anchor_ports import Receipt, SignedTip
from ledger.errors import EvidenceError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import HASH_SIZE
from ledger.tlog.note import Note
from ledger.tlog.tiled_tree import TiledTree

_LOCK_SECONDS = 1.0


class EventMissingError(EvidenceError):
    """An event that the tree has is not in the store, or says nothing of its time."""

    def __init__(self, path: Path, index: int) -> None:
        super().__init__(
            f"event {index} cannot be read from {path}",
            fact="the tree has a leaf for it",
            hint="run `release-ledger verify`; keep the file as it is",
        )
        self.index = index


class SqliteAnchorStore:
    """The ``AnchorStore`` of the ledger in one file of SQLite; *now* gives the time as records hold it."""

    def __init__(self, path: Path, *, now: Callable[[], str]) -> None:
        self._path = path
        self._now = now
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the connection, if there was need of one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def tip(self) -> SignedTip | None:
        """Return the newest committed note.

        Raises: FormatError where it is none; the errors of the store.
        """
        rows = self._run("SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1")
        return SignedTip(rows[0][0], Checkpoint.parse(Note.parse(rows[0][0]).text)) if rows else None

    def tree(self, size: int) -> TiledTree:
        """Return the tree of the first *size* events, read from the stored tiles."""
        return TiledTree(size, reader=self)

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """Return the first *width* hashes of a stored tile, nothing where it is missing."""
        statement = "SELECT substr(hashes, 1, ?) FROM log_tile WHERE level = ? AND n = ?"
        rows = self._run(statement, width * HASH_SIZE, level, n)
        return bytes(rows[0][0]) if rows else b""

    def receipts(self) -> Mapping[str, Receipt]:
        """Return the newest receipt of each sink."""
        rows = self._run("SELECT sink, MAX(size), proof FROM anchor GROUP BY sink")
        return {row[0]: Receipt(row[1], row[2]) for row in rows}

    def keep(self, sink: str, receipt: Receipt) -> None:
        """Keep a receipt; one that is there already stays."""
        self._run(
            "INSERT INTO anchor SELECT ?,?,?,? WHERE NOT EXISTS (SELECT 1 FROM anchor WHERE size = ? AND sink = ?)",
            receipt.size,
            sink,
            receipt.proof,
            self._now(),
            receipt.size,
            sink,
        )

    def recorded_at(self, index: int) -> str:
        """Return when the event at leaf *index* says that it was recorded.

        Raises: EventMissingError.
        """
        rows = self._run(
            "SELECT state FROM log_leaf JOIN stored_events USING (originator_id, originator_version) WHERE idx = ?",
            index,
        )
        try:
            return str(json.loads(rows[0][0])["recorded_at"])
        except (IndexError, TypeError, ValueError, KeyError) as exc:
            raise EventMissingError(self._path, index) from exc

    def _run(self, statement: str, *parameters: object) -> Sequence[sqlite3.Row]:
        with translated(str(self._path)):
            if self._connection is None:
                self._connection = connect(self._path, lock_timeout=_LOCK_SECONDS)
            # All rows at once: a cursor left half-way would hold on to an old state of the database.
            return self._connection.execute(statement, parameters).fetchall()
