"""Erlang term text, as ``file:consult/1`` reads it.

RELEASES, ``*.rel``, ``*.app`` and relup files are terms, each ended by a dot and white space.

=================================  ==========================================================
Erlang                             here
=================================  ==========================================================
integer, ``16#ff``, ``$a``         ``int``
float                              ``float``
atom, quoted or not                `Atom`
string ``"a"``                     ``str``; the empty string is the empty list
binary ``<<"a", 1, "x"/utf8>>``    ``bytes``
tuple, list                        ``tuple``, ``list``
map ``#{a => 1}``                  `ErlangMap`
=================================  ==========================================================

Erlang has no strings but lists of characters, and writes one with a character above 255 as
numbers: `as_text` reads both. Improper lists, bit strings and expressions are refused. For any
text at all the outcome is terms or `ErlangTermError`: size, depth and digits are limited.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias, TypeVar

from ledger.dataclass import dataclass
from ledger.errors import RefusedError

MAX_CHARACTERS = 16 * 1024 * 1024
MAX_DEPTH = 100
_MAX_NUMBER = 4000  # Python refuses to convert longer integers
_MAX_ATOM = 255  # erl_scan refuses longer atoms

# erl_scan: reserved words, without ``maybe`` and ``else``, which are atoms unless a feature is on.
RESERVED = frozenset(
    {"after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond", "div"}
    | {"end", "fun", "if", "let", "not", "of", "or", "orelse", "receive", "rem", "try", "when", "xor"}
)

_LOWER, _NAME = "a-zß-öø-ÿ", "a-zß-öø-ÿA-ZÀ-ÖØ-Þ0-9_@"
BARE_ATOM = re.compile(rf"[{_LOWER}][{_NAME}]*+")
_DIGITS = r"[0-9]++(?:_[0-9]++)*+"
_BLANK = r"\x00-\x20\x80-\xa0"
_ESCAPE = r"\\(?:x\{[0-9A-Fa-f]++\}|x[0-9A-Fa-f]{2}|[0-7]{1,3}|\^[^\\]|\^\\|[^x^])"
_TOKEN = re.compile(
    rf"""(?P<blank>[{_BLANK}]++|%[^\n]*+)
    |(?P<dot>\.(?=[{_BLANK}%]|\Z))
    |(?P<float>{_DIGITS}\.{_DIGITS}(?:[eE][+-]?{_DIGITS})?)
    |(?P<radix>[0-9]{{1,3}}\#[0-9A-Za-z]++(?:_[0-9A-Za-z]++)*+)
    |(?P<integer>{_DIGITS})
    |(?P<character>\$(?:{_ESCAPE}|[^\\]))
    |(?P<string>"(?:[^"\\]++|{_ESCAPE})*+")
    |(?P<quoted>'(?:[^'\\]++|{_ESCAPE})*+')
    |(?P<bare>{BARE_ATOM.pattern})
    |(?P<mark>\#\{{|<<|>>|=>|[][{{}},/+-])""",
    re.VERBOSE | re.DOTALL,
)
_CONTROL = {"b": 8, "d": 127, "e": 27, "f": 12, "n": 10, "r": 13, "s": 32, "t": 9, "v": 11}


@dataclass(frozen=True)
class Atom:
    """An Erlang atom."""

    name: str


@dataclass(frozen=True)
class ErlangMap:
    """An Erlang map: its pairs in the order of the text, each key once."""

    pairs: tuple[tuple["Term", "Term"], ...]


Term: TypeAlias = int | float | str | bytes | Atom | ErlangMap | tuple["Term", ...] | list["Term"]


