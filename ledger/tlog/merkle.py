"""Merkle trees and their proofs (RFC 6962, section 2.1, SHA-256).

A leaf hashes to ``H(0x00 || leaf)``, a node to ``H(0x01 || left || right)``, the empty tree to
``H("")``. A tree of n > 1 leaves is split at the largest power of two below n; the last node of
an odd level is never doubled.

``prove_*`` reads hashes of complete subtrees from a ``HashReader`` and never needs the leaves.
``check_*`` returns nothing and raises a ``ProofError`` that says why. The checks are stricter
than the text of the RFC (as the published cases of transparency-dev/merkle demand): consistency
from size 0 is refused, equal sizes allow no proof, hashes have 32 bytes and a proof is consumed
exactly. In the branch of equal sizes the roots are compared as they are, whatever their length.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from ledger.errors import EvidenceError
from ledger.tlog.notation import HASH_SIZE

EMPTY_ROOT = sha256(b"").digest()


class HashReader(Protocol):
    """Where provers find the hashes of complete subtrees."""

    def read_hash(self, level: int, index: int) -> bytes:
        """Return the hash over the 2^*level* leaves that begin at leaf *index* * 2^*level*."""
        ...


class ProofError(EvidenceError):
    """A proof does not show what it should; the parent of every such error."""

    def __init__(self, message: str, *, fact: str) -> None:
        super().__init__(
            message, fact=fact, hint="fetch the proof again; if it fails again, keep both: the record was changed"
        )


class IndexOutsideTreeError(ProofError):
    """No leaf has this index in a tree of this size."""

    def __init__(self, index: int, *, size: int) -> None:
        super().__init__(f"index {index} is outside the tree", fact=f"the tree has {size} leaves, counted from 0")
        self.index, self.size = index, size


class SizeOrderError(ProofError):
    """Consistency is asked of sizes between which nothing can be shown."""

    def __init__(self, old_size: int, *, new_size: int) -> None:
        super().__init__(
            f"nothing is shown between the sizes {old_size} and {new_size}",
            fact="consistency leads from a size of at least 1 to the same or a larger one",
        )
        self.old_size, self.new_size = old_size, new_size


class ProofHashLengthError(ProofError):
    """A hash that goes into the computation has no 32 bytes."""

    def __init__(self, what: str, *, length: int) -> None:
        super().__init__(f"{what} has {length} bytes", fact=f"a SHA-256 hash has {HASH_SIZE} bytes")
        self.what, self.length = what, length


class ProofTooLongError(ProofError):
    """Hashes are left over when the root is reached."""

    def __init__(self, length: int) -> None:
        super().__init__("the proof is too long", fact=f"it has {length} hashes, more than the sizes allow")
        self.length = length


class ProofTooShortError(ProofError):
    """The hashes end before the root is reached."""

    def __init__(self, length: int) -> None:
        super().__init__("the proof is too short", fact=f"it has {length} hashes, fewer than the sizes demand")
        self.length = length


class RootDiffersError(ProofError):
    """The computed root is not the root that was signed."""

    def __init__(self, size: int, *, expected: bytes, computed: bytes) -> None:
        super().__init__(
            f"the root at size {size} differs", fact=f"computed {computed.hex()}, expected {expected.hex()}"
        )
        self.size, self.expected, self.computed = size, expected, computed


def hash_leaf(leaf: bytes) -> bytes:
    """Return the hash of one log entry."""
    return sha256(b"\0" + leaf).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above *left* and *right*."""
    return sha256(b"\1" + left + right).digest()


