"""Erlang's external term format, as ``term_to_binary/1`` writes it: how the node's replies arrive.

Read are integers, floats, atoms, tuples, lists, strings, binaries and maps, into the same `Term`
as the text of terms (erlang_terms.py). A string of the format, a list of bytes, is a ``str``.
Pids, references, funs, bit strings, improper lists and compressed terms are refused: no expression
of ours returns one. For any bytes at all the outcome is one term or `ExternalTermError`; size and
depth are limited, and a count that the bytes cannot hold is refused before anything is made.
Source: the External Term Format chapter of the ERTS User's Guide.
"""

import struct
from collections.abc import Callable, Mapping

from ledger.adapters.erlang_terms import Atom, ErlangMap, Term
from ledger.errors import FailedError

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 200
_MAX_ATOM = 255
_MAX_INTEGER = 4096  # bytes
_VERSION = 131


class ExternalTermError(FailedError):
    """Bytes are not one term in the external format."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(
            f"the node's reply cannot be read: {problem}",
            fact=f"at byte {offset}",
            hint="run the command again; if it stays so, report it together with the version of OTP",
        )
        self.problem, self.offset = problem, offset


def decode_term(data: bytes) -> Term:
    """Return the term that *data* holds, wholly.

    Raises: ExternalTermError.
    """
    if len(data) > MAX_BYTES:
        raise ExternalTermError(f"it is longer than {MAX_BYTES} bytes", 0)
    reader = _Reader(data)
    if reader.byte() != _VERSION:
        raise ExternalTermError("it does not begin with the version of the format", 0)
    term = reader.term(0)
    if reader.offset != len(data):
        raise ExternalTermError("something follows the term", reader.offset)
    return term


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0

    def byte(self) -> int:
        return self._take(1)[0]

    def term(self, depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise ExternalTermError("it is nested too deeply", self.offset)
        tag = self.byte()
        read = _READERS.get(tag)
        if read is None:
            raise ExternalTermError(f"the tag {tag} is not expected", self.offset - 1)
        return read(self, depth + 1)

    def _take(self, count: int) -> bytes:
        end = self.offset + count
        if end > len(self._data):
            raise ExternalTermError("it ends too early", self.offset)
        piece = self._data[self.offset : end]
        self.offset = end
        return piece

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _count(self, size: int, *, least: int) -> int:
        """Return a count of elements that take *least* bytes each."""
        count = self._number(size)
        if count * least > len(self._data) - self.offset:
            raise ExternalTermError("it ends too early", self.offset)
        return count

    def integer(self, _depth: int) -> Term:
        return int.from_bytes(self._take(4), "big", signed=True)

    def big(self, size: int) -> Term:
        count, sign = self._number(size), self.byte()
        if count > _MAX_INTEGER or sign > 1:
            raise ExternalTermError("an integer is too large or has no sign", self.offset)
        value = int.from_bytes(self._take(count), "little")
        return -value if sign else value

    def float(self, _depth: int) -> Term:
        value: float = struct.unpack(">d", self._take(8))[0]
        if value - value != 0:
            raise ExternalTermError("a float is not a finite number", self.offset)
        return value

    def atom(self, size: int, encoding: str) -> Term:
        start, count = self.offset, self._number(size)
        try:
            name = self._take(count).decode(encoding)
        except UnicodeDecodeError as exc:
            raise ExternalTermError("an atom is not text", start) from exc
        if len(name) > _MAX_ATOM:
            raise ExternalTermError("an atom is too long", start)
        return Atom(name)

    def tuple(self, size: int, depth: int) -> Term:
        return tuple([self.term(depth) for _ in range(self._count(size, least=1))])

    def list(self, depth: int) -> Term:
        elements = [self.term(depth) for _ in range(self._count(4, least=1))]
        if self.byte() != _NIL:
            raise ExternalTermError("a list is improper", self.offset - 1)
        return elements

    def string(self, _depth: int) -> Term:
        return self._take(self._number(2)).decode("latin-1")

    def binary(self, _depth: int) -> Term:
        return self._take(self._number(4))

    def map(self, depth: int) -> Term:
        pairs = [(self.term(depth), self.term(depth)) for _ in range(self._count(4, least=2))]
        return ErlangMap(tuple(pairs))


_NIL = 106
_READERS: Mapping[int, Callable[[_Reader, int], Term]] = {
    70: _Reader.float,
    97: lambda reader, _: reader.byte(),
    98: _Reader.integer,
    100: lambda reader, _: reader.atom(2, "latin-1"),
    104: lambda reader, depth: reader.tuple(1, depth),
    105: lambda reader, depth: reader.tuple(4, depth),
    _NIL: lambda _, __: [],
    107: _Reader.string,
    108: _Reader.list,
    109: _Reader.binary,
    110: lambda reader, _: reader.big(1),
    111: lambda reader, _: reader.big(4),
    115: lambda reader, _: reader.atom(1, "latin-1"),
    116: _Reader.map,
    118: lambda reader, _: reader.atom(2, "utf-8"),
    119: lambda reader, _: reader.atom(1, "utf-8"),
}
