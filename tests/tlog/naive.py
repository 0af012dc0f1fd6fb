"""RFC 6962, section 2.1, word for word: slow, obvious, independent of the code under test."""

from functools import cache
from hashlib import sha256


@cache
def leaf_hash(index: int) -> bytes:
    return sha256(b"\0leaf %d" % index).digest()


@cache
def naive_root(start: int, end: int) -> bytes:
    """MTH(D[start:end])."""
    if start == end:
        return sha256(b"").digest()
    if end - start == 1:
        return leaf_hash(start)
    middle = start + split(end - start)
    return sha256(b"\1" + naive_root(start, middle) + naive_root(middle, end)).digest()


def naive_inclusion(index: int, start: int, end: int) -> list[bytes]:
    """PATH(m, D[start:end])."""
    if end - start == 1:
        return []
    k = split(end - start)
    if index < k:
        return [*naive_inclusion(index, start, start + k), naive_root(start + k, end)]
    return [*naive_inclusion(index - k, start + k, end), naive_root(start, start + k)]


def naive_consistency(old: int, start: int, end: int, *, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[start:end], b)."""
    if old == end - start:
        return [] if whole else [naive_root(start, end)]
    k = split(end - start)
    if old <= k:
        return [*naive_consistency(old, start, start + k, whole=whole), naive_root(start + k, end)]
    return [*naive_consistency(old - k, start + k, end, whole=False), naive_root(start, start + k)]


@cache
def split(n: int) -> int:
    """Return the largest power of two below n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class NaiveHashes:
    """A HashReader over the naive tree."""

    def read_hash(self, level: int, index: int) -> bytes:
        return naive_root(index << level, (index + 1) << level)
