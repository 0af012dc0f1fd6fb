"""Erlang terms as ``io_lib:format("~tp", [Term])`` prints them: the text of RELEASES.

The release handler writes RELEASES with ``~tp``, so that a file printed here equals the node's
to the byte. The rules are those of stdlib's pretty printer, without a limit of depth or size:

* What fits into the rest of the line, with the brackets that close after it, stays on the line.
* Numbers, atoms and strings follow one another while they fit; a list, tuple, map or binary of
  numbers always starts its own line and ends it, unless everything around it fits.
* In a tuple that starts with an atom the rest stands behind the atom; where the line's first
  half would be passed, four columns in; where that passes it too, one column in. One of the
  three is chosen for the whole term.
* A list of printable Latin-1 characters is a string (the node's default ``+pc latin1``); one with
  any other character is a list of numbers. A binary likewise, ``/utf8`` where it is that.

A map prints in the order of its pairs. Terms may be as deep as the reader takes them.
"""

from collections.abc import Iterator, Sequence

from ledger.adapters.erlang_terms import BARE_ATOM, RESERVED, Atom, ErlangMap, Term, as_text
from ledger.dataclass import dataclass

_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 27: "\\e", 92: "\\\\", 127: "\\d"}
_PRINTABLE = frozenset({*range(32, 127), *range(160, 256), *range(8, 14), 27})
_INTEGRAL_FLOAT = 2.0**53  # from here on a float is written with an exponent
_BESIDE, _FOUR, _ONE = -1, 4, 1  # where the rest of a tagged tuple stands


@dataclass(frozen=True)
class _Text:
    """A number, atom, string or empty compound: never broken."""

    text: str

    @property
    def length(self) -> int:
        return len(self.text)

    @property
    def simple(self) -> bool:
        return True

    def line(self) -> str:
        return self.text


@dataclass(frozen=True)
class _Bytes:
    """A binary of numbers, broken at its commas."""

    numbers: tuple[str, ...]
    length: int

    simple = False

    def line(self) -> str:
        return f"<<{','.join(self.numbers)}>>"


@dataclass(frozen=True)
class _Pair:
    """A key and its value in a map."""

    key: "_Node"
    value: "_Node"
    length: int

    @property
    def simple(self) -> bool:
        return self.key.simple and self.value.simple

    def line(self) -> str:
        return f"{self.key.line()} => {self.value.line()}"


@dataclass(frozen=True)
class _Group:
    """A list, tuple or map with content."""

    start: str
    end: str
    items: tuple["_Node", ...]
    length: int
    tagged: bool = False

    simple = False

    def line(self) -> str:
        return f"{self.start}{','.join(item.line() for item in self.items)}{self.end}"


_Node = _Text | _Bytes | _Pair | _Group


class _NoGoodError(Exception):
    """This way to indent tagged tuples passes the half of the line."""


def print_term(term: Term, *, width: int = 80) -> str:
    """Return *term* as ``~tp`` prints it from the first column of a line."""
    node = _node(term)
    if node.length < width - 1:
        return node.line()
    for indent in (_BESIDE, _FOUR):
        try:
            return _Layout(width, node.length, indent).node(node, 1, 0, 0)
        except _NoGoodError:
            continue
    return _Layout(width, node.length, _ONE).node(node, 1, 0, 0)


@dataclass(frozen=True)
class _Layout:
    """One way to break a term: columns count from 1, *closing* brackets follow, *used* is this line's text."""

    width: int
    total: int
    indent: int

    def node(self, node: _Node, column: int, closing: int, used: int) -> str:
        if node.length < self.width - column - closing:
            return node.line()
        match node:
            case _Text():
                return node.text
            case _Bytes():
                return self._bytes(node, column + 2, closing, used)
            case _Pair():
                return self._pair(node, column, closing, used)
            case _Group(tagged=True):
                return self._tagged(node, column, closing, used + 1)
            case _Group():
                inside = self._items(node.items, column + len(node.start), closing, used + 1)
                return f"{node.start}{inside}{node.end}"

    def _tagged(self, node: _Group, column: int, closing: int, used: int) -> str:
        tag, rest = node.items[0], node.items[1:]
        behind = column + tag.length + 2
        if 0 < self.indent < tag.length + 2:
            if self.indent == _FOUR and column + self.indent > self.width // 2:
                raise _NoGoodError
            inside = self._tail(rest, column + self.indent, behind, closing, used + tag.length)
        else:
            if behind >= self.width // 2:
                raise _NoGoodError
            inside = "," + self._items(rest, behind, closing, used + tag.length + 1)
        return f"{{{tag.line()}{inside}}}"

    def _pair(self, pair: _Pair, column: int, closing: int, used: int) -> str:
        step = self.indent if self.indent > 0 else 4
        key = self.node(pair.key, column, closing, used)
        return f"{key} =>\n{_spaces(column + step)}{self.node(pair.value, column + step, closing, 0)}"

    def _items(self, items: Sequence[_Node], column: int, closing: int, used: int) -> str:
        first, taken = self._item(items[0], column, 0 if len(items) > 1 else closing + 1, used)
        return first + self._tail(items[1:], column, column + taken, closing, used + taken)

    def _tail(self, items: Sequence[_Node], column: int, here: int, closing: int, used: int) -> str:
        """Return what follows the first item: *column* is where lines begin, *here* where the text stands."""
        parts = []
        for index, item in enumerate(items, 1):
            after = closing + 1 if index == len(items) else 0
            if item.simple and item.length + 1 < self.width - here - max(after, 1):
                text, taken = f",{item.line()}", item.length + 1
                here, used = here + taken, used + taken
            else:
                broken, taken = self._item(item, column, after, 0)
                text, here, used = f",\n{_spaces(column)}{broken}", column + taken, taken
            parts.append(text)
        return "".join(parts)

    def _item(self, item: _Node, column: int, closing: int, used: int) -> tuple[str, int]:
        if item.simple and item.length < self.width - column - closing:
            return item.line(), item.length
        return self.node(item, column, closing, used), self.width  # so that the next one starts a line

    def _bytes(self, node: _Bytes, column: int, closing: int, used: int) -> str:
        room = max(8, min(self.width - column, self.total - 4 - used) - closing)
        left, parts = room, []
        for number in (*(f"{number}," for number in node.numbers[:-1]), node.numbers[-1]):
            if len(number) > left:
                parts.append(f"\n{_spaces(column)}")
                left = room
            parts.append(number)
            left -= len(number)
        return f"<<{''.join(parts)}>>"


