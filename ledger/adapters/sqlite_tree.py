"""The signed tree inside an append: steps 3, 5, 6 and 7 of evidence.md 5.2, in the writer's transaction.

``check`` holds database, newest checkpoint and tip guard against each other before anything is
added. ``grow`` stores tiles, reads back what was written, recomputes both roots from it and only
then signs. The note leaves the process after the commit only: a note that was rolled back and
leaked would be a signed fork.
"""

from collections.abc import Sequence

from eventsourcing.sqlite import SQLiteCursor

from ledger.adapters.tip_guard import (
    CheckpointDiffersError,
    Tip,
    TipError,
    TipForeignError,
    TipKeyError,
    TipLostError,
    TipRewrittenError,
    judge_tip,
    open_guard,
)
from ledger.application.record_ports import Guard, LogSigner
from ledger.errors import EvidenceError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.notation import HASH_SIZE
from ledger.tlog.note import Note, Signature
from ledger.tlog.tiled_tree import TiledTree, root_of_size
from ledger.tlog.tiles import WIDTH
from ledger.tlog.tree_builder import TileRow, append_leaves

# One statement. The rows of events are numbered from 1 without a gap where none lies outside the tree.
_HEAD = (
    "SELECT (SELECT MAX(idx) + 1 FROM log_leaf), "
    "(SELECT MIN(rowid) FROM stored_events), (SELECT MAX(rowid) FROM stored_events), "
    "(SELECT MAX(size) FROM log_checkpoint), (SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1)"
)
_TAIL = (
    "SELECT l.idx, e.state, l.leaf_hash FROM log_leaf AS l LEFT JOIN stored_events AS e "
    "USING (originator_id, originator_version) WHERE l.idx >= ? ORDER BY l.idx"
)


class ReadBackError(EvidenceError):
    """The database does not return what was just written to it."""

    kind = "failed"

    def __init__(self, what: str) -> None:
        super().__init__(
            "the database did not keep what was written",
            fact=f"{what} read back differently inside the same transaction; nothing was signed or recorded",
            hint="look for errors of the disk or of memory, then run `release-ledger verify`",
        )


class LeafAlteredError(TipError):
    """An event is not the one that was signed; *index* is its number."""

    def __init__(self, index: int) -> None:
        super().__init__(
            f"event {index} is not the one that was signed", fact="its stored bytes do not hash to its leaf in the tree"
        )
        self.index = index


