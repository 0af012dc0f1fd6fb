"""Signed notes (C2SP signed-note)."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.tlog.notation import FormatError
from ledger.tlog.note import (
    MAX_NOTE,
    AmbiguousKeyError,
    BadSignatureError,
    Note,
    NoteFormatError,
    NoteLimitError,
    Signature,
    SignatureError,
    SignatureLineError,
    UnverifiedNoteError,
    add_signatures,
    open_note,
    sign_note,
)

from .keys import make_signer, make_witness, verifier_from, verify_with

VECTORS = json.loads((Path(__file__).parent.parent / "vectors/signed-note/notes.json").read_text())
EXPECTED = {
    "invalid": BadSignatureError,
    "unverified": UnverifiedNoteError,
    "malformed": FormatError,
}

ANNA, BEN, EVE = make_signer("anna.example/log", 1), make_signer("ben.example/log", 2), make_signer("eve.example", 3)
TEXT = b"first line\n\nlast line\n"
LINES = st.text(st.characters(codec="utf-8", min_codepoint=32)).map(lambda line: f"{line}\n".encode())
TEXTS = st.lists(LINES, min_size=1, max_size=5).map(b"".join)
NOTE = sign_note(TEXT, signers=[ANNA, BEN])


@pytest.mark.parametrize("case", VECTORS["notes"], ids=lambda case: case["source"])
def test_a_published_note_ends_as_published(case: dict[str, Any]) -> None:
    """15 notes by C2SP, golang/mod, Tessera and Sunlight."""
    data, verifiers = case["note"].encode(), list(map(verifier_from, case["vkeys"]))

    if case["expect"] == "valid":
        assert open_note(data, verifiers=verifiers).text == data[: data.rindex(b"\n\n") + 1]
    else:
        with pytest.raises(EXPECTED[case["expect"]]):
            open_note(data, verifiers=verifiers)


@given(text=TEXTS)
def test_what_is_signed_can_be_opened(text: bytes) -> None:
    """Texts with empty lines and U+0085 or U+2028 in them too."""
    data = sign_note(text, signers=[ANNA, BEN])

    note = open_note(data, verifiers=[verify_with(ANNA)])

    assert note.text == text
    assert [line.name for line in note.verified] == [ANNA.name]
    assert [line.name for line in note.unknown] == [BEN.name]
    assert Note.parse(data).encode() == data


def test_the_last_empty_line_divides() -> None:
    """A text may contain what looks like a signature."""
    inner = NOTE + b"\n"

    assert open_note(sign_note(inner, signers=[EVE]), verifiers=[verify_with(EVE)]).text == inner


def test_a_failing_line_of_a_known_key_refuses_the_whole_note() -> None:
    """Signed-note: else a forger could add noise."""
    forged = Signature(BEN.name, BEN.key_id, bytes(64))
    data = add_signatures(sign_note(TEXT, signers=[ANNA]), signatures=[forged])

    assert open_note(data, verifiers=[verify_with(ANNA)]).unknown == (forged,)
    with pytest.raises(BadSignatureError):
        open_note(data, verifiers=[verify_with(ANNA), verify_with(BEN)])


def test_a_note_without_a_known_line_is_refused() -> None:
    with pytest.raises(UnverifiedNoteError) as caught:
        open_note(NOTE, verifiers=[verify_with(EVE)])

    assert caught.value.names == (ANNA.name, BEN.name)


def test_a_known_name_with_another_key_id_is_unknown() -> None:
    """The pair of name and id picks the key."""
    other = make_signer(ANNA.name, 4)

    with pytest.raises(UnverifiedNoteError):
        open_note(NOTE, verifiers=[verify_with(other)])


def test_two_known_keys_of_one_name_and_id_are_refused() -> None:
    with pytest.raises(AmbiguousKeyError):
        open_note(NOTE, verifiers=[verify_with(ANNA), verify_with(ANNA)])


def test_each_changed_byte_of_a_note_is_found_or_stands_in_an_unknown_line() -> None:
    """Every byte, three changes each: the text and the known line never change unseen."""
    unknown_from = NOTE.index(BEN.name.encode()) - len("\N{EM DASH} ".encode())
    for at in range(len(NOTE)):
        for change in (1, 0x20, 0x80):
            changed = NOTE[:at] + bytes((NOTE[at] ^ change,)) + NOTE[at + 1 :]
            try:
                note = open_note(changed, verifiers=[verify_with(ANNA)])
            except (SignatureError, FormatError):
                continue
            assert at >= unknown_from
            assert note.text == TEXT
            assert [line.name for line in note.verified] == [ANNA.name]


def test_each_changed_byte_of_a_note_whose_keys_are_all_known_is_found_or_hides_a_line() -> None:
    """A change of name or id makes a line unknown, which the note without that line would also be."""
    verifiers = [verify_with(ANNA), verify_with(BEN)]
    for at in range(len(NOTE)):
        changed = NOTE[:at] + bytes((NOTE[at] ^ 1,)) + NOTE[at + 1 :]
        try:
            note = open_note(changed, verifiers=verifiers)
        except (SignatureError, FormatError):
            continue
        assert note.text == TEXT
        assert (len(note.verified), len(note.unknown)) == (1, 1)


LINE = b"\xe2\x80\x94 eve.example AAAAAAE=\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n" + LINE,
        b"text" + LINE,
        b"text\n\n" + LINE[:-1],
        b"text\n\n" + LINE + b"\n",
        b"text\n\n" + LINE + b"tail\n",
        b"text\r\n\n" + LINE,
        b"te\0xt\n\n" + LINE,
        b"te\txt\n\n" + LINE,
        b"te\xffxt\n\n" + LINE,
        b"te\xed\xa0\x80xt\n\n" + LINE,
        b"text\n\n- eve.example AAAAAAE=\n",
        "text\n\n\N{EM DASH}eve.example AAAAAAE=\n".encode(),
        "text\n\n\N{EM DASH}  AAAAAAE=\n".encode(),
        "text\n\n\N{EM DASH} eve.example\n".encode(),
        "text\n\n\N{EM DASH} eve+example AAAAAAE=\n".encode(),
        "text\n\n\N{EM DASH} eve\u2003example AAAAAAE=\n".encode(),
        "text\n\n\N{EM DASH} eve.example AAAAAA==\n".encode(),
        "text\n\n\N{EM DASH} eve.example AAA=\n".encode(),
        "text\n\n\N{EM DASH} eve.example AAAAAAF=\n".encode(),
        "text\n\n\N{EM DASH} eve.example AAAAAAE= \n".encode(),
    ],
)
def test_a_malformed_note_is_refused(data: bytes) -> None:
    assert Note.parse(b"text\n\n" + LINE).signatures == (Signature("eve.example", bytes(4), b"\1"),)
    with pytest.raises((NoteFormatError, SignatureLineError)):
        Note.parse(data)


@given(data=st.one_of(st.binary(), st.binary().map(lambda tail: NOTE[:-9] + tail + b"\n")))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        assert Note.parse(data).encode() == data
    except LedgerError as error:
        assert isinstance(error, FormatError)  # noqa: PT017 -- most bytes are refused, a few are notes


@given(line=st.binary())
def test_any_bytes_are_a_signature_line_or_refused(line: bytes) -> None:
    for given_line in (line, "\N{EM DASH} ".encode() + line):
        with pytest.raises(SignatureLineError):
            Signature.parse(given_line + b"!")


def test_the_limits_are_refused_not_clipped() -> None:
    """Ours: 1,000,000 bytes and 100 signature lines."""
    full = b"x" * (MAX_NOTE - len(LINE) - 2) + b"\n\n" + LINE

    assert len(Note.parse(b"text\n\n" + LINE * 100).signatures) == 100
    assert len(Note.parse(full).encode()) == MAX_NOTE
    with pytest.raises(NoteLimitError):
        Note.parse(b"text\n\n" + LINE * 101)
    with pytest.raises(NoteLimitError):
        Note.parse(b"x" + full)


@pytest.mark.parametrize("text", [b"", b"no newline", b"tab\t\n", b"\xff\n"])
def test_a_text_that_no_note_can_hold_is_not_signed(text: bytes) -> None:
    with pytest.raises(NoteFormatError):
        sign_note(text, signers=[ANNA])


def test_a_note_has_a_signer() -> None:
    with pytest.raises(NoteFormatError):
        sign_note(TEXT, signers=[])


def test_lines_are_added_once() -> None:
    """A witness may answer twice."""
    witness = make_witness("w.example", 7)
    line = Signature(witness.name, witness.key_id, witness.sign(TEXT))

    data = add_signatures(add_signatures(NOTE, signatures=[line]), signatures=[line])

    assert data == NOTE + line.encode()
    assert open_note(data, verifiers=[verify_with(witness)]).verified == (line,)
