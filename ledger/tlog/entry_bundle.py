"""Entry bundles (C2SP tlog-tiles): the leaves behind one level-0 tile.

For each entry a big-endian uint16 length, then the leaf. A leaf longer than 65,535 bytes cannot
be written at all, so it is refused before it enters the tree. A bundle is read at the exact
width of its file; where only the full file exists, its first entries may be taken.
"""

from collections.abc import Sequence

from ledger.tlog.notation import FormatError
from ledger.tlog.tiles import WIDTH

MAX_LEAF = 65_535

_LENGTH_SIZE = 2


class LeafTooLongError(FormatError):
    """A leaf does not fit the length that a bundle can write."""

    def __init__(self, length: int) -> None:
        super().__init__(f"a leaf has {length} bytes", fact=f"a leaf has at most {MAX_LEAF} bytes")
        self.length = length


class BundleWidthError(FormatError):
    """A bundle is asked to hold more or fewer entries than it can."""

    def __init__(self, width: int, *, stored: int) -> None:
        super().__init__(
            f"a bundle of {stored} entries cannot give {width}", fact=f"a bundle holds 1 to {WIDTH} entries"
        )
        self.width, self.stored = width, stored


class BundleLengthError(FormatError):
    """A bundle ends inside an entry, or goes on after the last one."""

    def __init__(self, entries: int, *, length: int) -> None:
        super().__init__(
            f"a bundle of {length} bytes does not hold {entries} entries",
            fact="it ends inside one or goes on behind the last",
        )
        self.entries, self.length = entries, length


def encode_bundle(leaves: Sequence[bytes]) -> bytes:
    """Return the bundle that holds *leaves*.

    Raises: LeafTooLongError, BundleWidthError.
    """
    _require_width(len(leaves), stored=len(leaves))
    parts: list[bytes] = []
    for leaf in leaves:
        if len(leaf) > MAX_LEAF:
            raise LeafTooLongError(len(leaf))
        parts += (len(leaf).to_bytes(_LENGTH_SIZE), leaf)
    return b"".join(parts)


def decode_bundle(data: bytes, *, width: int, stored: int | None = None) -> tuple[bytes, ...]:
    """Return the first *width* leaves of a bundle of *stored* entries (by default exactly *width*).

    Raises: BundleLengthError, BundleWidthError.
    """
    entries = width if stored is None else stored
    _require_width(width, stored=entries)
    leaves, at = [], 0
    for _ in range(entries):
        start = at + _LENGTH_SIZE
        at = start + int.from_bytes(data[at:start])
        leaves.append(data[start:at])
        # Checked each time: behind the end every length would read as zero.
        if max(start, at) > len(data):
            raise BundleLengthError(entries, length=len(data))
    if at != len(data):
        raise BundleLengthError(entries, length=len(data))
    return tuple(leaves[:width])


def _require_width(width: int, *, stored: int) -> None:
    if not 1 <= width <= stored <= WIDTH:
        raise BundleWidthError(width, stored=stored)
