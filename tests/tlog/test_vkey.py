"""Verifier keys (C2SP signed-note)."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.tlog.notation import print_base64
from ledger.tlog.vkey import (
    PUBLIC_KEY_SIZES,
    KeyIdError,
    KeyLengthError,
    KeyNameError,
    KeyType,
    KeyTypeError,
    Vkey,
    VkeyError,
    VkeyFormatError,
    key_id,
)

VECTORS = json.loads((Path(__file__).parent.parent / "vectors/signed-note/notes.json").read_text())
CHECK = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters="+"), min_size=1)


@st.composite
def vkeys(draw: st.DrawFn) -> Vkey:
    key_type = draw(st.sampled_from(KeyType))
    size = PUBLIC_KEY_SIZES[key_type]
    return Vkey(draw(NAMES), key_type, draw(st.binary(min_size=size, max_size=size)))


def vkey_text(name: str, key: bytes) -> str:
    """Return a vkey whose id agrees, whatever *key* is."""
    return f"{name}+{key_id(name, key=key).hex()}+{print_base64(key).decode()}"


def test_the_check_value_is_parsed() -> None:
    """C2SP signed-note's own example."""
    vkey = Vkey.parse(CHECK)

    assert (vkey.name, vkey.key_type, vkey.key_id.hex()) == ("example.com/foo", KeyType.ED25519, "530d903a")
    assert str(vkey) == CHECK


@pytest.mark.parametrize("text", sorted({vkey for note in VECTORS["notes"] for vkey in note["vkeys"]}))
def test_a_published_vkey_is_accepted(text: str) -> None:
    assert str(Vkey.parse(text)) == text


@pytest.mark.parametrize("case", VECTORS["bad_vkeys"], ids=lambda case: case["why"])
def test_a_published_bad_vkey_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(VkeyError):
        Vkey.parse(case["vkey"])


@given(vkey=vkeys())
def test_a_vkey_round_trips(vkey: Vkey) -> None:
    assert Vkey.parse(str(vkey)) == vkey


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (CHECK.replace("530d903a", "530d903b"), KeyIdError),
        (CHECK.replace("530d903a", "530D903A"), VkeyFormatError),
        (CHECK.replace("example.com/foo", "example.com/fop"), KeyIdError),
        (CHECK.replace("example.com/foo", "example com"), KeyNameError),
        (CHECK.replace("example.com/foo", ""), VkeyFormatError),
        (CHECK[:-1] + "l", KeyIdError),
        (CHECK + "\n", VkeyFormatError),
        (CHECK.replace("+", " ", 1), VkeyFormatError),
        ("a+00000000+=", VkeyFormatError),
        ("\ud800", VkeyFormatError),
        (vkey_text("a", b"\x02" + bytes(32)), KeyTypeError),
        (vkey_text("a", b"\x05" + bytes(32)), KeyTypeError),
        (vkey_text("a", b"\x01" + bytes(31)), KeyLengthError),
        (vkey_text("a", b"\x06" + bytes(32)), KeyLengthError),
        (vkey_text("a", b"\x04"), KeyLengthError),
    ],
)
def test_a_vkey_that_is_wrong_in_one_place_is_refused_for_it(text: str, error: type[VkeyError]) -> None:
    with pytest.raises(error):
        Vkey.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\n", "a\u00a0b", "a\u2028", "a\x00", "\ud800"])
def test_a_name_with_space_plus_or_control_names_no_key(name: str) -> None:
    with pytest.raises(KeyNameError):
        Vkey(name, KeyType.ED25519, bytes(32))


@given(text=st.one_of(st.text(), st.binary().map(lambda data: f"a+00000000+{print_base64(data).decode()}")))
def test_any_text_is_a_vkey_or_refused(text: str) -> None:
    try:
        assert str(Vkey.parse(text)) == text
    except LedgerError as error:
        assert isinstance(error, VkeyError)  # noqa: PT017 -- nearly every text is refused


@given(at=st.integers(0, len(CHECK) - 1), char=st.characters(codec="ascii"))
def test_each_changed_character_of_a_vkey_is_found(at: int, char: str) -> None:
    changed = CHECK[:at] + char + CHECK[at + 1 :]

    if changed != CHECK:
        with pytest.raises(VkeyError):
            Vkey.parse(changed)
