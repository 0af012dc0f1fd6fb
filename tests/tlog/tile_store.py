"""Tiles in memory, as a table of rows that grow."""

from collections.abc import Iterable

from ledger.tlog.tree_builder import TileRow

from .naive import leaf_hash, naive_root


class TileStore:
    """A TileReader that counts what is read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[int, int, int]] = []

    def put(self, tiles: Iterable[TileRow]) -> None:
        for row in tiles:
            self.rows[row.tile.level, row.tile.n] = row.hashes

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        self.reads.append((level, n, width))
        return self.rows[level, n][: width * 32]


def naive_store(size: int) -> TileStore:
    """Return the tiles of a tree of *size* leaves, each hash by the definition of a tile."""
    store = TileStore()
    for level in range(4):
        span = 256**level
        hashes = [naive_root(at * span, (at + 1) * span) if level else leaf_hash(at) for at in range(size // span)]
        for n in range(0, len(hashes), 256):
            store.rows[level, n // 256] = b"".join(hashes[n : n + 256])
    return store
