"""Canonical JSON under the rules of evidence.md 1.1."""

import json
import unicodedata
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.canonical import (
    DEPTH_LIMIT,
    INTEGER_LIMIT,
    STRING_LIMIT,
    CanonicalError,
    NotCanonicalError,
    canonical_json,
    check_text,
    check_value,
    clean_excerpt,
    parse_canonical,
    sha256_hex,
    text_fault,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "jcs"
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).map(
    lambda text: unicodedata.normalize("NFC", text)
)
GOOD_TEXTS = TEXTS.filter(lambda text: text_fault(text) is None)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
INTEGERS = st.integers(-INTEGER_LIMIT, INTEGER_LIMIT)
VALUES = st.recursive(
    GOOD_TEXTS | INTEGERS | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5).filter(lambda value: _depth(value) <= DEPTH_LIMIT)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_the_reference_library_passes_the_published_case(name: str) -> None:
    """evidence.md 7: the six cases of RFC 8785 test the library that our writer is compared with."""
    value = json.loads((VECTORS / "input" / f"{name}.json").read_text("utf-8"))

    written = rfc8785.dumps(value)

    assert written == (VECTORS / "output" / f"{name}.json").read_bytes()
    assert written == bytes.fromhex((VECTORS / "outhex" / f"{name}.txt").read_text("ascii"))


@given(OBJECTS)
def test_what_is_accepted_is_written_as_rfc_8785_says(value: dict[str, object]) -> None:
    """evidence.md 1.1, row "writer": under our rules json.dumps is JCS."""
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type] # its own JSON type is private


@given(OBJECTS)
def test_what_is_written_reads_back_equal(value: dict[str, object]) -> None:
    assert parse_canonical(canonical_json(value)) == value


@given(OBJECTS, st.data())
def test_a_changed_byte_is_never_read_as_the_same_value(value: dict[str, object], data: st.DataObject) -> None:
    state = bytearray(canonical_json(value))
    at = data.draw(st.integers(0, len(state) - 1))
    state[at] ^= data.draw(st.integers(1, 255))

    try:
        read = parse_canonical(bytes(state))
    except NotCanonicalError:
        return

    assert read != value


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_with_our_error_or_are_canonical(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except NotCanonicalError:
        return

    assert json.loads(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b"[1]",
        b'"text"',
        b"",
        b"[" * 60_000,
        b'{"a":' * 60_000,
    ],
)
def test_what_is_not_the_one_canonical_form_is_refused(data: bytes) -> None:
    """evidence.md 1.3 (2), (3): duplicates, floats, ranges, order, white space, encodings."""
    with pytest.raises(NotCanonicalError):
        parse_canonical(data)


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), None, "", b"bytes", {1, 2}, 2**53, -(2**53), object()],
)
def test_a_value_that_json_or_we_do_not_know_is_refused(value: object) -> None:
    with pytest.raises(CanonicalError):
        canonical_json({"member": value})


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a b", "é", "\uff41", "a\n", 1, None])
def test_a_member_name_outside_the_grammar_is_refused(name: object) -> None:
    """evidence.md 1.1: ``[a-z][a-z0-9_]*``, so that the order of UTF-16 never matters."""
    with pytest.raises(CanonicalError, match="cannot be recorded"):
        canonical_json({name: 1})


@pytest.mark.parametrize("number", [INTEGER_LIMIT, -INTEGER_LIMIT, 0])
def test_an_integer_at_the_limit_is_taken(number: int) -> None:
    assert parse_canonical(canonical_json({"n": number})) == {"n": number}


def test_eight_levels_are_taken_and_nine_refused() -> None:
    eight: object = 1
    for _ in range(DEPTH_LIMIT - 1):
        eight = [eight]

    canonical_json({"a": eight})

    with pytest.raises(CanonicalError, match="a"):
        canonical_json({"a": [eight]})


