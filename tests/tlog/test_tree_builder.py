"""Trees built forwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.tlog.merkle import EMPTY_ROOT, ProofHashLengthError
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.tiles import TileLengthError, tiles_of_size
from ledger.tlog.tree_builder import TreeBuilder, append_leaves

from .naive import leaf_hash, naive_root
from .tile_store import TileStore, naive_store

BATCHES = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 300)), max_size=8)


def leaves(start: int, end: int) -> list[bytes]:
    return [leaf_hash(index) for index in range(start, end)]


def test_the_root_after_every_leaf_is_the_defined_one() -> None:
    """Every size from 0 to 600."""
    builder = TreeBuilder()

    assert builder.root() == EMPTY_ROOT
    for size in range(1, 601):
        builder.extend([leaf_hash(size - 1)])
        assert (builder.size, builder.root()) == (size, naive_root(0, size))


@given(batches=BATCHES)
def test_a_tree_built_in_batches_is_the_tree_built_at_once(batches: list[int]) -> None:
    """Roots after each batch, and all tiles in the end."""
    builder, store, size = TreeBuilder(), TileStore(), 0

    for batch in batches:
        store.put(builder.extend(leaves(size, size + batch)))
        size += batch
        assert builder.root() == naive_root(0, size)
    store.put(builder.partial_tiles())

    assert store.rows == naive_store(size).rows


@given(batches=BATCHES)
def test_appends_to_stored_tiles_give_the_tiles_of_the_whole_tree(batches: list[int]) -> None:
    """Each append starts anew from what the append before stored."""
    store, size = TileStore(), 0

    for batch in batches:
        done = append_leaves(size, leaf_hashes=leaves(size, size + batch), reader=store)
        before = dict(store.rows)
        store.put(done.tiles)
        assert done.old_size == size
        size += batch
        assert (done.size, done.root) == (size, naive_root(0, size))
        assert all(store.rows[row.tile.level, row.tile.n] == row.hashes for row in done.tiles)
        assert {key for key, row in store.rows.items() if before.get(key) != row} == {
            (row.tile.level, row.tile.n) for row in done.tiles
        }
        assert TiledTree(size, reader=store).root() == done.root

    assert store.rows == naive_store(size).rows


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 511, 512, 600, 65_279, 65_280, 65_535, 65_536])
def test_an_append_around_the_border_of_a_tile_changes_few_tiles(size: int) -> None:
    builder, store = TreeBuilder(), TileStore()
    store.put(builder.extend(leaves(0, size)))
    store.put(builder.partial_tiles())

    done = append_leaves(size, leaf_hashes=leaves(size, size + 2), reader=store)

    assert done.root == naive_root(0, size + 2)
    assert len(store.reads) <= 3
    assert {row.tile for row in done.tiles} <= {*tiles_of_size(size + 2)}
    assert len(done.tiles) <= 4


def test_tiles_come_in_the_order_of_filling() -> None:
    """Level 1 fills right after the 256th tile of level 0."""
    filled = TreeBuilder().extend(leaves(0, 65_537))

    assert [str(row.tile) for row in filled[-2:]] == ["tile/0/255", "tile/1/000"]
    assert len(filled) == 257


def test_a_tree_resumed_from_tiles_goes_on_as_if_never_stopped() -> None:
    resumed = TreeBuilder.resume(300, reader=naive_store(300))
    resumed.extend(leaves(300, 700))

    assert resumed.root() == naive_root(0, 700)


def test_a_leaf_hash_of_the_wrong_length_is_refused_and_nothing_taken() -> None:
    builder = TreeBuilder()
    builder.extend(leaves(0, 3))

    with pytest.raises(ProofHashLengthError):
        builder.extend([leaf_hash(3), leaf_hash(4)[:-1]])
    assert (builder.size, builder.root()) == (3, naive_root(0, 3))


def test_a_damaged_partial_tile_is_refused() -> None:
    store = naive_store(300)
    store.rows[0, 1] += b"\0"
    store.rows[1, 0] = store.rows[1, 0][:-1]

    with pytest.raises(TileLengthError):
        append_leaves(300, leaf_hashes=leaves(300, 301), reader=store)
