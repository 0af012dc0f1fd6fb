"""Signed notes (C2SP signed-note).

A note is its text, which ends in a newline, one empty line, and one or more signature lines
``U+2014 SPACE <key name> SPACE <base64 of key id || signature>``. The last empty line divides,
so the text may contain empty lines. All is UTF-8 without control characters below U+0020 other
than the newline. Our limits: 1,000,000 bytes and 100 signature lines.

Opening: a line of an unknown (name, key id) is ignored. A line of a known one must verify, or
the whole note is refused: else a forger could add noise. Without a verified line the note is
refused too. Only an ``OpenedNote`` holds text that may be used.
"""

from collections.abc import Sequence
from typing import Protocol

from ledger.dataclass import dataclass
from ledger.errors import EvidenceError
from ledger.tlog.notation import Base64Error, FormatError, parse_base64, print_base64, shown
from ledger.tlog.vkey import KEY_ID_SIZE, KeyNameError, require_key_name

MAX_NOTE = 1_000_000
MAX_SIGNATURES = 100

_DASH = "\N{EM DASH} ".encode()
_CONTROLS = bytes(range(0x20)).replace(b"\n", b"")


class Verifier(Protocol):
    """A key that is trusted to sign notes."""

    @property
    def name(self) -> str:
        """Name of the key."""
        ...

    @property
    def key_id(self) -> bytes:
        """Its four bytes of id."""
        ...

    def verify(self, text: bytes, payload: bytes) -> bool:
        """Say whether *payload*, a signature line's bytes after the key id, signs *text*."""
        ...


class Signer(Protocol):
    """A key that can sign notes."""

    @property
    def name(self) -> str:
        """Name of the key."""
        ...

    @property
    def key_id(self) -> bytes:
        """Its four bytes of id."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return what a signature line holds after the key id, for the note text *message*."""
        ...


class NoteFormatError(FormatError):
    """Bytes are not a signed note."""

    def __init__(self, reason: str) -> None:
        super().__init__("this is not a signed note", fact=reason)
        self.reason = reason


class NoteLimitError(FormatError):
    """A note is larger than what is read."""

    def __init__(self, what: str, *, found: int, limit: int) -> None:
        super().__init__(f"a note of {found} {what} is not read", fact=f"the limit is {limit}")
        self.what, self.found, self.limit = what, found, limit


class SignatureLineError(FormatError):
    """A line behind the text is not a signature line."""

    def __init__(self, line: bytes) -> None:
        super().__init__(
            f"{shown(line)} is not a signature line",
            fact="a signature line is U+2014, the key's name and base64 of at least 5 bytes, a space between",
        )
        self.line = line


class SignatureError(EvidenceError):
    """A note is not signed as it must be; the parent of every such error."""

    def __init__(self, message: str, *, fact: str) -> None:
        super().__init__(message, fact=fact, hint="do not use the text; keep the note and ask who published it")


class BadSignatureError(SignatureError):
    """The signature line of a known key does not verify."""

    def __init__(self, name: str, *, key_id: bytes) -> None:
        super().__init__(
            f"the signature of {name} is wrong", fact=f"the line of key {key_id.hex()} does not sign this text"
        )
        self.name, self.key_id = name, key_id


