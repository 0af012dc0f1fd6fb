"""Merkle trees: every small tree, and sizes up to 600 against the definition."""

from collections.abc import Iterator

import pytest

from ledger.tlog.merkle import (
    EMPTY_ROOT,
    IndexOutsideTreeError,
    ProofError,
    ProofHashLengthError,
    ProofTooLongError,
    ProofTooShortError,
    RootDiffersError,
    SizeOrderError,
    check_consistency,
    check_inclusion,
    hash_leaf,
    hash_node,
    hash_range,
    prove_consistency,
    prove_inclusion,
)
from ledger.tlog.notation import parse_hash
from tests.tracing import untraced

from .naive import NaiveHashes, leaf_hash, naive_consistency, naive_inclusion, naive_root
from .tile_store import naive_store

SMALL = 64
LARGE = 600
HASHES = NaiveHashes()


def flips(proof: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    """Yield *proof* with each bit of each hash changed in turn."""
    for at, found in enumerate(proof):
        number = int.from_bytes(found)
        for bit in range(256):
            yield (*proof[:at], (number ^ 1 << bit).to_bytes(32), *proof[at + 1 :])


def test_the_empty_tree_has_the_published_root() -> None:
    """RFC 6962, section 2.1."""
    assert parse_hash(b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") == EMPTY_ROOT
    assert hash_range(HASHES, start=0, end=0) == EMPTY_ROOT


def test_leaves_and_nodes_are_hashed_apart() -> None:
    """RFC 6962, section 2.1: 0x00 before a leaf, 0x01 before a node."""
    assert hash_leaf(b"leaf 7") == leaf_hash(7)
    assert hash_node(leaf_hash(0), leaf_hash(1)) == naive_root(0, 2)
    assert hash_leaf(b"\1" + leaf_hash(0) + leaf_hash(1)) != naive_root(0, 2)


@untraced()
def test_every_inclusion_proof_up_to_600_leaves_is_the_defined_one() -> None:
    """RFC 6962, section 2.1.1, for all indexes of all sizes."""
    for size in range(LARGE + 1):
        root = naive_root(0, size)
        assert hash_range(HASHES, start=0, end=size) == root
        for index in range(size):
            proof = prove_inclusion(index, size=size, hashes=HASHES)
            assert proof == tuple(naive_inclusion(index, 0, size))
            check_inclusion(leaf_hash(index), index=index, size=size, proof=proof, root=root)


@untraced()
def test_every_consistency_proof_up_to_600_leaves_is_the_defined_one() -> None:
    """RFC 6962, section 2.1.2, for all pairs of sizes."""
    for new in range(1, LARGE + 1):
        new_root = naive_root(0, new)
        for old in range(1, new + 1):
            proof = prove_consistency(old, new_size=new, hashes=HASHES)
            assert proof == tuple(naive_consistency(old, 0, new))
            check_consistency(proof, old_size=old, new_size=new, old_root=naive_root(0, old), new_root=new_root)


@untraced()
def test_each_flipped_bit_of_an_inclusion_proof_is_found() -> None:
    """Every bit of every proof of every tree up to 64 leaves."""
    for size in range(1, SMALL + 1):
        root = naive_root(0, size)
        for index in range(size):
            leaf = leaf_hash(index)
            for changed in flips(prove_inclusion(index, size=size, hashes=HASHES)):
                try:
                    check_inclusion(leaf, index=index, size=size, proof=changed, root=root)
                except RootDiffersError:
                    continue
                pytest.fail(f"a changed proof of leaf {index} of {size} passed")


@untraced()
def test_each_flipped_bit_of_a_consistency_proof_is_found() -> None:
    """Every bit of every proof between two sizes up to 64."""
    for new in range(1, SMALL + 1):
        new_root = naive_root(0, new)
        for old in range(1, new + 1):
            old_root = naive_root(0, old)
            for changed in flips(prove_consistency(old, new_size=new, hashes=HASHES)):
                try:
                    check_consistency(changed, old_size=old, new_size=new, old_root=old_root, new_root=new_root)
                except RootDiffersError:
                    continue
                pytest.fail(f"a changed proof from {old} to {new} passed")


def test_an_inclusion_proof_holds_for_no_other_leaf_index_size_or_root() -> None:
    """Every tree up to 64 leaves, every other index, neighbouring sizes."""
    for size in range(1, SMALL + 1):
        root = naive_root(0, size)
        for index in range(size):
            proof = prove_inclusion(index, size=size, hashes=HASHES)
            leaf = leaf_hash(index)
            wrong = [(leaf, other, size, root) for other in range(size) if other != index]
            wrong += [(leaf_hash(index + 1), index, size, root), (leaf, index, size, naive_root(0, size + 1))]
            wrong += [(leaf, index, size + 1, naive_root(0, size + 1))]
            for changed_leaf, changed_index, changed_size, changed_root in wrong:
                with pytest.raises(ProofError):
                    check_inclusion(
                        changed_leaf, index=changed_index, size=changed_size, proof=proof, root=changed_root
                    )


def test_a_proof_that_is_too_long_or_too_short_is_refused() -> None:
    """Every tree up to 64 leaves: a hash taken from or added to either end."""
    extra = leaf_hash(99)
    for size in range(1, SMALL + 1):
        root = naive_root(0, size)
        for index in range(size):
            proof = prove_inclusion(index, size=size, hashes=HASHES)
            longer = ((*proof, extra), (extra, *proof))
            shorter = (proof[1:], proof[:-1]) if proof else ()
            for changed in (*longer, *shorter):
                error = ProofTooLongError if len(changed) > len(proof) else ProofTooShortError
                with pytest.raises(error):
                    check_inclusion(leaf_hash(index), index=index, size=size, proof=changed, root=root)


def test_a_consistency_proof_that_is_too_long_or_too_short_is_refused() -> None:
    """Every pair of sizes up to 64: a hash taken from or added to either end."""
    extra = leaf_hash(99)
    for new in range(2, SMALL + 1):
        for old in range(1, new):
            proof = prove_consistency(old, new_size=new, hashes=HASHES)
            roots = {"old_root": naive_root(0, old), "new_root": naive_root(0, new)}
            for changed in ((*proof, extra), (extra, *proof), proof[1:], proof[:-1]):
                with pytest.raises((ProofTooLongError, ProofTooShortError)):
                    check_consistency(changed, old_size=old, new_size=new, **roots)


def test_a_consistency_proof_holds_for_no_other_roots() -> None:
    """Every pair of sizes up to 64: either root of another tree."""
    for new in range(2, SMALL + 1):
        for old in range(1, new):
            proof = prove_consistency(old, new_size=new, hashes=HASHES)
            old_root, new_root = naive_root(0, old), naive_root(0, new)
            for changed in ((naive_root(1, old + 1), new_root), (old_root, naive_root(0, new + 1))):
                with pytest.raises(RootDiffersError):
                    check_consistency(proof, old_size=old, new_size=new, old_root=changed[0], new_root=changed[1])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_leaf_outside_the_tree_has_a_proof(index: int, size: int) -> None:
    with pytest.raises(IndexOutsideTreeError):
        prove_inclusion(index, size=size, hashes=HASHES)
    with pytest.raises(IndexOutsideTreeError):
        check_inclusion(leaf_hash(0), index=index, size=size, proof=(), root=leaf_hash(0))


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (-1, 5), (6, 5)])
def test_nothing_is_shown_from_the_empty_tree_or_backwards(old: int, new: int) -> None:
    """transparency-dev/merkle: consistency from size 0 is useless, so it is refused."""
    with pytest.raises(SizeOrderError):
        prove_consistency(old, new_size=new, hashes=HASHES)
    with pytest.raises(SizeOrderError):
        check_consistency((), old_size=old, new_size=new, old_root=EMPTY_ROOT, new_root=EMPTY_ROOT)