class ErlangTermError(RefusedError):
    """A text is not the text of Erlang terms."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(
            f"line {line}: {problem}",
            fact="the text must hold Erlang terms, each ended by a dot, as file:consult/1 reads them",
            hint="compare it with the file of the release package or with a saved copy",
        )
        self.problem, self.line = problem, line


def read_terms(text: str) -> tuple[Term, ...]:
    """Return the terms of *text*, in its order.

    Raises: ErlangTermError with the line for anything else.
    """
    if len(text) > MAX_CHARACTERS:
        raise ErlangTermError(f"the text is longer than {MAX_CHARACTERS} characters", 1)
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ErlangTermError("there is half a character", text.count("\n", 0, exc.start) + 1) from exc
    return tuple(_Reader(text).forms())


def as_text(term: Term) -> str | None:
    """Return the string that *term* is for Erlang, None where it is none."""
    if isinstance(term, str):
        return term
    if not isinstance(term, list):
        return None
    codes = [code for code in term if type(code) is int and _is_character(code)]
    return "".join(map(chr, codes)) if len(codes) == len(term) else None


def _is_character(code: int) -> bool:
    return 0 <= code < 0xD800 or 0xDFFF < code <= 0x10FFFF  # noqa: PLR2004 # the bounds of Unicode scalar values


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


_END = "end"
_Item = TypeVar("_Item")


class _Reader:
    """Recursive descent over the tokens, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self._end = self._next = _Token(_END, "", len(text))
        self._advance()

    def forms(self) -> Iterator[Term]:
        while self._next.kind != _END:
            yield self._term(0)
            if self._next.kind != "dot":
                raise self._unexpected("a dot that ends the term")
            self._advance()

    def _scan(self) -> Iterator[_Token]:
        position = 0
        while position < len(self._text):
            found = _TOKEN.match(self._text, position)
            if found is None:
                raise self._error("this is no Erlang term", position)
            if found.lastgroup and found.lastgroup != "blank":
                yield _Token(found.lastgroup, found.group(), position)
            position = found.end()

    def _advance(self) -> _Token:
        taken = self._next
        self._next = next(self._tokens, self._end)
        return taken

    def _error(self, problem: str, position: int) -> ErlangTermError:
        return ErlangTermError(problem, self._text.count("\n", 0, position) + 1)

    def _unexpected(self, wanted: str) -> ErlangTermError:
        found = ascii(self._next.text[:40]) if self._next.text else "the end"
        return self._error(f"expected {wanted}, found {found}", self._next.start)

    def _mark(self, mark: str) -> bool:
        """Take *mark* if it comes next."""
        if self._next.kind != "mark" or self._next.text != mark:
            return False
        self._advance()
        return True

    def _term(self, depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise self._error(f"terms are nested deeper than {MAX_DEPTH}", self._next.start)
        if self._next.kind == "mark":
            return self._compound(depth)
        if self._next.kind == "string":
            return self._string() or []
        return self._atom() if self._next.kind in {"bare", "quoted"} else self._number()

    def _compound(self, depth: int) -> Term:
        if self._mark("{"):
            return tuple(self._items("}", lambda: self._term(depth + 1)))
        if self._mark("["):
            return self._items("]", lambda: self._term(depth + 1))
        if self._mark("<<"):
            return b"".join(self._items(">>", self._segment))
        if self._mark("#{"):
            pairs = self._items("}", lambda: self._pair(depth + 1))
            return ErlangMap(tuple({repr(key): (key, value) for key, value in pairs}.values()))
        return self._number()

    def _items(self, close: str, item: Callable[[], _Item]) -> list[_Item]:
        if self._mark(close):
            return []
        items = [item()]
        while self._mark(","):
            items.append(item())
        if not self._mark(close):
            raise self._unexpected(f"',' or '{close}'")
        return items

    def _pair(self, depth: int) -> tuple[Term, Term]:
        key = self._term(depth)
        if not self._mark("=>"):
            raise self._unexpected("'=>'")
        return key, self._term(depth)

    def _segment(self) -> bytes:
        """Return one segment of a binary: an integer, or a string with or without ``/utf8``."""
        if self._next.kind != "string":
            value = self._number()
            if isinstance(value, float):
                raise self._error("a binary here holds integers and strings", self._next.start)
            return bytes([value & 255])
        text = self._string()
        if not self._mark("/"):
            return bytes(ord(character) & 255 for character in text)
        if self._next.text != "utf8":
            raise self._unexpected("utf8")
        self._advance()
        return text.encode()

    def _string(self) -> str:
        """Return a string; neighbours are one string."""
        parts = []
        while self._next.kind == "string":
            parts.append(self._unescaped(self._next.text[1:-1]))
            self._advance()
        return "".join(parts)

    def _atom(self) -> Atom:
        quoted = self._next.kind == "quoted"
        name = self._unescaped(self._next.text[1:-1]) if quoted else self._next.text
        if not quoted and name in RESERVED:
            raise self._unexpected("a term")
        if len(name) > _MAX_ATOM:
            raise self._error(f"an atom is longer than {_MAX_ATOM} characters", self._next.start)
        self._advance()
        return Atom(name)

    def _number(self) -> int | float:
        sign = -1 if self._mark("-") else 1
        if sign == 1:
            self._mark("+")
        match self._next.kind:
            case "integer" | "float" | "radix" if len(self._next.text) > _MAX_NUMBER:
                raise self._error(f"a number is longer than {_MAX_NUMBER} digits", self._next.start)
            case "integer":
                value: int | float = int(self._next.text)
            case "float":
                value = self._float()
            case "radix":
                value = self._radix()
            case "character":
                value = ord(self._unescaped(self._next.text[1:]))
            case _:
                raise self._unexpected("a term")
        self._advance()
        return sign * value

    def _float(self) -> float:
        value = float(self._next.text)
        if math.isinf(value):
            raise self._error("a float is too large", self._next.start)
        return value

    def _radix(self) -> int:
        base, _, digits = self._next.text.replace("_", "").partition("#")
        values = [int(digit, 36) for digit in digits]
        # Not left to int() alone, which also reads the prefixes 0x, 0o and 0b.
        if not 1 < int(base) <= 36 or max(values) >= int(base):  # noqa: PLR2004 # erl_scan: bases 2 to 36
            raise self._error(f"{self._next.text[:40]!a} is no number", self._next.start)
        return int(digits, int(base))

    def _unescaped(self, text: str) -> str:
        if "\\" not in text:
            return text
        return re.sub(_ESCAPE, lambda found: chr(self._character(found.group()[1:])), text, flags=re.DOTALL)

    def _character(self, escape: str) -> int:
        """Return the character of one escape sequence, without its backslash (Erlang reference manual, 3.10)."""
        if escape[0] == "x":
            digits = escape.strip("x{}").lstrip("0") or "0"
            code = int(digits, 16) if len(digits) < 7 else -1  # noqa: PLR2004 # U+10FFFF has six digits
            if not _is_character(code):
                raise self._error(f"\\{escape[:20]} is no character", self._next.start)
            return code
        if escape[0] == "^":
            return ord(escape[1]) & 31
        return int(escape, 8) if escape[0] in "01234567" else _CONTROL.get(escape, ord(escape[-1]))
