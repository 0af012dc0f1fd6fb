"""The signed tree of a fleet inside an append: steps 3, 5, 6 and 7 of evidence.md 5.2, in the writer's transaction.

What differs from a ledger of one host: each host signs with a key of its own, so a checkpoint is
by the host that wrote it, and a tip guard that is behind is what other hosts' commits leave. It is
moved on where its root is a prefix of the tree and every newer checkpoint is signed by a host's
key (evidence.md 5.4).
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import psycopg

from ledger.adapters.sqlite_tree import LeafAlteredError, ReadBackError, TileMissingError
from ledger.adapters.tip_guard import (
    CheckpointDiffersError,
    GuardStuckError,
    TipLostError,
    TipRewrittenError,
    TipRollbackError,
    open_guard,
)
from ledger.application.record_ports import Guard, LogSigner
from ledger.errors import FailedError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.notation import HASH_SIZE, FormatError
from ledger.tlog.note import Note, Signature, Verifier
from ledger.tlog.tiled_tree import TiledTree, root_of_size
from ledger.tlog.tiles import HEIGHT, WIDTH
from ledger.tlog.tree_builder import TileRow, append_leaves

_LEAVES = "SELECT string_agg(leaf_hash, ''::bytea ORDER BY idx) FROM log_leaf WHERE idx >= %s AND idx < %s"
_NODES = "SELECT string_agg(hash, ''::bytea ORDER BY idx) FROM log_node WHERE level = %s AND idx >= %s AND idx < %s"
_NEWER = "SELECT size, note FROM log_checkpoint WHERE size > %s AND size <= %s ORDER BY size"
_TAIL = (
    "SELECT l.idx, e.state, l.leaf_hash FROM log_leaf AS l LEFT JOIN stored_events AS e "
    "USING (originator_id, originator_version) WHERE l.idx >= %s AND l.idx < %s ORDER BY l.idx"
)

Cursor = psycopg.Cursor[Any]


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

    def store(self, row: TileRow, *, old_size: int) -> None:
        """Write the entries of a tile above the leaves that a tree of *old_size* did not have."""
        tile = row.tile
        first = max(tile.n * WIDTH, old_size >> HEIGHT * tile.level)
        hashes = row.hashes[(first - tile.n * WIDTH) * HASH_SIZE :]
        self._cursor.executemany(
            "INSERT INTO log_node VALUES (%s, %s, %s)",
            [
                (tile.level, first + at, hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE])
                for at in range(len(hashes) // HASH_SIZE)
            ],
        )


class FleetTree:
    """Signs the tree of one ledger for one host, whose newest note is in *guard*."""

    def __init__(self, signer: FleetSigner, guard: Guard) -> None:
        self._signer = signer
        self._guard = guard

    def check(self, c: Cursor, size: int) -> Checkpoint | None:
        """Return the newest checkpoint where database and guard agree; None for an empty ledger.

        Raises: TipError, as the concrete error for the reason; SignatureError, FormatError.
        """
        c.execute("SELECT size, note FROM log_checkpoint ORDER BY size DESC LIMIT 1")
        row = c.fetchone()
        signed = row[0] if row else 0
        if signed != size:
            raise CheckpointDiffersError(size, signed=signed)
        held = self._guard.read()
        if row and held == row[1]:
            return Checkpoint.parse(Note.parse(row[1]).text)  # the guard vouches for the same bytes
        if held is None and size:
            raise TipLostError(size)
        if held is not None:
            self._follow(c, self._open_guard(held, c), size)
        return self.open(row[1], c) if row else None

    def verify_tail(self, c: Cursor, size: int) -> None:
        """Hold the events of the newest tile against leaves, tree and the signed checkpoint.

        Raises: LeafAlteredError naming the first bad event; TipError; SignatureError, FormatError.
        """
        newest = self.check(c, size)
        if newest is None:
            return
        c.execute("SELECT note FROM log_checkpoint WHERE size = %s", (size,))
        ((note,),) = c.fetchall()
        self.open(note, c)
        tree = TiledTree(size, reader=TileRows(c))
        if tree.root() != newest.root:
            raise TipRewrittenError(size)
        first = (size - 1) // WIDTH * WIDTH
        c.execute(_TAIL, (first, size))
        rows = c.fetchall()
        for at, index in enumerate(range(first, size)):
            row = rows[at] if at < len(rows) else (None, None, None)
            if row[0] != index or row[1] is None or not hash_leaf(row[1]) == row[2] == tree.read_hash(0, index):
                raise LeafAlteredError(index)

    def grow(
        self, c: Cursor, states: Sequence[bytes], *, leaf_hashes: Sequence[bytes], newest: Checkpoint | None
    ) -> bytes:
        """Store what the tree gains by leaves that are stored, verify all by reading it back, and return the new note.

        Raises: ReadBackError, TipRewrittenError.
        """
        size, tiles = newest.size if newest else 0, TileRows(c)
        appended = append_leaves(size, leaf_hashes=leaf_hashes, reader=tiles)
        for row in appended.tiles:
            if row.tile.level:
                tiles.store(row, old_size=size)
        self._read_back(c, size, states)
        tree = TiledTree(appended.size, reader=tiles)
        if tree.root() != appended.root:
            raise ReadBackError("a tile")
        if newest and tree.root(size) != newest.root:
            raise TipRewrittenError(size)
        note = self._sign(Checkpoint(self._signer.name, appended.size, appended.root))
        c.execute("INSERT INTO log_checkpoint VALUES (%s, %s)", (appended.size, note))
        return note

    def open(self, note: bytes, c: Cursor) -> Checkpoint:
        """Return what a host signed.

        Raises: SignatureError, FormatError.
        """
        verifiers = self._signer.verifiers(Note.parse(note), c)
        return open_checkpoint(note, logs=(self._signer, *verifiers)).checkpoint

    def _open_guard(self, held: bytes, c: Cursor) -> Checkpoint:
        with suppress(FormatError):
            # The note of another host is as good as one of this host.
            return open_guard(held, log=next(iter(self._signer.verifiers(Note.parse(held), c)), self._signer))
        return open_guard(held, log=self._signer)

    def _follow(self, c: Cursor, guarded: Checkpoint, size: int) -> None:
        if guarded.size > size:
            raise TipRollbackError(guarded.size, stored=size)
        if root_of_size(guarded.size, reader=TileRows(c)) != guarded.root:
            raise TipRewrittenError(guarded.size)
        c.execute(_NEWER, (guarded.size, size))
        newer = c.fetchall()
        for stored, note in newer:
            if self.open(note, c).size != stored:
                raise CheckpointDiffersError(size, signed=stored)
        if newer:
            self._move_guard([note for _, note in newer])

    def _move_guard(self, newer: Sequence[bytes]) -> None:
        ours = (self._signer.name, self._signer.key_id)
        lines = [line for note in newer for line in Note.parse(note).signatures]
        if any((line.name, line.key_id) == ours for line in lines):
            self._guard.advance(newer[-1])  # a commit of this host: a command broke off behind it
            return
        try:
            self._guard.swap(newer[-1])
        except FailedError as exc:
            raise GuardStuckError(exc) from exc

    def _read_back(self, c: Cursor, size: int, states: Sequence[bytes]) -> None:
        c.execute(_TAIL, (size, size + len(states)))
        rows = c.fetchall()
        if [row[1] for row in rows] != list(states) or any(hash_leaf(row[1]) != row[2] for row in rows):
            raise ReadBackError("an event")

    def _sign(self, checkpoint: Checkpoint) -> bytes:
        text = checkpoint.encode()
        note = Note(text, (Signature(self._signer.name, self._signer.key_id, self._signer.sign(text)),)).encode()
        if open_checkpoint(note, logs=(self._signer,)).checkpoint != checkpoint:
            raise ReadBackError("the signed note")
        return note