def test_equal_sizes_demand_equal_roots_and_no_proof() -> None:
    root = naive_root(0, 5)

    check_consistency((), old_size=5, new_size=5, old_root=root, new_root=root)
    with pytest.raises(RootDiffersError):
        check_consistency((), old_size=5, new_size=5, old_root=root, new_root=naive_root(0, 4))
    with pytest.raises(ProofTooLongError):
        check_consistency((root,), old_size=5, new_size=5, old_root=root, new_root=root)


def test_every_hash_has_32_bytes() -> None:
    """A longer hash could carry parts of its neighbour."""
    root, leaf, short = naive_root(0, 3), leaf_hash(0), leaf_hash(0)[:31]
    proof = prove_inclusion(0, size=3, hashes=HASHES)

    for bad_leaf, bad_proof, bad_root in ((short, proof, root), (leaf, (*proof, short), root), (leaf, proof, short)):
        with pytest.raises(ProofHashLengthError):
            check_inclusion(bad_leaf, index=0, size=3, proof=bad_proof, root=bad_root)
    for bad_proof, bad_old, bad_new in (((short,), leaf, root), (proof, short, root), (proof, leaf, short)):
        with pytest.raises(ProofHashLengthError):
            check_consistency(bad_proof, old_size=1, new_size=3, old_root=bad_old, new_root=bad_new)


def test_the_naive_tiles_lead_to_the_naive_root() -> None:
    """The two independent descriptions used in these tests agree."""
    store = naive_store(300)

    assert store.rows[1, 0] == naive_root(0, 256)
    assert hash_node(store.rows[1, 0], naive_root(256, 300)) == naive_root(0, 300)
