"""The one way in which a value becomes bytes: RFC 8785 (JCS) under the rules of evidence.md 1.1.

A value is an object, an array, a string, an integer or a truth. Member names are
``[a-z][a-z0-9_]*``; integers stay within 2^53-1; there is no float, no null and no empty
string; at most eight levels of objects and arrays; a string has at most 4,096 bytes of UTF-8,
is NFC and holds no control, bidirectional, zero-width or unassigned character. Under these
rules ``json.dumps`` with sorted names is JCS; outside them it is not, so all are checked before.

``parse_canonical(canonical_json(value)) == value``, and nothing else parses.
"""

import json
import re
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, NoReturn

from ledger.errors import EvidenceError, UsageError

INTEGER_LIMIT = 2**53 - 1
DEPTH_LIMIT = 8
STRING_LIMIT = 4096
_PLACES = 80
_SHOWN = 60
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_DUMP = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)


class CanonicalError(UsageError):
    """A value, or a text that a user gave, cannot be recorded; *path* names the member."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(
            f"{path} cannot be recorded as it is",
            fact=fault,
            hint="give plain text on one line, without control, bidirectional or invisible characters",
        )
        self.path = path
        self.fault = fault


class NotCanonicalError(EvidenceError):
    """Stored bytes are not the canonical form of any value: this tool did not write them so."""

    def __init__(self, fault: str) -> None:
        super().__init__(
            "a stored entry is not canonical JSON",
            fact=fault,
            hint="run `release-ledger verify`, which names the first entry that is not as it was signed",
        )
        self.fault = fault


def canonical_json(value: object) -> bytes:
    """Return the canonical bytes of *value*.

    Raises: CanonicalError for whatever evidence.md 1.1 refuses, naming the member.
    """
    check_value(value)
    return _DUMP.encode(value).encode()


def sha256_hex(value: object) -> str:
    """Return the digest of the canonical bytes of *value*, as records hold it."""
    return sha256(canonical_json(value)).hexdigest()


def check_value(value: object, *, reading: bool = False) -> None:
    """Accept *value*, or say which member breaks which rule.

    When *reading*, an unassigned character passes: the writer's Unicode tables may be newer (evidence.md 1.3).
    Raises: CanonicalError.
    """
    if not _is_plain(value, DEPTH_LIMIT):
        _check(value, "", 1, reading)


def check_text(text: str, *, what: str) -> str:
    """Return *text* as it is, where it may be recorded; *what* names it to the user, such as ``the reason``.

    Raises: CanonicalError.
    """
    fault = text_fault(text)
    if fault is not None:
        raise CanonicalError(what, fault)
    return text


def text_fault(text: str, *, reading: bool = False) -> str | None:
    """Return what forbids *text* in a record, None where nothing does."""
    if not text:
        return "it is empty, and an absent fact is left out"
    if text.isascii():
        if text.isprintable():
            return None if len(text) <= STRING_LIMIT else _too_long(len(text))
        found = _forbidden().search(text)
    else:
        found = _forbidden().search(text)
        if found is None:
            return _unicode_fault(text, reading=reading)
    return None if found is None else f"it holds U+{ord(found[0]):04X} at character {found.start() + 1}"


def clean_excerpt(raw: bytes | str, limit: int = STRING_LIMIT) -> str:
    """Return the start of captured output, at most *limit* bytes, in a form that may be recorded.

    Each forbidden or undecodable character becomes U+FFFD; the result may be empty.
    """
    text = raw[: 4 * limit].decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    text = text[:limit]
    if text.isascii() and text.isprintable():
        return text
    from unicodedata import category, normalize  # noqa: PLC0415 # a table of 1 MB that most commands never need

    text = "".join("\ufffd" if category(c) == "Cn" else c for c in _forbidden().sub("\ufffd", text))
    return normalize("NFC", text).encode()[:limit].decode("utf-8", "ignore")


def parse_canonical(data: bytes) -> dict[str, Any]:
    """Return the object that *data* is the canonical form of.

    Raises: NotCanonicalError for anything but the one canonical form: other encodings, doubled
    names, floats, integers out of range, foreign order or white space.
    """
    try:
        value = _LOAD.decode(data.decode())
        same = _DUMP.encode(value).encode() == data
    except (ValueError, RecursionError) as exc:
        raise NotCanonicalError(str(exc)[:_PLACES] or type(exc).__name__) from exc
    if not same or type(value) is not dict:
        raise NotCanonicalError("it reads as another text than the one stored")
    return value


def _is_plain(value: object, depth: int) -> bool:
    """Tell quickly that a value of the commonest types is fine; what it denies, ``_check`` judges."""
    if type(value) is str:
        return value.isascii() and value.isprintable() and 0 < len(value) <= STRING_LIMIT
    if type(value) is int:
        return -INTEGER_LIMIT <= value <= INTEGER_LIMIT
    if type(value) is dict:
        return depth > 0 and all(_is_name(name) and _is_plain(member, depth - 1) for name, member in value.items())
    return type(value) is list and depth > 0 and all(_is_plain(member, depth - 1) for member in value)


@lru_cache(maxsize=512)
def _is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _check(value: object, path: str, depth: int, reading: bool) -> None:  # noqa: FBT001 # positional: it runs for every member of every event
    if isinstance(value, str):
        fault = text_fault(value, reading=reading)
        if fault is not None:
            raise CanonicalError(_place(path), fault)
    elif isinstance(value, int):
        if not -INTEGER_LIMIT <= value <= INTEGER_LIMIT:
            raise CanonicalError(_place(path), "a number beyond 2^53-1 is recorded as a text")
    elif depth > DEPTH_LIMIT:
        raise CanonicalError(_place(path), f"it lies deeper than {DEPTH_LIMIT} levels")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check(member, _member(path, name), depth + 1, reading)
    elif isinstance(value, list | tuple):
        for position, member in enumerate(value):
            _check(member, f"{path}[{position}]", depth + 1, reading)
    else:
        raise CanonicalError(_place(path), f"{type(value).__name__} is no text, integer, truth, list or object")


def _member(path: str, name: object) -> str:
    if not _is_name(name):
        raise CanonicalError(_place(path), f"{ascii(name)[:_SHOWN]} is no name of a member")
    return f"{path}.{name}"


def _place(path: str) -> str:
    return f"the member {path.lstrip('.')[:_PLACES]!a}" if path else "the value"


def _unicode_fault(text: str, *, reading: bool) -> str | None:
    from unicodedata import category, is_normalized  # noqa: PLC0415 # as in clean_excerpt

    for position, character in enumerate(text):
        if category(character) == "Cn":
            return None if reading else f"it holds the unassigned U+{ord(character):04X} at character {position + 1}"
    if not is_normalized("NFC", text):
        return "it is not in the composed form (NFC)"
    size = len(text.encode())
    return None if size <= STRING_LIMIT else _too_long(size)


def _too_long(size: int) -> str:
    return f"it has {size} bytes, and a text has at most {STRING_LIMIT}"


def _integer(digits: str) -> int:
    value = int(digits)
    if not -INTEGER_LIMIT <= value <= INTEGER_LIMIT:
        raise ValueError("an integer is beyond 2^53-1")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:_SHOWN]} is no integer")


_LOAD = json.JSONDecoder(parse_int=_integer, parse_float=_no_number, parse_constant=_no_number)


@cache  # what records nothing does not compile it
def _forbidden() -> re.Pattern[str]:
    # evidence.md 1.1, row "text", surrogates and noncharacters included; unassigned ones need the Unicode tables.
    return re.compile(
        "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufdd0-\ufdef"
        "\ud800-\udfff\U000e0000-\U000e0fff"
        + "".join(f"{chr(p + 0xFFFE)}-{chr(p + 0xFFFF)}" for p in range(0, 0x110000, 0x10000))
        + "]"
    )
