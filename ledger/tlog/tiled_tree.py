"""A tree read from its tiles (C2SP tlog-tiles): roots and proofs without the leaves.

A subtree hash inside a tile is recomputed from the tile's row, one that fills a tile is read
from the parent. So a proof reads at most one tile for each level and path: the path of the leaf
and the right edge. The tree trusts its tiles; whoever must not rebuilds them with
``ledger.tlog.tree_builder`` and compares.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from ledger.tlog.merkle import (
    IndexOutsideTreeError,
    SizeOrderError,
    hash_node,
    hash_range,
    prove_consistency,
    prove_inclusion,
)
from ledger.tlog.notation import HASH_SIZE
from ledger.tlog.tiles import HEIGHT, WIDTH, cut_tile, tile_at_size

_KEPT_FROM = 8 * HASH_SIZE


class TileReader(Protocol):
    """Where tiles are stored."""

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """Return the first *width* hashes of tile *n* of *level*, joined."""
        ...


class TiledTree:
    """The tree of *size* leaves whose tiles *reader* holds.

    Tiles and subtree hashes are kept once read: one object serves one size and one state of the
    store.
    """

    def __init__(self, size: int, *, reader: TileReader) -> None:
        self._size = size
        self._reader = reader
        self._rows: dict[tuple[int, int], bytes] = {}
        self._hashes: dict[tuple[int, int], bytes] = {}

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def root(self, size: int | None = None) -> bytes:
        """Return the root at *size*, by default at the size of the tree.

        Raises: SizeOrderError where *size* is larger; TileLengthError for a damaged tile.
        """
        end = self._size if size is None else size
        if not 0 <= end <= self._size:
            raise SizeOrderError(end, new_size=self._size)
        return hash_range(self, start=0, end=end)

    def prove_inclusion(self, index: int, *, size: int | None = None) -> tuple[bytes, ...]:
        """Return the proof of leaf *index* in the tree of *size*, by default in this one.

        Raises: IndexOutsideTreeError; TileLengthError for a damaged tile.
        """
        return prove_inclusion(index, size=self._size if size is None else size, hashes=self)

    def prove_consistency(self, old_size: int) -> tuple[bytes, ...]:
        """Return the proof that the tree of *old_size* is a prefix of this one.

        Raises: SizeOrderError; TileLengthError for a damaged tile.
        """
        return prove_consistency(old_size, new_size=self._size, hashes=self)

    def read_hash(self, level: int, index: int) -> bytes:
        """Return the hash over the 2^*level* leaves that begin at leaf *index* * 2^*level*.

        Raises: IndexOutsideTreeError where the tree has no such complete subtree.
        """
        found = self._hashes.get((level, index))
        if found is None:
            if not 0 <= index << level <= self._size - (1 << level):
                raise IndexOutsideTreeError(index << level, size=self._size)
            tile_level, height = divmod(level, HEIGHT)
            first = index << height
            row = self._read_row(tile_level, first // WIDTH)
            at = first % WIDTH * HASH_SIZE
            found = self._hashes[level, index] = hash_row(row[at : at + (HASH_SIZE << height)])
        return found

    def _read_row(self, level: int, n: int) -> bytes:
        row = self._rows.get((level, n))
        if row is None:
            tile = tile_at_size(level, n=n, size=self._size)
            row = self._rows[level, n] = cut_tile(self._reader.read_tile(level, n, tile.width), tile=tile)
        return row


def root_of_size(size: int, *, reader: TileReader) -> bytes:
    """Return the root of the tree of *size* leaves whose tiles *reader* holds.

    Raises: TileLengthError for a damaged tile.
    """
    return TiledTree(size, reader=reader).root()


def hash_row(row: bytes) -> bytes:
    """Return the root over the joined hashes of a complete subtree (a power of two of them)."""
    if len(row) > _KEPT_FROM:
        return _hash_long_row(row)
    while len(row) > HASH_SIZE:
        row = b"".join([sha256(b"\1" + row[at : at + 64]).digest() for at in range(0, len(row), 64)])
    return row


# A tree that grows hashes the long rows at its edge again and again: each is known by its bytes.
@lru_cache(maxsize=64)
def _hash_long_row(row: bytes) -> bytes:
    half = len(row) // 2
    return hash_node(hash_row(row[:half]), hash_row(row[half:]))
