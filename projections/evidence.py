"""The signed side of the record, read only: leaves, tiles, checkpoints, what others hold.

It reads through the connection of ``open_ledger`` and serves exports and proofs. Nothing it gives
is trusted because it was stored: ``ledger.application.bundle`` holds it against the checkpoint.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ledger.application.bundle import HeldCopy, KeptValue, RecordDiffersError, tree_of
from ledger.errors import CheckFailedError, EvidenceError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import HASH_SIZE, FormatError
from ledger.tlog.note import Note
from ledger.tlog.proof import TlogProof
from projections.read import EntryError, read_events


class UnsignedRecordError(CheckFailedError):
    """The record has no checkpoint, so it is no evidence."""

    kind = "undecided"

    def __init__(self) -> None:
        super().__init__(
            "the record is not signed",
            fact="it has no checkpoint",
            hint="events are signed when they are recorded; see `release-ledger verify`",
        )


class EvidenceReadError(EvidenceError):
    """The signed side of the record cannot be read."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            "the tree of the record cannot be read",
            fact=fact,
            hint="keep the ledger as it is and run `release-ledger verify`",
        )


class EvidenceReader:
    """The tree of one ledger; it is a ``BundleSource``."""

    def __init__(self, ledger: sqlite3.Connection) -> None:
        self._ledger = ledger

    def note(self, size: int) -> bytes:
        """Return the newest checkpoint of *size* events or fewer.

        Raises: UnsignedRecordError, EvidenceReadError.
        """
        rows = self._rows("SELECT note FROM log_checkpoint WHERE size <= ? ORDER BY size DESC LIMIT 1", size)
        if not rows:
            raise UnsignedRecordError
        return bytes(rows[0][0])

    def proofs(self, size: int) -> Callable[[int], TlogProof]:
        """Return what proves that an event stands in the newest signed tree of *size* events or fewer.

        Raises: UnsignedRecordError, EvidenceReadError, RecordDiffersError; IndexOutsideTreeError by the proof.
        """
        note = self.note(size)
        try:
            checkpoint = Checkpoint.parse(Note.parse(note).text)
        except FormatError as exc:
            raise EvidenceReadError(exc.fact) from exc
        tree = tree_of(checkpoint, self)
        return lambda index: TlogProof(index, tree.prove_inclusion(index), note)

    def leaves(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the leaves from *start* up to but without *stop*.

        Raises: EntryError for one that is missing or that its row contradicts.
        """
        for due, stored in enumerate(read_events(self._ledger, start=start, stop=stop), start):
            if stored.number != due:
                raise EntryError(due, f"the log goes on with event {stored.number}")
            yield stored.state

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """Return the first *width* hashes of a stored tile, nothing where it is missing."""
        rows = self._rows(
            "SELECT substr(hashes, 1, ?) FROM log_tile WHERE level = ? AND n = ?", width * HASH_SIZE, level, n
        )
        return bytes(rows[0][0]) if rows else b""

    def held_copies(self, size: int) -> Sequence[HeldCopy]:
        """Return what others hold of trees up to *size*, by size and sink."""
        rows = self._rows("SELECT size, sink, proof, at FROM anchor WHERE size <= ? ORDER BY size, sink", size)
        return tuple(HeldCopy(found, sink, bytes(proof), at) for found, sink, proof, at in rows)

    def kept_values(self) -> Iterator[KeptValue]:
        """Yield every personal value that is kept, by its commitment.

        Raises: RecordDiffersError for one that is stored as no bytes.
        """
        for commitment, salt, value in self._rows("SELECT commitment, salt, value FROM disclosure ORDER BY commitment"):
            if not isinstance(salt, bytes) or not isinstance(value, bytes):
                raise RecordDiffersError(f"the personal value kept for {commitment} is stored as no bytes")
            yield KeptValue(commitment, salt, value)

    def _rows(self, statement: str, *parameters: int) -> list[tuple[Any, ...]]:
        with _readable():
            return self._ledger.execute(statement, parameters).fetchall()


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise EvidenceReadError(str(exc)) from exc
