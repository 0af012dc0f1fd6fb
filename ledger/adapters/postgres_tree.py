"""The signed tree of a fleet inside an append: steps 3, 5, 6 and 7 of evidence.md 5.2, in the writer's transaction.

What differs from a ledger of one host: each host signs with a key of its own, so a checkpoint is
by the host that wrote it, and a tip guard that is behind is what other hosts' commits leave. It is
moved on where its root is a prefix of the tree and every newer checkpoint is signed by a host's
key (evidence.md 5.4). In an append that is held in memory until the commit, whose note the guard
gets anyway: two replacements of a file take longer than the commit itself.

Of the commits past a guard one at most is by its own host, which a crash leaves. More of them were
made without this guard: it was put back from a backup, or somebody else has the key of this host.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

import psycopg

from ledger.adapters.postgres_head import Cursor, Head, asked_head, head_in, store_nodes
from ledger.adapters.sqlite_tree import LeafAlteredError, ReadBackError, TileMissingError
from ledger.adapters.tip_guard import (
    CheckpointDiffersError,
    GuardStuckError,
    TipLostError,
    TipPassedError,
    TipRewrittenError,
    TipRollbackError,
    open_guard,
)
from ledger.application.record_ports import Guard, LogSigner
from ledger.dataclass import replace
from ledger.errors import FailedError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.notation import HASH_SIZE, FormatError
from ledger.tlog.note import Note, Signature, Verifier
from ledger.tlog.tiled_tree import TiledTree, root_of_size
from ledger.tlog.tiles import WIDTH
from ledger.tlog.tree_builder import Appended, append_leaves

_LEAVES = "SELECT string_agg(leaf_hash, ''::bytea ORDER BY idx) FROM log_leaf WHERE idx >= %s AND idx < %s"
_NODES = "SELECT string_agg(hash, ''::bytea ORDER BY idx) FROM log_node WHERE level = %s AND idx >= %s AND idx < %s"
_NEWER = "SELECT size, note FROM log_checkpoint WHERE size > %s AND size <= %s ORDER BY size LIMIT %s"
_NEWEST = "SELECT max(size) FROM log_checkpoint"
_PAGE = 1000
_ONE_STATE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_TAIL = (
    "SELECT l.idx, e.state, l.leaf_hash FROM log_leaf AS l LEFT JOIN stored_events AS e "
    "USING (originator_id, originator_version) WHERE l.idx >= %s AND l.idx < %s ORDER BY l.idx"
)

Connection = psycopg.Connection[Any]


class FleetSigner(LogSigner, Protocol):
    """The key of this host, which knows those of the other hosts."""

    def verifiers(self, note: Note, cursor: Cursor) -> Sequence[Verifier]:
        """Return the keys of other hosts that *note* names, as far as they are known here or enrolled."""
        ...


class TileRows:
    """The tiles, from the hashes of leaves and of ``log_node``."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """Return the first *width* hashes of a tile.

        Raises: TileMissingError.
        """
        first = n * WIDTH
        if level:
            self._cursor.execute(_NODES, (level, first, first + width))
        else:
            self._cursor.execute(_LEAVES, (first, first + width))
        ((hashes,),) = self._cursor.fetchall()
        if hashes is None or len(hashes) != width * HASH_SIZE:
            raise TileMissingError(level, n)
        found: bytes = hashes
        return found


class FleetTree:
    """Signs the tree of one ledger for one host, whose newest note is in *guard*."""

    def __init__(self, signer: FleetSigner, guard: Guard) -> None:
        self._signer = signer
        self._guard = guard
        # Up to *_seen*, whose note is *_seen_note*, the log was checked against the guard *_seen_guard*.
        self._seen: Checkpoint | None = None
        self._seen_note = b""
        self._seen_guard: bytes | None = None

    def prepare(self, connection: Connection) -> None:
        """Check what other hosts wrote since; what takes long after many commits is done here, outside the lock.

        Raises: as ``check``.
        """
        seen, held = self._seen, self._guard.read()
        if seen is None or held != self._seen_guard:
            with connection.transaction(), connection.cursor() as c:
                c.execute(_ONE_STATE)
                self._follow_stored(c, head_in(asked_head(connection)))
            return
        if connection.execute(_NEWEST).fetchall() != [(seen.size,)]:
            head = head_in(asked_head(connection, since=seen.size))
            with connection.cursor() as c:
                self._saw(self.check(head, c), head.note, held=self._guard.read())

    def check(self, head: Head, c: Cursor) -> Checkpoint | None:
        """Return the newest checkpoint where *head* and guard agree; None for an empty ledger.

        Raises: TipError, as the concrete error for the reason; SignatureError, FormatError.
        """
        held = self._held(head)
        if head.note and held == head.note:
            # The guard vouches for the same bytes; who can write both must still have a key that counts.
            return self._seen if self._seen and head.note == self._seen_note else self.open(head.note, c)
        if held is not None and held == self._seen_guard and self._seen:
            if head.note == self._seen_note:
                return self._seen  # what others wrote behind the guard was followed before the lock
            if self._seen.size < head.size:
                return self._follow(c, self._seen, head)
        return self._follow_stored(c, head)

    def verify_tail(self, c: Cursor) -> None:
        """Hold the events of the newest tile against leaves, tree and the signed checkpoint; the guard moves on.

        Raises: LeafAlteredError naming the first bad event; TipError; SignatureError, FormatError.
        """
        head = head_in(asked_head(c.connection))
        newest = self.check(head, c)
        if newest is None:
            return
        self.open(head.note, c)
        tree = TiledTree(head.size, reader=TileRows(c))
        if tree.root() != newest.root:
            raise TipRewrittenError(head.size)
        first = (head.size - 1) // WIDTH * WIDTH
        c.execute(_TAIL, (first, head.size))
        rows = c.fetchall()
        for at, index in enumerate(range(first, head.size)):
            row = rows[at] if at < len(rows) else (None, None, None)
            if row[0] != index or row[1] is None or not hash_leaf(row[1]) == row[2] == tree.read_hash(0, index):
                raise LeafAlteredError(index)
        self._move_guard(head.note)

    def ask(self, connection: Connection, *, added: int) -> Cursor:
        """Ask for what ``grow`` needs, behind the rows of *added* events."""
        return asked_head(connection, since=self._seen.size if self._seen else None, added=added)

    def grow(self, connection: Connection, asked: Cursor, *, kept: Sequence[Any], states: Sequence[bytes]) -> bytes:
        """Verify what was appended, as it was read back, sign it, and return the note; the note is stored as well.

        *asked* has the log since ``ask``, *kept* the bytes and the leaf hash that are stored of each of *states*.
        Raises: as ``check``; ReadBackError.
        """
        head = head_in(asked, added=len(states))
        with connection.cursor() as c:
            newest = self.check(head, c)
        if [row[0] for row in kept] != list(states) or any(hash_leaf(state) != leaf for state, leaf in kept):
            raise ReadBackError("an event")
        if newest is not None and root_of_size(head.size, reader=head.tiles) != newest.root:
            raise TipRewrittenError(head.size)
        appended = append_leaves(head.size, leaf_hashes=[leaf for _, leaf in kept], reader=head.tiles)
        self._require_tiles(connection, head, appended)
        checkpoint = Checkpoint(self._signer.name, appended.size, appended.root)
        note = self.signed(checkpoint)
        connection.execute("INSERT INTO log_checkpoint VALUES (%s, %s)", (appended.size, note))
        # Of use only where the guard holds this note, which is after the commit.
        self._saw(checkpoint, note, held=note)
        return note

    def _require_tiles(self, connection: Connection, head: Head, appended: Appended) -> None:
        """Require the tiles as they are stored to hold what was appended; entries above the leaves are stored first."""
        if store_nodes(connection, appended.tiles, old_size=appended.old_size):
            tiles = head_in(asked_head(connection, since=appended.old_size)).tiles
            kept = root_of_size(appended.size, reader=tiles) == appended.root
        else:
            # The new root is that of the tiles as read, and of the leaves that follow, which stand in the last one.
            (last,) = [row for row in appended.tiles if not row.tile.level]
            kept = head.tiles.read_tile(0, last.tile.n, last.tile.width) == last.hashes
        if not kept:
            raise ReadBackError("a tile")

    def open(self, note: bytes, c: Cursor) -> Checkpoint:
        """Return what a host signed.

        Raises: SignatureError, FormatError.
        """
        verifiers = self._signer.verifiers(Note.parse(note), c)
        return open_checkpoint(note, logs=(self._signer, *verifiers)).checkpoint

    def signed(self, checkpoint: Checkpoint) -> bytes:
        """Return the note of *checkpoint* by this host.

        Raises: ReadBackError.
        """
        text = checkpoint.encode()
        note = Note(text, (Signature(self._signer.name, self._signer.key_id, self._signer.sign(text)),)).encode()
        if open_checkpoint(note, logs=(self._signer,)).checkpoint != checkpoint:
            raise ReadBackError("the signed note")
        return note

    def _open_guard(self, held: bytes, c: Cursor) -> Checkpoint:
        with suppress(FormatError):
            # The note of another host is as good as one of this host.
            return open_guard(held, log=next(iter(self._signer.verifiers(Note.parse(held), c)), self._signer))
        return open_guard(held, log=self._signer)

    def _held(self, head: Head) -> bytes | None:
        if head.signed != head.size:
            raise CheckpointDiffersError(head.size, signed=head.signed)
        held = self._guard.read()
        if held is None and head.size:
            raise TipLostError(head.size)
        return held

    def _saw(self, checkpoint: Checkpoint | None, note: bytes, *, held: bytes | None) -> None:
        self._seen, self._seen_note, self._seen_guard = checkpoint, note, held

    def _follow_stored(self, c: Cursor, head: Head) -> Checkpoint | None:
        """Go from the guard to *head* by what the database holds, however far that is."""
        held = self._held(head)
        if held is not None and held != head.note:
            guarded = self._open_guard(held, c)
            self._follow(c, guarded, replace(head, newer=_newer(c, guarded.size, head.size), tiles=TileRows(c)))
        newest = self.open(head.note, c) if head.note else None
        self._saw(newest, head.note, held=self._guard.read())  # it moved where a commit of this host lay behind it
        return newest

    def _follow(self, c: Cursor, known: Checkpoint, head: Head) -> Checkpoint:
        """Return the newest checkpoint of *head*, where *known* is of its tree and hosts signed each one since."""
        if known.size > head.size:
            raise TipRollbackError(known.size, stored=head.size)
        if root_of_size(known.size, reader=head.tiles) != known.root:
            raise TipRewrittenError(known.size)
        newest, own, ours = known, 0, (self._signer.name, self._signer.key_id)
        for stored, note in head.newer:
            newest = self.open(note, c)
            if newest.size != stored:
                raise CheckpointDiffersError(head.size, signed=stored)
            own += any((line.name, line.key_id) == ours for line in Note.parse(note).signatures)
        if own > 1:
            raise TipPassedError(known.size, stored=head.size)
        if own:
            self._guard.advance(head.note)  # a command broke off behind a commit of this host
        elif newest is not known:
            self._guard.pass_over(head.note)
        return newest

    def _move_guard(self, note: bytes) -> None:
        try:
            if self._guard.read() != note:
                self._guard.swap(note)
        except FailedError as exc:
            raise GuardStuckError(exc) from exc


def _newer(c: Cursor, above: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the checkpoints above a size, page by page: a host may have been away for long."""
    while page := c.execute(_NEWER, (above, size, _PAGE)).fetchall():
        yield from page
        above = page[-1][0]
