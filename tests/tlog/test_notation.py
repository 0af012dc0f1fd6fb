"""Lines, decimals, base64 (evidence, section "Notation" and its traps)."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.tlog.notation import (
    MAX_DECIMAL,
    Base64Error,
    DecimalError,
    HashLengthError,
    LineEndError,
    parse_base64,
    parse_decimal,
    parse_hash,
    print_base64,
    shown,
    split_lines,
)


@given(number=st.integers(0, MAX_DECIMAL))
def test_a_decimal_round_trips(number: int) -> None:
    assert parse_decimal(b"%d" % number) == number


NO_DECIMALS = (
    *(b"", b"+5", b"-0", b"1_0", b" 5", b"5 ", b"5\n", b"05", b"00", b"0x5", b"5.0"),
    *("\N{ARABIC-INDIC DIGIT FIVE}".encode(), b"9223372036854775808", b"9" * 10_000),
)


@pytest.mark.parametrize("text", NO_DECIMALS)
def test_what_int_would_take_is_no_decimal(text: bytes) -> None:
    with pytest.raises(DecimalError):
        parse_decimal(text)


@given(data=st.binary())
def test_base64_round_trips(data: bytes) -> None:
    assert parse_base64(print_base64(data)) == data


@pytest.mark.parametrize(
    "text", [b"QQ", b"QR==", b"QQ==\n", b" QQ==", b"Q Q==", b"QQ==QQ==", b"-_-_", b"=", b"\xff", b"Q"]
)
def test_base64_in_another_spelling_is_refused(text: bytes) -> None:
    """Trailing bits, white space, the url alphabet: nothing that does not re-encode to itself."""
    with pytest.raises(Base64Error):
        parse_base64(text)


@given(text=st.binary())
def test_any_bytes_are_base64_in_its_only_spelling_or_refused(text: bytes) -> None:
    try:
        assert b64encode(parse_base64(text)) == text
    except Base64Error as error:
        assert error.text == text  # noqa: PT017 -- most bytes are refused, a few are base64


def test_a_hash_has_32_bytes() -> None:
    assert parse_hash(print_base64(bytes(32))) == bytes(32)
    with pytest.raises(HashLengthError):
        parse_hash(print_base64(bytes(31)))


def test_only_a_newline_ends_a_line() -> None:
    """``str.splitlines`` would also cut at U+0085, U+2028 and the carriage return."""
    assert split_lines("a\x85\u2028b\r\n\nc\n".encode()) == ("a\x85\u2028b\r".encode(), b"", b"c")
    assert split_lines(b"") == ()
    with pytest.raises(LineEndError):
        split_lines(b"a\nb")


def test_long_bytes_are_cut_in_messages_only() -> None:
    assert shown(b"a" * 61) == "'" + "a" * 60 + "...'"
    assert shown(b"a\x00") == r"'a\x00'"
