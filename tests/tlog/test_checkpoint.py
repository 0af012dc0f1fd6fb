"""Checkpoints (C2SP tlog-checkpoint)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.tlog.checkpoint import (
    Checkpoint,
    CheckpointFormatError,
    OriginError,
    OtherOriginError,
    open_checkpoint,
    parse_origin,
)
from ledger.tlog.notation import MAX_DECIMAL, FormatError, HashLengthError, LineEndError
from ledger.tlog.note import SignatureError, UnverifiedNoteError, sign_note

from .keys import make_signer, make_witness, verify_with

ORIGIN = "example.org/emqx/ledger"
ROOT = bytes(range(32))
TEXT = b"example.org/emqx/ledger\n19\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
LOG, WITNESS = make_signer(ORIGIN, 1), make_witness("w.example", 2)

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters="+"), min_size=1)
CHECKPOINTS = st.builds(
    Checkpoint,
    WORDS,
    st.integers(0, MAX_DECIMAL),
    st.binary(min_size=32, max_size=32),
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1), max_size=3).map(tuple),
)


def test_a_checkpoint_is_three_lines() -> None:
    checkpoint = Checkpoint(ORIGIN, 19, ROOT)

    assert checkpoint.encode() == TEXT
    assert Checkpoint.parse(TEXT) == checkpoint


@given(checkpoint=CHECKPOINTS)
def test_a_checkpoint_round_trips(checkpoint: Checkpoint) -> None:
    """With extension lines too."""
    assert Checkpoint.parse(checkpoint.encode()) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        b"",
        TEXT[:-1],
        TEXT + b"\n",
        TEXT + b"\nextension\n",
        TEXT.replace(b"19", b"019"),
        TEXT.replace(b"19", b"+19"),
        TEXT.replace(b"19", b"9223372036854775808"),
        TEXT.replace(b"\n19", b""),
        TEXT.replace(ORIGIN.encode(), b""),
        TEXT.replace(b"emqx", b"em qx"),
        TEXT.replace(b"emqx", b"em\xffqx"),
        TEXT.replace(b"Hh8=", b"Hh9="),
        TEXT.replace(b"HR4fH", b"").replace(b"Hh8=", b"HQ=="),
        TEXT.replace(b"\n", b"\r\n"),
    ],
)
def test_a_malformed_checkpoint_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        Checkpoint.parse(text)


@given(text=st.one_of(st.binary(), st.binary().map(lambda tail: TEXT + tail + b"\n")))
def test_any_bytes_are_a_checkpoint_or_refused(text: bytes) -> None:
    try:
        assert Checkpoint.parse(text).encode() == text
    except LedgerError as error:
        assert isinstance(error, FormatError)  # noqa: PT017 -- most bytes are refused, a few are checkpoints


def test_a_wrong_checkpoint_cannot_be_built() -> None:
    for size in (-1, MAX_DECIMAL + 1):
        with pytest.raises(CheckpointFormatError):
            Checkpoint(ORIGIN, size, ROOT)
    for line in ("", "a\nb"):
        with pytest.raises(CheckpointFormatError):
            Checkpoint(ORIGIN, 1, ROOT, (line,))
    with pytest.raises(CheckpointFormatError):
        Checkpoint("", 1, ROOT)
    with pytest.raises(HashLengthError):
        Checkpoint(ORIGIN, 1, ROOT[:-1])
    with pytest.raises(LineEndError):
        Checkpoint.parse(b"no end")


@pytest.mark.parametrize("text", ["example.org/ledger", "a/b", "broker-1.example.org/A/b_c~d.e-f", "x/" + "y" * 253])
def test_an_origin_of_ours_is_a_host_and_a_path(text: str) -> None:
    assert parse_origin(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "example.org", "Example.org/a", "a/", "/a", "a//b", "a/b c", "a/b+c", "a/b\n", "a/\xe9", "x/" + "y" * 254],
)
def test_another_origin_is_refused(text: str) -> None:
    with pytest.raises(OriginError):
        parse_origin(text)


def test_a_checkpoint_is_opened_with_its_cosignatures() -> None:
    stranger = make_signer("stranger.example", 9)
    data = sign_note(TEXT, signers=[LOG, WITNESS, stranger])

    opened = open_checkpoint(data, logs=[verify_with(LOG)], cosigners=[verify_with(WITNESS)])

    assert opened.checkpoint == Checkpoint(ORIGIN, 19, ROOT)
    assert opened.text == TEXT
    assert [line.name for line in opened.log_signatures] == [ORIGIN]
    assert [line.name for line in opened.cosignatures] == ["w.example"]
    assert [line.name for line in opened.unknown] == ["stranger.example"]


def test_a_checkpoint_of_another_origin_is_refused() -> None:
    """Another trusted log's line does not speak for this origin, nor does a witness's."""
    other = make_signer("other.example/log", 3)

    with pytest.raises(OtherOriginError):
        open_checkpoint(sign_note(TEXT, signers=[other]), logs=[verify_with(LOG), verify_with(other)])
    with pytest.raises(OtherOriginError):
        open_checkpoint(sign_note(TEXT, signers=[WITNESS]), logs=[verify_with(LOG)], cosigners=[verify_with(WITNESS)])
    with pytest.raises(UnverifiedNoteError):
        open_checkpoint(sign_note(TEXT, signers=[other]), logs=[verify_with(LOG)])


def test_a_cosigner_that_bears_the_logs_name_is_no_log() -> None:
    twin = make_witness(ORIGIN, 5)

    with pytest.raises(OtherOriginError):
        open_checkpoint(sign_note(TEXT, signers=[twin]), logs=[verify_with(LOG)], cosigners=[verify_with(twin)])


def test_each_changed_byte_of_a_signed_checkpoint_is_found() -> None:
    data = sign_note(TEXT, signers=[LOG])

    for at in range(len(data)):
        changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        with pytest.raises((SignatureError, FormatError)):
            open_checkpoint(changed, logs=[verify_with(LOG)])
