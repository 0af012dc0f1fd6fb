"""Roots and proofs from tiles."""

import pytest

from ledger.tlog.merkle import IndexOutsideTreeError, SizeOrderError, check_consistency, check_inclusion
from ledger.tlog.tiled_tree import TiledTree, root_of_size
from ledger.tlog.tiles import TileLengthError
from ledger.tlog.tree_builder import TreeBuilder

from .naive import leaf_hash, naive_consistency, naive_inclusion, naive_root
from .tile_store import TileStore, naive_store

LEVEL_2 = 65_537
NAIVE_600 = naive_store(600)


@pytest.fixture(scope="module")
def store_of_65537() -> TileStore:
    """Build a tree that reaches level 2 at once."""
    builder, store = TreeBuilder(), TileStore()
    store.put(builder.extend([leaf_hash(index) for index in range(LEVEL_2)]))
    store.put(builder.partial_tiles())
    return store


def test_roots_and_proofs_from_tiles_are_the_defined_ones_up_to_600_leaves() -> None:
    """All sizes, and around each border of a tile all proofs."""
    for size in range(601):
        tree = TiledTree(size, reader=NAIVE_600)
        assert tree.size == size
        assert tree.root() == naive_root(0, size)
        if size in (1, 2, 255, 256, 257, 300, 511, 512, 513, 600):
            for index in range(size):
                assert tree.prove_inclusion(index) == tuple(naive_inclusion(index, 0, size))
                assert tree.prove_consistency(index + 1) == tuple(naive_consistency(index + 1, 0, size))
                assert tree.root(index) == naive_root(0, index)


def test_a_proof_for_an_earlier_size_comes_from_the_same_tiles() -> None:
    tree = TiledTree(600, reader=NAIVE_600)

    assert tree.prove_inclusion(3, size=300) == tuple(naive_inclusion(3, 0, 300))


def test_a_tree_of_65537_leaves_reaches_level_2(store_of_65537: TileStore) -> None:
    """evidence: size 65,537 once, for level 2."""
    tree = TiledTree(LEVEL_2, reader=store_of_65537)
    root = naive_root(0, LEVEL_2)

    assert store_of_65537.rows[2, 0] == naive_root(0, 65_536)
    assert tree.root() == root
    for index in (0, 255, 256, 65_535, 65_536):
        proof = tree.prove_inclusion(index)
        check_inclusion(leaf_hash(index), index=index, size=LEVEL_2, proof=proof, root=root)
    for old in (1, 256, 300, 65_535, 65_536):
        check_consistency(
            tree.prove_consistency(old),
            old_size=old,
            new_size=LEVEL_2,
            old_root=naive_root(0, old),
            new_root=root,
        )


def test_a_proof_reads_at_most_one_tile_for_each_level_and_path(store_of_65537: TileStore) -> None:
    """Evidence 2.5: the path of the leaf and the right edge, three levels."""
    size = 65_500
    for index in (0, 1000, 40_000, 65_499):
        store_of_65537.reads.clear()
        proof = TiledTree(size, reader=store_of_65537).prove_inclusion(index)

        check_inclusion(leaf_hash(index), index=index, size=size, proof=proof, root=naive_root(0, size))
        assert len(store_of_65537.reads) == len(set(store_of_65537.reads)) <= 2 * 2
        for level in (0, 1):
            assert len({n for at, n, _ in store_of_65537.reads if at == level}) <= 2


def test_the_root_reads_one_tile_for_each_level(store_of_65537: TileStore) -> None:
    store_of_65537.reads.clear()

    assert root_of_size(65_535, reader=store_of_65537) == naive_root(0, 65_535)
    assert store_of_65537.reads == [(1, 0, 255), (0, 255, 255)]


def test_a_hash_outside_the_tree_is_refused() -> None:
    tree = TiledTree(300, reader=NAIVE_600)

    for level, index in ((0, 300), (0, -1), (8, 1), (9, 0)):
        with pytest.raises(IndexOutsideTreeError):
            tree.read_hash(level, index)
    with pytest.raises(IndexOutsideTreeError):
        tree.prove_inclusion(0, size=301)


def test_a_size_outside_the_tree_is_refused() -> None:
    tree = TiledTree(300, reader=NAIVE_600)

    for size in (-1, 301):
        with pytest.raises(SizeOrderError):
            tree.root(size)


def test_a_tile_that_is_too_short_is_refused() -> None:
    store = naive_store(300)
    store.rows[0, 1] = store.rows[0, 1][:-1]

    with pytest.raises(TileLengthError):
        root_of_size(300, reader=store)


def test_each_changed_byte_of_the_tiles_on_the_edge_changes_the_root() -> None:
    """Size 300: the root rests on the level-1 tile and the partial level-0 tile."""
    for place in ((1, 0), (0, 1)):
        for at in range(len(naive_store(300).rows[place])):
            store = naive_store(300)
            row = bytearray(store.rows[place])
            row[at] ^= 1
            store.rows[place] = bytes(row)
            assert root_of_size(300, reader=store) != naive_root(0, 300)