@pytest.mark.parametrize("unit", ["a", "é", "€", "😀"])
def test_a_text_is_measured_in_bytes_of_utf_8(unit: str) -> None:
    longest = unit * (STRING_LIMIT // len(unit.encode()))

    assert text_fault(longest) is None
    assert "bytes" in (text_fault(longest + unit) or "")


@pytest.mark.parametrize(
    "code_point",
    [
        *(0x00, 0x09, 0x0A, 0x1F, 0x7F, 0x80, 0x85, 0x9F, 0xAD, 0x061C, 0x180E, 0x200B, 0x200F, 0x2028, 0x202E),
        *(0x2060, 0x206F, 0xFEFF, 0xFFF9, 0xFFFB, 0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0xD800, 0xDFFF, 0xE0000, 0xE0FFF),
        *(0x1FFFE, 0x10FFFF, 0x0378),
    ],
)
def test_a_forbidden_character_is_refused_and_named(code_point: int) -> None:
    """evidence.md 1.1, row "text": the edges of every range, and unassigned code points."""
    with pytest.raises(CanonicalError) as caught:
        canonical_json({"reason": f"before {chr(code_point)} after"})

    assert f"U+{code_point:04X}" in caught.value.fact
    assert "reason" in str(caught.value)


@pytest.mark.parametrize("code_point", [0x20, 0x7E, 0xA0, 0xAC, 0xAE, 0x2010, 0x2027, 0x202F, 0x205F, 0xFFFD, 0xE000])
def test_a_character_beside_a_forbidden_range_is_taken(code_point: int) -> None:
    assert text_fault(f"before {chr(code_point)} after") is None


def test_a_decomposed_text_is_refused() -> None:
    with pytest.raises(CanonicalError) as caught:
        canonical_json({"reason": "e\u0301"})

    assert "NFC" in caught.value.fact


def test_an_error_names_the_path_of_the_member() -> None:
    with pytest.raises(CanonicalError) as caught:
        canonical_json({"data": {"rows": [["4.4.0"], ["\n"]]}})

    assert caught.value.path == "the member 'data.rows[1][0]'"


def test_a_reader_takes_a_character_that_its_tables_do_not_know() -> None:
    """evidence.md 1.3 (4): the writer's Unicode tables may be newer than the reader's."""
    check_value({"reason": "\u0378"}, reading=True)

    with pytest.raises(CanonicalError):
        check_value({"reason": "\ufdd0"}, reading=True)


def test_a_text_of_a_user_is_named_in_the_users_words() -> None:
    assert check_text("CVE fix", what="the reason") == "CVE fix"

    with pytest.raises(CanonicalError) as caught:
        check_text("two\nlines", what="the reason")

    assert str(caught.value) == "the reason cannot be recorded as it is"
    assert caught.value.fact == "it holds U+000A at character 4"
    assert caught.value.hint


def test_a_digest_is_of_the_canonical_bytes() -> None:
    """sha256 of ``[1,"a"]``, made with sha256sum."""
    assert sha256_hex([1, "a"]) == "2010945388e2de98f5651051478912aa4ff38bb13a2cdb1a2c257bb97fbf98ff"


@given(st.binary(max_size=200) | st.text(max_size=200), st.integers(1, 60))
def test_an_excerpt_can_always_be_recorded(raw: bytes | str, limit: int) -> None:
    """evidence.md 1.1, row "captured output": never refused."""
    excerpt = clean_excerpt(raw, limit)

    assert len(excerpt.encode()) <= limit
    assert not excerpt or text_fault(excerpt) is None


def test_an_excerpt_shows_what_it_could_not_keep() -> None:
    assert clean_excerpt(b"ok\nB\xff\x1b[0m") == "ok\ufffdB\ufffd\ufffd[0m"
    assert clean_excerpt("e\u0301") == "é"
    assert clean_excerpt("\ud800\u0378\u202e") == "\ufffd\ufffd\ufffd"


def test_an_excerpt_is_cut_at_a_character() -> None:
    assert clean_excerpt("€€", 5) == "€"
    assert clean_excerpt("€€".encode(), 5) == "€"
    assert clean_excerpt("plain", 3) == "pla"
    assert clean_excerpt(b"") == ""