class UnverifiedNoteError(SignatureError):
    """No line is by a known key."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("no line of the note is by a known key", fact=f"it is signed by {', '.join(names)}")
        self.names = names


class AmbiguousKeyError(SignatureError):
    """Two known keys share name and id, so a line cannot pick one."""

    def __init__(self, name: str, *, key_id: bytes) -> None:
        super().__init__(f"two known keys are {name}+{key_id.hex()}", fact="a line picks its key by name and id")
        self.name, self.key_id = name, key_id


@dataclass(frozen=True)
class Signature:
    """One signature line; *payload* is what follows the key id."""

    name: str
    key_id: bytes
    payload: bytes

    @classmethod
    def parse(cls, line: bytes) -> "Signature":
        """Return what *line*, without its newline, says.

        Raises: SignatureLineError.
        """
        dash, (name, space, text) = line[: len(_DASH)], line[len(_DASH) :].partition(b" ")
        try:
            data = parse_base64(text)
            signature = cls(require_key_name(name.decode()), data[:KEY_ID_SIZE], data[KEY_ID_SIZE:])
        except (Base64Error, KeyNameError, UnicodeDecodeError) as exc:
            raise SignatureLineError(line) from exc
        if dash != _DASH or not space or not signature.payload:
            raise SignatureLineError(line)
        return signature

    def encode(self) -> bytes:
        """Return the line with its newline."""
        return _DASH + self.name.encode() + b" " + print_base64(self.key_id + self.payload) + b"\n"


@dataclass(frozen=True)
class Note:
    """The parts of a note, not yet trusted."""

    text: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """Return the parts of *data*.

        Raises: NoteFormatError, NoteLimitError, SignatureLineError.
        """
        _require_text(data)
        at = data.rfind(b"\n\n") + 1
        lines = data[at + 1 :].split(b"\n")[:-1]
        if not at or not lines:
            raise NoteFormatError("an empty line and a signature line are missing at its end")
        if len(lines) > MAX_SIGNATURES:
            raise NoteLimitError("signature lines", found=len(lines), limit=MAX_SIGNATURES)
        return cls(data[:at], tuple(map(Signature.parse, lines)))

    def encode(self) -> bytes:
        """Return the bytes of the note."""
        return b"".join((self.text, b"\n", *(signature.encode() for signature in self.signatures)))


@dataclass(frozen=True)
class OpenedNote:
    """A note whose text may be used, since each line in *verified* signs it."""

    text: bytes
    verified: tuple[Signature, ...]
    unknown: tuple[Signature, ...]


def open_note(data: bytes, *, verifiers: Sequence[Verifier]) -> OpenedNote:
    """Return the text of the note *data* with the lines that were verified.

    Raises: SignatureError, as the concrete error for the reason; FormatError for a malformed note.
    """
    note = Note.parse(data)
    known = _by_key(verifiers)
    verified, unknown = [], []
    for signature in note.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            unknown.append(signature)
        elif verifier.verify(note.text, signature.payload):
            verified.append(signature)
        else:
            raise BadSignatureError(signature.name, key_id=signature.key_id)
    if not verified:
        raise UnverifiedNoteError(tuple(signature.name for signature in unknown))
    return OpenedNote(note.text, tuple(verified), tuple(unknown))


def sign_note(text: bytes, *, signers: Sequence[Signer]) -> bytes:
    """Return the note of *text* with a line by each of *signers*.

    Raises: NoteFormatError for a text that no note can hold.
    """
    _require_text(text)
    if not signers:
        raise NoteFormatError("nobody signs it")
    return Note(text, tuple(Signature(key.name, key.key_id, key.sign(text)) for key in signers)).encode()


def add_signatures(data: bytes, *, signatures: Sequence[Signature]) -> bytes:
    """Return the note *data* with *signatures* behind its own lines; one that is there is not repeated.

    Raises: FormatError for a malformed note.
    """
    note = Note.parse(data)
    return Note(note.text, tuple(dict.fromkeys((*note.signatures, *signatures)))).encode()


def _by_key(verifiers: Sequence[Verifier]) -> dict[tuple[str, bytes], Verifier]:
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) is not verifier:
            raise AmbiguousKeyError(verifier.name, key_id=verifier.key_id)
    return known


def _require_text(data: bytes) -> None:
    if len(data) > MAX_NOTE:
        raise NoteLimitError("bytes", found=len(data), limit=MAX_NOTE)
    if not data.endswith(b"\n"):
        raise NoteFormatError("it does not end in a newline")
    try:
        data.decode()
    except UnicodeDecodeError as exc:
        raise NoteFormatError("it is not UTF-8") from exc
    if len(data.translate(None, _CONTROLS)) < len(data):
        raise NoteFormatError("it contains a control character")
