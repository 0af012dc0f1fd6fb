"""Events of another ledger, carried in this one."""

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from zlib import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.mapper import EnvelopeMapper
from ledger.domain.canonical import canonical_json
from ledger.domain.envelope import SIZE_LIMIT, seal, unseal_event
from ledger.domain.events import AnyReleaseEvent, EventImported
from ledger.domain.imported import (
    CarrierError,
    carried,
    carried_leaf,
    commitments_in,
    note_lines,
    notes_of,
    original_event,
    with_carried,
)
from ledger.domain.ledger_events import AnyLedgerEvent, LedgerEventImported
from ledger.tlog.note import Note, Signature
from tests.domain.strategies import events, ledger_events
from tests.fakes.recording import CONTEXT, ORIGIN, STAMP, STREAM, installed, recording

TEXTS = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1)
OTHER = "other.example.com/release-ledger/1"


def carrier(state: bytes, *, stream: str = STREAM, version: int = 9) -> EventImported:
    """Return the event that carries *state*."""
    return EventImported(
        originator_id=stream, originator_version=version, context=CONTEXT, origin=OTHER, index=4, **carried(state)
    )


@given(TEXTS.map(str.encode))
def test_every_leaf_comes_out_as_it_went_in(state: bytes) -> None:
    member = carried(state)

    assert carried_leaf(member) == state


@given(st.text('"\\é€x', min_size=1), st.integers(1, 60_000))
def test_a_long_leaf_is_cut_or_deflated_and_may_be_recorded(text: str, size: int) -> None:
    """evidence.md 1.1: a text has at most 4,096 bytes, a leaf at most 65,535."""
    state = (text * (size // len(text.encode()) + 1)).encode()[:SIZE_LIMIT].decode("utf-8", "ignore").encode()

    member = carried(state)

    assert carried_leaf(member) == state
    assert len(canonical_json({name: list(texts) for name, texts in member.items()})) < SIZE_LIMIT


@given(events)
def test_whoever_replays_gets_the_original_at_the_place_of_its_carrier(event: AnyReleaseEvent) -> None:
    import_of = carrier(seal(replace(event, context=CONTEXT), STAMP)) if _is_plain(event) else carrier(_plain())
    mapper = EnvelopeMapper(recording())

    read = mapper.event_from(seal(import_of, STAMP))

    assert read == replace(unseal_event(carried_leaf(vars(import_of))), originator_version=9)


@given(ledger_events)
def test_an_event_that_carries_none_is_its_own_original(event: AnyLedgerEvent) -> None:
    expected = isinstance(event, LedgerEventImported)

    assert expected or original_event(event) is event


def test_an_event_that_was_imported_twice_is_still_the_original() -> None:
    once = seal(carrier(_plain()), STAMP)

    assert original_event(carrier(once, version=3)) == replace(unseal_event(_plain()), originator_version=3)


def test_leaves_are_found_in_one_another_and_what_cannot_be_read_ends_them() -> None:
    inner = seal(installed(1), STAMP)
    middle = seal(carrier(inner), STAMP)
    outer = seal(carrier(middle), STAMP)

    found, broken = list(with_carried(outer)), list(with_carried(outer[:-1]))

    assert found == [outer, middle, inner]
    assert broken == [outer[:-1]]


def test_commitments_are_those_of_members_also_of_what_is_carried() -> None:
    """A quote inside a text is escaped, so what looks like a member there is none."""
    digest = "5" * 64
    inner = seal(installed(1), STAMP)
    spoken = inner[:-1] + f',"name_commit":"{digest}"'.encode() + b"}"
    written = inner[:-1] + f',"reason":"\\"name_commit\\":\\"{digest}\\""'.encode() + b"}"

    found = [("name_commit", digest) in commitments_in(leaf) for leaf in (inner, spoken, written)]
    around = seal(carrier(spoken), STAMP)

    assert found == [False, True, False]
    assert list(commitments_in(around))[-1] == ("name_commit", digest)


def test_an_event_of_the_ledger_is_carried_in_the_stream_of_the_ledger() -> None:
    event = LedgerEventImported(originator_version=1, context=CONTEXT, origin=OTHER, index=0, leaf=(_plain().decode(),))

    with pytest.raises(CarrierError):
        original_event(event)


DEFLATED = b64encode(compress(b"{}", 9)).decode()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"leaf": ["{}"], "leaf_deflated": [DEFLATED]},
        {"leaf": [1]},
        {"leaf": 1},
        {"leaf": ["x" * (SIZE_LIMIT + 1)]},
        {"leaf_deflated": ["no base64"]},
        {"leaf_deflated": [b64encode(b"no zlib").decode()]},
        {"leaf_deflated": [b64encode(compress(b"x" * 1_000_000)).decode()]},
        {"leaf_deflated": [b64encode(compress(b"{}", 9) + b"more").decode()]},
        {"leaf_deflated": [b64encode(compress(b"{}", 9)[:-1]).decode()]},
        {"leaf_deflated": [DEFLATED[:-2] + "9="]},
    ],
)
def test_a_carrier_that_holds_anything_but_one_leaf_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(CarrierError):
        carried_leaf(data)


def test_a_leaf_that_stays_too_long_is_not_carried() -> None:
    with pytest.raises(CarrierError, match="an imported event"):
        carried(b64encode(b"".join(sha256(b"%d" % n).digest() for n in range(SIZE_LIMIT // 32)))[:SIZE_LIMIT])


def test_bytes_that_are_no_text_are_not_carried() -> None:
    with pytest.raises(CarrierError):
        carried(b"\xff")


_NAMES = st.text("abc/.", min_size=1, max_size=9)
_NOTES = st.builds(
    lambda lines, names: Note(
        "".join(f"{line}\n" for line in lines).encode(), tuple(Signature(name, b"1234", b"sig") for name in names)
    ).encode(),
    st.lists(_NAMES, min_size=1, max_size=4),
    st.lists(_NAMES, min_size=1, max_size=3),
)


@given(st.lists(_NOTES))
def test_notes_are_kept_by_their_lines_and_come_out_byte_for_byte(notes: list[bytes]) -> None:
    lines = [line for note in notes for line in note_lines(note)]

    assert list(notes_of(lines)) == notes
    assert "" not in lines


@pytest.mark.parametrize(
    "note", [b"", b"text\n", b"text", b"text\n\n", b"a\n\nb\n\n\xe2\x80\x94 k x\n", b"\xff\n\n\xe2\x80\x94 k x\n"]
)
def test_what_is_no_signed_checkpoint_has_no_lines(note: bytes) -> None:
    with pytest.raises(CarrierError):
        note_lines(note)


def _is_plain(event: AnyReleaseEvent) -> bool:
    """Tell whether a drawn event may be recorded at all: its texts are any."""
    try:
        seal(replace(event, context=CONTEXT), STAMP)
    except Exception:  # noqa: BLE001 # any reason not to record it is fine
        return False
    return True


def _plain() -> bytes:
    return seal(installed(2), replace(STAMP, ledger=ORIGIN))
