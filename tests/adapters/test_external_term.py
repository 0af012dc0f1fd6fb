"""The external term format: an encoder of the test's own, and bytes that are no term."""

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.erlang_terms import Atom, ErlangMap, Term
from ledger.adapters.external_term import MAX_DEPTH, ExternalTermError, decode_term

_ATOMS = st.text(st.characters(codec="utf-8"), max_size=60).map(Atom)
_INTEGERS = st.integers(-(2**2000), 2**2000)
_LEAVES = st.one_of(
    _INTEGERS,
    st.floats(allow_nan=False, allow_infinity=False),
    _ATOMS,
    st.binary(max_size=40),
    st.text(st.characters(max_codepoint=255), min_size=1, max_size=40),
)
_KEYS = st.integers() | _ATOMS


def _nested(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    pairs = st.dictionaries(_KEYS, inner, max_size=4).map(lambda found: ErlangMap(tuple(found.items())))
    return st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | pairs


_TERMS: st.SearchStrategy[Term] = st.recursive(_LEAVES, _nested, max_leaves=20)


@given(_TERMS)
def test_what_was_encoded_is_read_back(term: Term) -> None:
    assert decode_term(b"\x83" + _encoded(term)) == term


@given(_TERMS, st.data())
def test_a_term_that_is_cut_or_has_a_tail_is_refused(term: Term, data: st.DataObject) -> None:
    whole = b"\x83" + _encoded(term)
    cut = data.draw(st.integers(0, len(whole) - 1))

    for broken in (whole[:cut], whole + b"j"):
        with pytest.raises(ExternalTermError):
            decode_term(broken)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_term_or_an_error(data: bytes) -> None:
    for candidate in (data, b"\x83" + data):
        with suppress(ExternalTermError):
            decode_term(candidate)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x82j",
        b"\x83l\xff\xff\xff\xffj",  # a list longer than the bytes
        b"\x83t\xff\xff\xff\xff",  # a map longer than the bytes
        b"\x83i\xff\xff\xff\xff",  # a tuple longer than the bytes
        b"\x83l\0\0\0\1a\1a\2",  # improper
        b"\x83F" + struct.pack(">d", float("nan")),
        b"\x83F" + struct.pack(">d", float("inf")),
        b"\x83n\1\2\1",  # a sign that is none
        b"\x83o\0\1\0\0\0" + bytes(65536),  # an integer beyond all measure
        b"\x83w\1\xff",  # no UTF-8
        b"\x83v\1\0" + b"a" * 256,  # an atom of 256 characters
        b"\x83P\0\0\0\1x",  # compressed
        b"\x83M\0\0\0\1\3\xff",  # a bit string
        b"\x83" + b"h\1" * (MAX_DEPTH + 2) + b"j",
    ],
)
def test_what_no_reply_holds_is_refused(data: bytes) -> None:
    with pytest.raises(ExternalTermError):
        decode_term(data)


@pytest.mark.parametrize(
    ("data", "term"),
    [
        # As erlang:term_to_binary/1 of OTP 25 and 23 writes them.
        (bytes.fromhex("836400026f6b"), Atom("ok")),
        (bytes.fromhex("8377026f6b"), Atom("ok")),
        (bytes.fromhex("8373026f6b"), Atom("ok")),
        (bytes.fromhex("836b0003616263"), "abc"),
        (bytes.fromhex("836a"), []),
        (bytes.fromhex("836c00000001620000263a6a"), [0x263A]),
        (bytes.fromhex("8362ffffffff"), -1),
        (bytes.fromhex("836e08010000000000000080"), -(2**63)),
        (bytes.fromhex("837400000001640001616101"), ErlangMap(((Atom("a"), 1),))),
    ],
)
def test_bytes_of_otp_are_read(data: bytes, term: Term) -> None:
    assert decode_term(data) == term


def _encoded(term: Term) -> bytes:
    return next(encode(term) for kind, encode in _ENCODERS.items() if isinstance(term, kind))


def _int(value: int) -> bytes:
    if 0 <= value < 256:
        return b"a" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"b" + struct.pack(">i", value)
    size = (abs(value).bit_length() + 7) // 8
    head = b"n" + bytes([size]) if size < 256 else b"o" + struct.pack(">I", size)
    return head + bytes([value < 0]) + abs(value).to_bytes(size, "little")


def _atom(atom: Atom) -> bytes:
    name = atom.name.encode()
    return (b"w" + bytes([len(name)]) if len(name) < 256 else b"v" + struct.pack(">H", len(name))) + name


def _list(terms: list[Term]) -> bytes:
    return b"l" + struct.pack(">I", len(terms)) + b"".join(map(_encoded, terms)) + b"j" if terms else b"j"


def _map(value: ErlangMap) -> bytes:
    return b"t" + struct.pack(">I", len(value.pairs)) + b"".join(_encoded(k) + _encoded(v) for k, v in value.pairs)


_ENCODERS: dict[type, Callable[..., bytes]] = {
    int: _int,
    float: lambda value: b"F" + struct.pack(">d", value),
    Atom: _atom,
    bytes: lambda value: b"m" + struct.pack(">I", len(value)) + value,
    str: lambda value: b"k" + struct.pack(">H", len(value)) + value.encode("latin-1"),
    tuple: lambda value: b"h" + bytes([len(value)]) + b"".join(map(_encoded, value)),
    list: _list,
    ErlangMap: _map,
}