def fold(parts: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees, given from left to right in falling size."""
    if not parts:
        return EMPTY_ROOT
    root = parts[-1]
    for left in reversed(parts[:-1]):
        root = sha256(b"\1" + left + root).digest()
    return root


def hash_range(hashes: HashReader, *, start: int, end: int) -> bytes:
    """Return the root over the leaves *start* to *end* - 1, a range that begins at a node of the tree."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(hashes.read_hash(level, start >> level))
        start += 1 << level
    return fold(parts)


def prove_inclusion(index: int, *, size: int, hashes: HashReader) -> tuple[bytes, ...]:
    """Return the siblings on the way from leaf *index* up to the root at *size*.

    Raises: IndexOutsideTreeError.
    """
    if not 0 <= index < size:
        raise IndexOutsideTreeError(index, size=size)
    start, end, proof = 0, size, list[bytes]()
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            proof.append(hash_range(hashes, start=middle, end=end))
            end = middle
        else:
            proof.append(hash_range(hashes, start=start, end=middle))
            start = middle
    return tuple(reversed(proof))


def check_inclusion(leaf_hash: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Refuse unless *proof* leads from *leaf_hash* at *index* to *root* at *size*.

    Raises: ProofError, as the concrete error for the reason.
    """
    if not 0 <= index < size:
        raise IndexOutsideTreeError(index, size=size)
    _require_hashes((leaf_hash,), what="the leaf hash")
    _require_hashes(proof, what="a hash of the proof")
    _require_hashes((root,), what="the root")
    first, last, computed = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofTooLongError(len(proof))
        if first & 1 or first == last:
            computed = sha256(b"\1" + sibling + computed).digest()
            first, last = _climb(first, last)
        else:
            computed = sha256(b"\1" + computed + sibling).digest()
        first, last = first >> 1, last >> 1
    _require_end(last, proof)
    _require_root(size, expected=root, computed=computed)


def prove_consistency(old_size: int, *, new_size: int, hashes: HashReader) -> tuple[bytes, ...]:
    """Return the hashes that show the tree of *old_size* to be a prefix of that of *new_size*.

    Raises: SizeOrderError.
    """
    if not 1 <= old_size <= new_size:
        raise SizeOrderError(old_size, new_size=new_size)
    start, end, proof = 0, new_size, list[bytes]()
    while end != old_size:
        middle = _split(start, end)
        if old_size <= middle:
            proof.append(hash_range(hashes, start=middle, end=end))
            end = middle
        else:
            proof.append(hash_range(hashes, start=start, end=middle))
            start = middle
    if start:  # The old tree is no complete subtree, so the verifier lacks this hash.
        proof.append(hash_range(hashes, start=start, end=end))
    return tuple(reversed(proof))


def check_consistency(
    proof: Sequence[bytes], *, old_size: int, new_size: int, old_root: bytes, new_root: bytes
) -> None:
    """Refuse unless *proof* shows that the new tree only adds to the old one.

    Raises: ProofError, as the concrete error for the reason.
    """
    if not 1 <= old_size <= new_size:
        raise SizeOrderError(old_size, new_size=new_size)
    if old_size == new_size:
        if proof:
            raise ProofTooLongError(len(proof))
        _require_root(new_size, expected=new_root, computed=old_root)
        return
    if not proof:
        raise ProofTooShortError(0)
    _require_hashes(proof, what="a hash of the proof")
    _require_hashes((old_root, new_root), what="a root")
    old, new = _climb_prefix(proof, old_size=old_size, new_size=new_size, old_root=old_root)
    _require_root(old_size, expected=old_root, computed=old)
    _require_root(new_size, expected=new_root, computed=new)


def _climb_prefix(proof: Sequence[bytes], *, old_size: int, new_size: int, old_root: bytes) -> tuple[bytes, bytes]:
    """Return both roots that *proof* leads to."""
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    # A complete old tree is a node of the new one: its root is known and not repeated.
    path = (old_root, *proof) if old_size & (old_size - 1) == 0 else tuple(proof)
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofTooLongError(len(proof))
        if first & 1 or first == last:
            old = sha256(b"\1" + sibling + old).digest()
            new = sha256(b"\1" + sibling + new).digest()
            first, last = _climb(first, last)
        else:
            new = sha256(b"\1" + new + sibling).digest()
        first, last = first >> 1, last >> 1
    _require_end(last, proof)
    return old, new


def _split(start: int, end: int) -> int:
    """Return where the range is split: at the largest power of two below its length."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def _climb(first: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the path has no sibling."""
    while first and not first & 1:
        first, last = first >> 1, last >> 1
    return first, last


def _require_hashes(hashes: Sequence[bytes], *, what: str) -> None:
    for found in hashes:
        if len(found) != HASH_SIZE:
            raise ProofHashLengthError(what, length=len(found))


def _require_end(last: int, proof: Sequence[bytes]) -> None:
    if last:
        raise ProofTooShortError(len(proof))


def _require_root(size: int, *, expected: bytes, computed: bytes) -> None:
    if expected != computed:
        raise RootDiffersError(size, expected=expected, computed=computed)