def _spaces(column: int) -> str:
    return " " * (column - 1)


def _node(term: Term) -> _Node:
    match term:
        case str() | list():
            return _list(term)
        case tuple():
            items = tuple(map(_node, term))
            return _group("{", "}", items, tagged=len(term) > 1 and isinstance(term[0], Atom))
        case ErlangMap():
            return _group("#{", "}", tuple(_pair(_node(key), _node(value)) for key, value in term.pairs))
        case bytes():
            return _binary(term)
        case Atom() | float() | int():
            return _Text(_simple(term))


def _simple(term: Atom | float) -> str:
    match term:
        case Atom():
            return _atom(term.name)
        case float():
            return _float(term)
        case int():
            return str(term)


def _pair(key: _Node, value: _Node) -> _Pair:
    return _Pair(key, value, key.length + 4 + value.length)


def _group(start: str, end: str, items: tuple[_Node, ...], *, tagged: bool = False) -> _Node:
    if not items:
        return _Text(start + end)
    length = len(start) + len(end) + sum(item.length + 1 for item in items) - 1
    return _Group(start, end, items, length, tagged)


def _list(term: str | list[Term]) -> _Node:
    text = as_text(term)
    if text and all(ord(character) in _PRINTABLE for character in text):
        return _Text(_string(text))
    items: Sequence[Term] = [ord(character) for character in term] if isinstance(term, str) else term
    return _group("[", "]", tuple(map(_node, items)))


def _binary(data: bytes) -> _Node:
    if not data:
        return _Text("<<>>")
    for text, suffix in _readings(data):
        if all(ord(character) in _PRINTABLE for character in text):
            return _Text(f"<<{_string(text)}{suffix}>>")
    numbers = tuple(map(str, data))
    return _Bytes(numbers, 4 + sum(map(len, numbers)) + len(numbers) - 1)


def _readings(data: bytes) -> Iterator[tuple[str, str]]:
    """Give the one reading of a binary as text: UTF-8 if it is that, else Latin-1."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        yield data.decode("latin-1"), ""
    else:
        yield text, "" if len(text) == len(data) else "/utf8"


def _atom(name: str) -> str:
    if BARE_ATOM.fullmatch(name) and name not in RESERVED:
        return name
    return _quoted(name, "'")


def _string(text: str) -> str:
    return _quoted(text, '"')


def _quoted(text: str, quote: str) -> str:
    return f"{quote}{''.join(_escaped(character, quote) for character in text)}{quote}"


def _escaped(character: str, quote: str) -> str:
    code = ord(character)
    if character == quote:
        return f"\\{quote}"
    if code in _ESCAPES:
        return _ESCAPES[code]
    return character if (character.isascii() and code >= ord(" ")) or code >= 160 else f"\\{code:03o}"  # noqa: PLR2004 # the controls of Latin-1 end there


def _float(value: float) -> str:
    """Return the shortest digits that read back, laid out as Erlang's ``~p`` does."""
    sign = "-" if str(value).startswith("-") else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits.strip("0"):
        return f"{sign}0.0"
    place = len(digits) - len(fraction) + int(exponent or 0)
    return sign + _placed(digits.rstrip("0"), place, plain=abs(value) < _INTEGRAL_FLOAT)


def _placed(digits: str, place: int, *, plain: bool) -> str:
    """Return 0.*digits* times ten to the *place*, plain where that is not longer."""
    scientific = f"{digits[0]}.{digits[1:] or '0'}e{place - 1}"
    if place <= 0:
        text = f"0.{'0' * -place}{digits}"
    elif place >= len(digits):
        text = f"{digits}{'0' * (place - len(digits))}.0"
    else:
        text = f"{digits[:place]}.{digits[place:]}"
    return text if plain and len(text) <= len(scientific) else scientific
