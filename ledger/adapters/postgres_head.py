"""The end of a fleet's log in one statement: its size, its newest notes, and the tiles at its right edge.

What an append has to know of the log comes in one answer, behind the rows that it has just written:
the end as it was before them, with their hashes read back in its tiles.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from ledger.adapters.sqlite_tree import TileMissingError
from ledger.dataclass import dataclass
from ledger.tlog.notation import HASH_SIZE
from ledger.tlog.tiled_tree import TileReader
from ledger.tlog.tiles import HEIGHT, WIDTH
from ledger.tlog.tree_builder import TileRow

_LEVELS = 7
"""Levels of tiles above the leaves that an index of 63 bits can have."""
# Both ends of each range are given: with one, the planner takes it for a third of the table.
_HEAD = f"""
WITH head AS (SELECT coalesce(max(idx) + 1, 0) AS size FROM log_leaf),
base AS (SELECT size, least(coalesce(%s::bigint, size), size - %s) AS at FROM head)
SELECT base.size, base.at, newest.size, newest.note, newer.sizes, newer.notes,
  (SELECT string_agg(leaf_hash, ''::bytea ORDER BY idx) FROM log_leaf
   WHERE idx >= base.at - base.at %% {WIDTH} AND idx < base.size),
  ARRAY(SELECT (SELECT string_agg(hash, ''::bytea ORDER BY idx) FROM log_node WHERE level = above
     AND idx >= base.at >> {HEIGHT} * above >> {HEIGHT} << {HEIGHT} AND idx < base.size >> {HEIGHT} * above)
   FROM generate_series(1, {_LEVELS}) AS above ORDER BY above)
FROM base
LEFT JOIN (SELECT size, note FROM log_checkpoint ORDER BY size DESC LIMIT 1) AS newest ON true,
LATERAL (SELECT array_agg(c.size ORDER BY c.size) AS sizes, array_agg(c.note ORDER BY c.size) AS notes
  FROM log_checkpoint AS c WHERE c.size > base.at AND c.size <= base.size) AS newer
"""  # noqa: S608 # numbers of this module
_NODES = "INSERT INTO log_node SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bytea[])"

Cursor = psycopg.Cursor[Any]


class EdgeTiles:
    """The tiles from that of leaf *base* on, as one answer brought them (a ``tiled_tree.TileReader``)."""

    def __init__(self, base: int, levels: Sequence[bytes | None]) -> None:
        self._base = base
        self._levels = levels

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """Return the first *width* hashes of a tile.

        Raises: TileMissingError.
        """
        held = (self._levels[level] if level < len(self._levels) else None) or b""
        at = (n - (self._base >> HEIGHT * (level + 1))) * WIDTH * HASH_SIZE
        found = held[at : at + width * HASH_SIZE] if at >= 0 else b""
        if len(found) != width * HASH_SIZE:
            raise TileMissingError(level, n)
        return found


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where the log ends: *signed* is the size of the newest checkpoint, *newer* are those above what was asked for.

    Behind an append that is not signed yet, *size* is that before it, and *tiles* hold its leaves.
    """

    size: int
    signed: int
    note: bytes
    newer: Iterable[tuple[int, bytes]]
    tiles: TileReader


def asked_head(connection: "psycopg.Connection[Any]", *, since: int | None = None, added: int = 0) -> Cursor:
    """Ask for the head and return the cursor that will have it; with *since*, tiles and notes begin at that size.

    *added* is how many leaves this transaction has written.
    """
    return connection.execute(_HEAD, (since, added), binary=True)


def head_in(cursor: Cursor, *, added: int = 0) -> Head:
    """Return the head that was asked for."""
    ((size, base, signed, note, newer, newer_notes, leaves, levels),) = cursor.fetchall()
    if len(leaves or b"") != (size - base + base % WIDTH) * HASH_SIZE:
        leaves = None  # one is missing, and the others would take its place
    return Head(
        size=size - added,
        signed=signed or 0,
        note=note or b"",
        newer=tuple(zip(newer or (), newer_notes or (), strict=True)),
        tiles=EdgeTiles(base, (leaves, *levels)),
    )


def store_nodes(connection: "psycopg.Connection[Any]", tiles: Sequence[TileRow], *, old_size: int) -> bool:
    """Write the entries of tiles above the leaves that a tree of *old_size* did not have; False for none."""
    rows = [entry for row in tiles if row.tile.level for entry in _entries(row, old_size)]
    if rows:
        levels, places, hashes = zip(*rows, strict=True)
        connection.execute(_NODES, (list(levels), list(places), list(hashes)))
    return bool(rows)


def _entries(row: TileRow, old_size: int) -> list[tuple[int, int, bytes]]:
    level, start = row.tile.level, row.tile.n * WIDTH
    first = max(start, old_size >> HEIGHT * level)
    places = range(first, start + len(row.hashes) // HASH_SIZE)
    return [(level, at, row.hashes[(at - start) * HASH_SIZE : (at - start + 1) * HASH_SIZE]) for at in places]
