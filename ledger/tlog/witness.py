"""The witness protocol's ``add-checkpoint`` (C2SP tlog-witness), as a pure state machine.

A request is a line ``old <size>``, 0 to 63 lines with the hashes of a consistency proof, an
empty line and the checkpoint. The witness checks in this order:

====== ==========================================================================================
400    malformed request (``AddCheckpoint.parse`` raises); at last, a note without room for a cosignature
404    the origin is not known
403    no line by a key trusted for the origin, or such a line does not verify
400    the old size is larger than the checkpoint's
409    the old size is not the one last cosigned (0 if never); the body says which one is
422    size 0 with another root than the empty one; or the proof does not hold (with old size 0:
       is not empty)
200    the body is the witness's signature lines
====== ==========================================================================================

The caller must store ``Decision.store`` and compare the last cosigned checkpoint in one
transaction, before it answers. What a log does with the answer is in ``ledger.tlog.witness_reply``.
"""

from collections.abc import Sequence

from ledger.dataclass import dataclass
from ledger.tlog.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from ledger.tlog.merkle import EMPTY_ROOT, ProofError, check_consistency
from ledger.tlog.notation import (
    MAX_DECIMAL,
    FormatError,
    parse_decimal,
    parse_hash,
    print_base64,
    require_hash,
    shown,
)
from ledger.tlog.note import MAX_NOTE, Note, Signature, SignatureError, Signer, Verifier

MAX_HASHES = 63
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"

_OLD = b"old "


class WitnessRequestError(FormatError):
    """Bytes are no request to a witness: status 400."""

    def __init__(self, reason: str) -> None:
        super().__init__("this is not an add-checkpoint request", fact=reason)
        self.reason = reason


@dataclass(frozen=True)
class AddCheckpoint:
    """One request: *note* is the signed checkpoint, *proof* leads to it from *old_size*."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.old_size <= MAX_DECIMAL:
            raise WitnessRequestError(f"the old size {self.old_size} is out of range")
        if len(self.proof) > MAX_HASHES:
            raise WitnessRequestError(f"it has {len(self.proof)} hashes, more than {MAX_HASHES}")
        for found in self.proof:
            require_hash(found, what="a hash of the proof")
        Checkpoint.parse(Note.parse(self.note).text)

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says, not yet trusted."""
        return Checkpoint.parse(Note.parse(self.note).text)

    @classmethod
    def parse(cls, body: bytes) -> "AddCheckpoint":
        """Return the request in *body*.

        Raises: FormatError, as the concrete error for the reason: the answer is 400.
        """
        head, divider, note = body.partition(b"\n\n")
        first, *lines = head.split(b"\n")
        if not divider or not first.startswith(_OLD):
            raise WitnessRequestError(f"it begins with {shown(first)} or has no empty line")
        return cls(parse_decimal(first.removeprefix(_OLD)), tuple(map(parse_hash, lines)), note)

    def encode(self) -> bytes:
        """Return the body of the request."""
        return b"\n".join((_OLD + b"%d" % self.old_size, *map(print_base64, self.proof), b"", self.note))


@dataclass(frozen=True)
class Decision:
    """The answer to a request; *store* is the note to keep as last cosigned, if it was cosigned."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE
    store: bytes | None = None


def decide_add_checkpoint(
    request: AddCheckpoint, *, trusted: Sequence[Verifier], last: Checkpoint | None, signers: Sequence[Signer]
) -> Decision:
    """Return the answer of a witness that signs with *signers*.

    *trusted* are the keys it knows for the request's origin, none if it does not know the
    origin; *last* is the checkpoint it cosigned last under that origin.
    """
    if not trusted:
        return _refuse(404, "this witness does not know the origin")
    try:
        opened = open_checkpoint(request.note, logs=trusted)
    except SignatureError as exc:
        return _refuse(403, str(exc))
    checkpoint = opened.checkpoint
    if request.old_size > checkpoint.size:
        return _refuse(400, "the old size is larger than the size of the checkpoint")
    cosigned = last.size if last else 0
    if request.old_size != cosigned:
        return Decision(409, b"%d\n" % cosigned, SIZE_TYPE)
    reason = _find_fork(request, checkpoint=checkpoint, last=last)
    return _refuse(422, reason) if reason else _cosign(opened, signers=signers)


def _find_fork(request: AddCheckpoint, *, checkpoint: Checkpoint, last: Checkpoint | None) -> str:
    """Return why *checkpoint* does not follow from *last*; nothing if it does."""
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        return "the root of size 0 is not that of the empty tree"
    if last is None or last.size == 0:
        # Nothing can be shown from the empty tree, so no proof may claim to (evidence 2.4).
        return "there is a proof from size 0" if request.proof else ""
    try:
        check_consistency(
            request.proof,
            old_size=last.size,
            new_size=checkpoint.size,
            old_root=last.root,
            new_root=checkpoint.root,
        )
    except ProofError as exc:
        return str(exc)
    return ""


def _cosign(opened: OpenedCheckpoint, *, signers: Sequence[Signer]) -> Decision:
    own = tuple(Signature(key.name, key.key_id, key.sign(opened.text)) for key in signers)
    body = b"".join(line.encode() for line in own)
    store = Note(opened.text, opened.log_signatures + own).encode()
    if len(store) > MAX_NOTE:  # it could not be read again, and nothing could follow it
        return _refuse(400, "the checkpoint leaves no room for a cosignature")
    return Decision(200, body, store=store)


def _refuse(status: int, reason: str) -> Decision:
    return Decision(status, f"{reason}\n".encode())
