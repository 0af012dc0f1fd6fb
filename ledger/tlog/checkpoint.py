"""Checkpoints (C2SP tlog-checkpoint): the text that a log signs.

Origin line, size line, line with the root in base64, then optional non-empty extension lines:
we write none and accept them. The name of the log's key is the origin.

An origin of ours is ASCII, ``[a-z0-9.-]+(/[A-Za-z0-9._~-]+)+``, at most 255 bytes, unique to its
ledger. Reading accepts any origin that can name a key, since other logs choose by other rules.
"""

import re
from collections.abc import Sequence

from ledger.dataclass import dataclass
from ledger.errors import UsageError
from ledger.tlog.notation import (
    MAX_DECIMAL,
    FormatError,
    parse_decimal,
    parse_hash,
    print_base64,
    require_hash,
    split_lines,
)
from ledger.tlog.note import Signature, SignatureError, Verifier, open_note
from ledger.tlog.vkey import KeyNameError, require_key_name

MAX_ORIGIN = 255

_ORIGIN = re.compile(r"[a-z0-9.-]+(?:/[A-Za-z0-9._~-]+)+")
_FIXED_LINES = 3


class OriginError(UsageError):
    """A text cannot be the origin of a ledger of ours."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"{origin[:MAX_ORIGIN]!a} is not an origin",
            fact=f"an origin is <host name>/<path>, plain ASCII, at most {MAX_ORIGIN} bytes",
            hint="choose a name that you own, like example.org/emqx/ledger",
        )
        self.origin = origin


class CheckpointFormatError(FormatError):
    """A text is not a checkpoint."""

    def __init__(self, reason: str) -> None:
        super().__init__("this is not a checkpoint", fact=reason)
        self.reason = reason


class OtherOriginError(SignatureError):
    """A checkpoint is not signed by a known log key of the origin it names."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"the checkpoint of {origin} is not signed by a known key of that log",
            fact="the name of a log's key is the origin of its checkpoints",
        )
        self.origin = origin


@dataclass(frozen=True)
class Checkpoint:
    """What a log commits to: its *origin*, *size* and *root*."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            require_key_name(self.origin)
        except KeyNameError as exc:
            raise CheckpointFormatError("the origin line is empty or contains a space or a plus") from exc
        if not 0 <= self.size <= MAX_DECIMAL:
            raise CheckpointFormatError(f"the size {self.size} is out of range")
        require_hash(self.root, what="the root")
        if any(not line or "\n" in line for line in self.extensions):
            raise CheckpointFormatError("an extension line is empty")

    @classmethod
    def parse(cls, text: bytes) -> "Checkpoint":
        """Return what the checkpoint *text* says.

        Raises: FormatError, as the concrete error for the reason.
        """
        lines = split_lines(text)
        if len(lines) < _FIXED_LINES:
            raise CheckpointFormatError("it has fewer than three lines")
        try:
            origin, extensions = lines[0].decode(), tuple(line.decode() for line in lines[_FIXED_LINES:])
        except UnicodeDecodeError as exc:
            raise CheckpointFormatError("it is not UTF-8") from exc
        return cls(origin, parse_decimal(lines[1]), parse_hash(lines[2]), extensions)

    def encode(self) -> bytes:
        """Return the text that is signed."""
        root = print_base64(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions)).encode()


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A checkpoint that its log signed; *text* is verbatim what was signed.

    *cosignatures* are the verified lines of other known keys, *unknown* the lines of keys that
    nobody named.
    """

    checkpoint: Checkpoint
    text: bytes
    log_signatures: tuple[Signature, ...]
    cosignatures: tuple[Signature, ...]
    unknown: tuple[Signature, ...]


def parse_origin(text: str) -> str:
    """Return *text* if it can be the origin of a ledger of ours.

    Raises: OriginError.
    """
    if len(text) > MAX_ORIGIN or not _ORIGIN.fullmatch(text):
        raise OriginError(text)
    return text


def open_checkpoint(data: bytes, *, logs: Sequence[Verifier], cosigners: Sequence[Verifier] = ()) -> OpenedCheckpoint:
    """Return the checkpoint of the note *data*, signed by one of *logs* under its own origin.

    Raises: SignatureError, as the concrete error for the reason; FormatError for malformed bytes.
    """
    note = open_note(data, verifiers=(*logs, *cosigners))
    checkpoint = Checkpoint.parse(note.text)
    keys = {(log.name, log.key_id) for log in logs if log.name == checkpoint.origin}
    others = {(cosigner.name, cosigner.key_id) for cosigner in cosigners}
    by_log = tuple(line for line in note.verified if (line.name, line.key_id) in keys)
    if not by_log:
        raise OtherOriginError(checkpoint.origin)
    by_others = tuple(line for line in note.verified if (line.name, line.key_id) in others)
    return OpenedCheckpoint(checkpoint, note.text, by_log, by_others, note.unknown)
