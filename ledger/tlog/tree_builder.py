"""Trees built forwards: append, root after every append, tiles as they fill.

The builder keeps, for each level of tiles, the row that is not yet full and the hashes of the
complete subtrees in it (the right edge of the tree). Feeding one leaf hash costs one node hash
on average, a root costs one for each subtree on the edge, O(log n), and nothing is recomputed.
So one pass over a ledger checks every stored checkpoint and yields every tile to compare with.

``append_leaves`` starts such a builder from the stored partial tiles instead.
"""

from collections.abc import Sequence
from hashlib import sha256

from ledger.dataclass import dataclass
from ledger.tlog.merkle import ProofHashLengthError, fold
from ledger.tlog.notation import HASH_SIZE
from ledger.tlog.tiled_tree import TileReader, hash_row
from ledger.tlog.tiles import HEIGHT, WIDTH, Tile, cut_tile


@dataclass(frozen=True)
class TileRow:
    """One tile with its joined hashes."""

    tile: Tile
    hashes: bytes


@dataclass(frozen=True)
class Appended:
    """What an append changes; *tiles* are the rows to store: those that were filled and those that grew."""

    old_size: int
    size: int
    root: bytes
    tiles: tuple[TileRow, ...]


class _Row:
    """The row of one level that is not yet full, and its complete subtrees in falling size."""

    def __init__(self, hashes: bytes = b"", edge: Sequence[bytes] = ()) -> None:
        self.hashes = bytearray(hashes)
        self.edge = list(edge)


class TreeBuilder:
    """A tree that only grows; empty at first, or resumed from stored tiles."""

    def __init__(self) -> None:
        self._size = 0
        self._rows = [_Row()]

    @classmethod
    def resume(cls, size: int, *, reader: TileReader) -> "TreeBuilder":
        """Return the builder of a tree of *size* leaves, from its partial tiles.

        Raises: TileLengthError for a damaged tile.
        """
        builder = cls()
        builder._size = size
        builder._rows = [_read_row(size, level=level, reader=reader) for level in range(_levels(size))]
        return builder

    @property
    def size(self) -> int:
        """Number of leaves so far."""
        return self._size

    def root(self) -> bytes:
        """Return the root at the present size."""
        return fold([part for row in reversed(self._rows) for part in row.edge])

    def extend(self, leaf_hashes: Sequence[bytes]) -> tuple[TileRow, ...]:
        """Take the next leaf hashes; return the tiles that became full, in the order of filling.

        Raises: ProofHashLengthError for a leaf hash that is none; nothing is taken then.
        """
        wrong = set(map(len, leaf_hashes)) - {HASH_SIZE}
        if wrong:
            raise ProofHashLengthError("a leaf hash", length=wrong.pop())
        full: list[TileRow] = []
        at = 0
        while at < len(leaf_hashes):
            batch = leaf_hashes[at : at + WIDTH - self._size % WIDTH]
            full += self._fill(0, batch)
            self._size += len(batch)
            at += len(batch)
        return tuple(full)

    def partial_tiles(self) -> tuple[TileRow, ...]:
        """Return the tiles that are not full, lowest level first."""
        return tuple(
            TileRow(Tile(level, self._size >> HEIGHT * (level + 1), len(row.hashes) // HASH_SIZE), bytes(row.hashes))
            for level, row in enumerate(self._rows)
            if row.hashes
        )

    def _fill(self, level: int, batch: Sequence[bytes]) -> list[TileRow]:
        """Put *batch*, which fits, into the row of *level*; hand a full row up."""
        row = self._rows[level]
        edge, count = row.edge, len(row.hashes) // HASH_SIZE
        for found in batch:
            node, carry = found, count
            while carry & 1:
                node = sha256(b"\1" + edge.pop() + node).digest()
                carry >>= 1
            edge.append(node)
            count += 1
        row.hashes += b"".join(batch)
        return self._hand_up(level) if count == WIDTH else []

    def _hand_up(self, level: int) -> list[TileRow]:
        row = self._rows[level]
        self._rows[level] = _Row()
        if level + 1 == len(self._rows):
            self._rows.append(_Row())
        full = TileRow(Tile(level, self._size >> HEIGHT * (level + 1)), bytes(row.hashes))
        return [full, *self._fill(level + 1, row.edge)]


def append_leaves(size: int, *, leaf_hashes: Sequence[bytes], reader: TileReader) -> Appended:
    """Return what changes when *leaf_hashes* follow the *size* leaves whose tiles *reader* holds.

    Raises: TileLengthError for a damaged tile, ProofHashLengthError for a leaf hash that is none.
    """
    builder = TreeBuilder.resume(size, reader=reader)
    full = builder.extend(leaf_hashes)
    grown = tuple(row for row in builder.partial_tiles() if _grew(row.tile.level, size, builder.size))
    return Appended(old_size=size, size=builder.size, root=builder.root(), tiles=full + grown)


def _levels(size: int) -> int:
    return max(1, -(-size.bit_length() // HEIGHT))


def _grew(level: int, old_size: int, size: int) -> bool:
    return old_size >> HEIGHT * level != size >> HEIGHT * level


def _read_row(size: int, *, level: int, reader: TileReader) -> _Row:
    width = (size >> HEIGHT * level) % WIDTH
    if not width:
        return _Row()
    tile = Tile(level, size >> HEIGHT * (level + 1), width)
    hashes = cut_tile(reader.read_tile(level, tile.n, width), tile=tile)
    edge, at = [], 0
    for height in reversed(range(HEIGHT)):
        if width >> height & 1:
            end = at + (HASH_SIZE << height)
            edge.append(hash_row(hashes[at:end]))
            at = end
    return _Row(hashes, edge)