class NoteKindError(TipError):
    """A checkpoint is stored as something else than bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the checkpoint of {size} events was overwritten", fact="its column holds no bytes, which no commit wrote"
        )


class EventOutsideError(TipError):
    """The table of events holds others than those that the tree counts."""

    def __init__(self, size: int, *, stored: int) -> None:
        super().__init__(
            "events lie outside the tree, or are missing from it",
            fact=f"the tree has {size} events, the table of events {stored}: nobody signed for the difference",
        )
        self.size, self.stored = size, stored


class TileMissingError(TipError):
    """A tile of the tree is not in the database."""

    def __init__(self, level: int, n: int) -> None:
        super().__init__("the tree of the ledger is incomplete", fact=f"tile {n} of level {level} is missing")


class TileRows:
    """The tiles in ``log_tile``."""

    def __init__(self, cursor: SQLiteCursor) -> None:
        self._cursor = cursor.sqlite_cursor

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """Return the first *width* hashes of a tile.

        Raises: TileMissingError.
        """
        row = self._cursor.execute("SELECT hashes FROM log_tile WHERE level = ? AND n = ?", (level, n)).fetchone()
        if row is None:
            raise TileMissingError(level, n)
        hashes: bytes = row[0][: width * HASH_SIZE]
        return hashes

    def store(self, row: TileRow) -> None:
        """Write a tile, or let it grow."""
        tile, cursor = row.tile, self._cursor
        cursor.execute("UPDATE log_tile SET hashes = ? WHERE level = ? AND n = ?", (row.hashes, tile.level, tile.n))
        if not cursor.rowcount:
            cursor.execute("INSERT INTO log_tile VALUES (?,?,?)", (tile.level, tile.n, row.hashes))


class SignedTree:
    """Signs the tree of one ledger; *guard* holds its newest note."""

    def __init__(self, signer: LogSigner, guard: Guard) -> None:
        self._signer = signer
        self._guard = guard
        self._opened: tuple[bytes, Checkpoint] | None = None  # the same bytes need no second opening

    def check(self, c: SQLiteCursor) -> Checkpoint | None:
        """Return the newest checkpoint where database and guard agree; None for an empty ledger.

        A guard that a crash left one checkpoint behind is advanced.
        Raises: TipError, as the concrete error for the reason; SignatureError, FormatError.
        """
        size, note = _read_head(c)
        held = self._guard.read()
        if held is None and size:
            raise TipLostError(size)
        if held is not None and held != note:
            self._compare(c, held, size)
        if not size:
            return None
        if self._opened is None or self._opened[0] != note:
            self._opened = note, self._vouched(note) if held == note else self._open(note)
        newest = self._opened[1]
        if newest.size != size:
            raise CheckpointDiffersError(size, signed=newest.size)
        return newest

    def verify_tail(self, c: SQLiteCursor) -> None:
        """Hold the events of the newest tile against leaves, tiles and the signed checkpoint.

        Older events are left to `verify`: what is read here does not grow with the log.
        Raises: LeafAlteredError naming the first bad event; TipError; SignatureError, FormatError.
        """
        newest = self.check(c)
        if newest is None:
            return
        size = newest.size
        first = (size - 1) // WIDTH * WIDTH
        tree = TiledTree(size, reader=TileRows(c))
        if tree.root() != newest.root:
            raise TipRewrittenError(size)
        c.execute(_TAIL, (first,))
        rows = c.fetchall()
        for index in range(first, size):
            at = index - first
            row = rows[at] if at < len(rows) else None
            if row is None or row[0] != index or not isinstance(row[1], bytes):
                raise LeafAlteredError(index)
            if not hash_leaf(row[1]) == row[2] == tree.read_hash(0, index):
                raise LeafAlteredError(index)

    def grow(
        self, c: SQLiteCursor, states: Sequence[bytes], *, leaf_hashes: Sequence[bytes], newest: Checkpoint | None
    ) -> bytes:
        """Store the tiles of new leaves, verify all by reading it back, and return the new note.

        Raises: ReadBackError, TipRewrittenError, TipError.
        """
        size, tiles = newest.size if newest else 0, TileRows(c)
        appended = append_leaves(size, leaf_hashes=leaf_hashes, reader=tiles)
        for row in appended.tiles:
            tiles.store(row)
        _read_back(c, size, states)
        tree = TiledTree(appended.size, reader=tiles)
        if tree.root() != appended.root:
            raise ReadBackError("a tile")
        if newest and tree.root(size) != newest.root:
            raise TipRewrittenError(size)
        note = self._sign(Checkpoint(self._signer.name, appended.size, appended.root))
        c.execute("INSERT INTO log_checkpoint VALUES (?,?)", (appended.size, note))
        return note

    def _compare(self, c: SQLiteCursor, held: bytes, size: int) -> None:
        guarded = open_guard(held, log=self._signer)
        c.execute("SELECT size, note FROM log_checkpoint WHERE size > ? ORDER BY size", (guarded.size,))
        newer = c.fetchall()
        root = root_of_size(guarded.size, reader=TileRows(c)) if guarded.size <= size else b""
        if judge_tip(guarded, Tip(size, [row[0] for row in newer], root)):
            self._open(newer[0][1])
            self._guard.advance(newer[0][1])

    def _vouched(self, note: bytes) -> Checkpoint:
        """Return what *note* says, which database and guard both hold: it must be by the key that is to sign on.

        Raises: TipKeyError, TipDamagedError.
        """
        try:
            return open_guard(note, log=self._signer)
        except TipForeignError as exc:  # the database has the same note: the key is the one of another ledger
            raise TipKeyError(exc.origin) from exc

    def _sign(self, checkpoint: Checkpoint) -> bytes:
        text = checkpoint.encode()
        signature = Signature(self._signer.name, self._signer.key_id, self._signer.sign(text))
        note = Note(text, (signature,)).encode()
        if self._open(note) != checkpoint:
            raise ReadBackError("the signed note")
        self._opened = note, checkpoint
        return note

    def _open(self, note: bytes) -> Checkpoint:
        return open_checkpoint(note, logs=(self._signer,)).checkpoint


def _read_head(c: SQLiteCursor) -> tuple[int, bytes]:
    """Return the size of the log and its newest note, empty for an empty log.

    Raises: CheckpointDiffersError, EventOutsideError, NoteKindError.
    """
    c.execute(_HEAD)
    leaves, lowest, highest, signed, note = c.fetchone()
    size = leaves or 0
    if (signed or 0) != size:
        raise CheckpointDiffersError(size, signed=signed or 0)
    if (lowest, highest) != ((1, size) if size else (None, None)):
        _require_no_others(c, size)
    if not size:
        return 0, b""
    if not isinstance(note, bytes):
        raise NoteKindError(size)
    return size, note


def _require_no_others(c: SQLiteCursor, size: int) -> None:
    """Refuse an event without a leaf: a fold would take it for signed."""
    c.execute("SELECT COUNT(*) FROM stored_events")
    stored = c.fetchone()[0]
    if stored != size:
        raise EventOutsideError(size, stored=stored)


def _read_back(c: SQLiteCursor, size: int, states: Sequence[bytes]) -> None:
    c.execute(
        "SELECT e.state, l.leaf_hash FROM log_leaf AS l CROSS JOIN stored_events AS e "
        "USING (originator_id, originator_version) WHERE l.idx >= ? ORDER BY l.idx",
        (size,),
    )
    rows = c.fetchall()
    if [row[0] for row in rows] != list(states) or any(hash_leaf(row[0]) != row[1] for row in rows):
        raise ReadBackError("an event")
