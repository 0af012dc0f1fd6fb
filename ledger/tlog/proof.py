"""Proof files (C2SP tlog-proof): one entry's place in a signed tree.

::

    c2sp.org/tlog-proof@v1
    index 321
    <base64 hash, one a line, leaf's sibling first>

    <checkpoint, verbatim, with all its signature lines>

A second line ``extra <base64>`` is read, never trusted and never written by us. A one-leaf tree
has no hash lines; the empty line still stands. To verify: open *note* by the policy, then
``check_entry`` with the checkpoint that came out and the entry's own bytes.
"""

from ledger.dataclass import dataclass
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import check_inclusion, hash_leaf
from ledger.tlog.notation import (
    MAX_DECIMAL,
    FormatError,
    parse_base64,
    parse_decimal,
    parse_hash,
    print_base64,
    require_hash,
    shown,
)
from ledger.tlog.note import Note

MAX_HASHES = 63

_MAGIC = b"c2sp.org/tlog-proof@v1"
_INDEX = b"index "
_EXTRA = b"extra "


class TlogProofFormatError(FormatError):
    """Bytes are not a proof file."""

    def __init__(self, reason: str) -> None:
        super().__init__("this is not a tlog-proof", fact=reason)
        self.reason = reason


@dataclass(frozen=True)
class TlogProof:
    """The parts of a proof file, not yet trusted; *note* is the signed checkpoint verbatim."""

    index: int
    hashes: tuple[bytes, ...]
    note: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_DECIMAL:
            raise TlogProofFormatError(f"the index {self.index} is out of range")
        if len(self.hashes) > MAX_HASHES:
            raise TlogProofFormatError(f"it has {len(self.hashes)} hashes, more than {MAX_HASHES}")
        for found in self.hashes:
            require_hash(found, what="a hash of the proof")
        Note.parse(self.note)

    @classmethod
    def parse(cls, data: bytes) -> "TlogProof":
        """Return the parts of *data*.

        Raises: FormatError, as the concrete error for the reason.
        """
        head, divider, note = data.partition(b"\n\n")
        magic, *lines = head.split(b"\n")
        if magic != _MAGIC or not divider:
            raise TlogProofFormatError(f"it begins with {shown(magic)} or has no empty line")
        extra = parse_base64(lines.pop(0).removeprefix(_EXTRA)) if lines and lines[0].startswith(_EXTRA) else None
        if not lines or not lines[0].startswith(_INDEX):
            raise TlogProofFormatError("the index line is missing")
        index = parse_decimal(lines[0].removeprefix(_INDEX))
        return cls(index, tuple(map(parse_hash, lines[1:])), note, extra)

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        lines = [_MAGIC]
        if self.extra is not None:
            lines.append(_EXTRA + print_base64(self.extra))
        lines.append(_INDEX + b"%d" % self.index)
        lines += map(print_base64, self.hashes)
        return b"\n".join((*lines, b"", self.note))


def check_entry(proof: TlogProof, *, leaf: bytes, checkpoint: Checkpoint) -> None:
    """Refuse unless *proof* places *leaf* in the tree of *checkpoint*, which is already trusted.

    Raises: ProofError, as the concrete error for the reason.
    """
    check_inclusion(hash_leaf(leaf), index=proof.index, size=checkpoint.size, proof=proof.hashes, root=checkpoint.root)
