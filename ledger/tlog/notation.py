"""Notation that the formats share: lines, decimals, base64, hashes.

A line ends in U+000A and in nothing else (``splitlines`` would also cut at U+0085 or U+2028).
A decimal has no sign and no leading zero and is at most 2^63-1. Base64 is RFC 4648 section 4
with padding, and a text that does not re-encode to itself is refused: so no white space, no
url alphabet and no stray trailing bits. Whatever breaks a limit is refused, never clipped.
"""

import re
from base64 import b64decode, b64encode

from ledger.errors import EvidenceError

HASH_SIZE = 32
MAX_DECIMAL = 2**63 - 1

_DECIMAL = re.compile(rb"0|[1-9][0-9]*")
_MAX_DIGITS = len(str(MAX_DECIMAL))
_SHOWN = 60


class FormatError(EvidenceError):
    """Bytes are not what their format says; the parent of every such error here."""

    def __init__(self, message: str, *, fact: str) -> None:
        super().__init__(message, fact=fact, hint="get the file again from where it was published")


class LineEndError(FormatError):
    """The last line is not ended."""

    def __init__(self) -> None:
        super().__init__("the text does not end in a newline", fact="every line ends in U+000A")


class DecimalError(FormatError):
    """A number is not written as a decimal, or is too large."""

    def __init__(self, text: bytes) -> None:
        super().__init__(
            f"{shown(text)} is not a decimal number",
            fact=f"a decimal has no sign, no leading zero and is at most {MAX_DECIMAL}",
        )
        self.text = text


class Base64Error(FormatError):
    """A text is not base64 in its only accepted spelling."""

    def __init__(self, text: bytes) -> None:
        super().__init__(
            f"{shown(text)} is not base64",
            fact="base64 is RFC 4648 section 4 with padding and re-encodes to itself",
        )
        self.text = text


class HashLengthError(FormatError):
    """A hash does not have the length of SHA-256."""

    def __init__(self, what: str, *, length: int) -> None:
        super().__init__(f"{what} has {length} bytes", fact=f"a SHA-256 hash has {HASH_SIZE} bytes")
        self.what, self.length = what, length


def split_lines(data: bytes) -> tuple[bytes, ...]:
    """Return the lines of *data* without their newlines; no line for no bytes.

    Raises: LineEndError where the last line is not ended.
    """
    if data and not data.endswith(b"\n"):
        raise LineEndError
    return tuple(data.split(b"\n")[:-1])


def parse_decimal(text: bytes) -> int:
    """Return the number that *text* spells.

    Raises: DecimalError.
    """
    number = int(text) if len(text) <= _MAX_DIGITS and _DECIMAL.fullmatch(text) else -1
    if not 0 <= number <= MAX_DECIMAL:
        raise DecimalError(text)
    return number


def parse_base64(text: bytes) -> bytes:
    """Return the bytes that *text* spells.

    Raises: Base64Error.
    """
    try:
        data = b64decode(text, validate=True)
    except ValueError as exc:
        raise Base64Error(text) from exc
    if b64encode(data) != text:
        raise Base64Error(text)
    return data


def parse_hash(text: bytes) -> bytes:
    """Return the SHA-256 hash that *text* spells in base64.

    Raises: Base64Error, HashLengthError.
    """
    data = parse_base64(text)
    require_hash(data, what="the hash")
    return data


def require_hash(data: bytes, *, what: str) -> None:
    """Refuse *data*, named *what*, unless it is as long as a SHA-256 hash.

    Raises: HashLengthError.
    """
    if len(data) != HASH_SIZE:
        raise HashLengthError(what, length=len(data))


def print_base64(data: bytes) -> bytes:
    """Return the one accepted spelling of *data*."""
    return b64encode(data)


def shown(text: bytes) -> str:
    """Return the beginning of *text* as it may appear in a message."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + b"..."
    return repr(cut)[1:]
