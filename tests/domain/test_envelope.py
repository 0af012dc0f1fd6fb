"""Envelope v1 (evidence.md 1.2)."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.canonical import CanonicalError, NotCanonicalError, parse_canonical
from ledger.domain.envelope import (
    SIZE_LIMIT,
    EnvelopeMemberError,
    EnvelopeSizeError,
    Recorded,
    UnknownEnvelopeError,
    seal,
    unseal,
    unseal_event,
)
from ledger.domain.event_codec import UnknownTopicError
from ledger.domain.events import AnyReleaseEvent
from ledger.errors import EvidenceError
from tests.fakes.recording import CLOCK, CONTEXT, STAMP, installed, registered, restarted

EVENTS = (registered(), installed(2), restarted(3))
MANDATORY = {
    *("v", "ledger", "stream", "version", "type", "event_id", "commit_id", "recorded_at", "clock", "actor"),
    *("source", "data"),
}


@pytest.mark.parametrize("event", EVENTS)
def test_what_was_sealed_is_unsealed(event: AnyReleaseEvent) -> None:
    sealed = unseal(seal(event, STAMP))

    assert sealed.event == event == unseal_event(seal(event, STAMP))
    assert sealed.stamp == STAMP


@pytest.mark.parametrize("event", EVENTS)
def test_the_stored_bytes_are_canonical_and_have_every_mandatory_member(event: AnyReleaseEvent) -> None:
    envelope = parse_canonical(seal(event, STAMP))

    assert set(envelope) == MANDATORY | {"node", "attempt", "reason", "ticket"}
    assert envelope["clock"] == {
        "source": "system",
        "synced": "yes",
        "boot_id": CLOCK.boot_id,
        "monotonic_us": CLOCK.monotonic_us,
    }
    assert envelope["type"] == event.TOPIC


def test_an_absent_fact_is_a_missing_member() -> None:
    bare = replace(CONTEXT, node=None, attempt=None, reason=None, ticket=None)

    envelope = parse_canonical(seal(replace(installed(1), context=bare), STAMP))

    assert set(envelope) == MANDATORY
    assert unseal(seal(replace(installed(1), context=bare), STAMP)).event.context == bare


def _of_size(size: int) -> AnyReleaseEvent:
    """Return an event whose envelope has *size* bytes: many short texts, and one that fills up."""
    options = ["x" * 4000] * 15
    filled = replace(restarted(2), reverted=(*options, "y"))
    missing = size - len(seal(filled, STAMP))
    return replace(filled, reverted=(*options, "y" * (1 + missing)))


def test_an_envelope_of_65535_bytes_is_taken() -> None:
    """evidence.md 7, row 19."""
    state = seal(_of_size(SIZE_LIMIT), STAMP)

    assert len(state) == 65_535


def test_an_envelope_of_65536_bytes_is_refused_and_names_its_largest_member() -> None:
    """evidence.md 1.1, row "size"; the tile bundle's length is a uint16."""
    with pytest.raises(EnvelopeSizeError) as caught:
        seal(_of_size(SIZE_LIMIT + 1), STAMP)

    assert caught.value.size == 65_536
    assert caught.value.largest == "data"


@pytest.mark.parametrize("hostile", ["two\nlines", "nul\0", "bidi \u202e", "zero\u200bwidth", "e\u0301", "", "\ud800"])
@pytest.mark.parametrize("place", ["reason", "ticket"])
def test_hostile_text_of_a_user_is_refused(place: str, hostile: str) -> None:
    """evidence.md 7, row 19."""
    changed: dict[str, Any] = {place: hostile}

    with pytest.raises(CanonicalError, match=place):
        seal(replace(installed(1), context=replace(CONTEXT, **changed)), STAMP)


def test_an_unknown_version_is_undecided() -> None:
    """evidence.md 1.2, row v: never "fine"."""
    state = seal(installed(1), STAMP).replace(b'"v":1,', b'"v":2,')

    with pytest.raises(UnknownEnvelopeError) as caught:
        unseal(state)

    assert caught.value.kind == "undecided"


def test_an_unknown_member_is_kept_and_does_no_harm() -> None:
    """evidence.md 1.2: unknown members are kept and hashed on read."""
    state = seal(installed(1), STAMP).replace(b'"v":1,', b'"unheard_of":[1],"v":1,')

    sealed = unseal(state)

    assert sealed.envelope["unheard_of"] == [1]
    assert sealed.event == installed(1)


def test_an_unknown_topic_is_refused_and_not_imported() -> None:
    """evidence.md 8: the stock mapper imports whatever a stored topic names."""
    state = seal(installed(1), STAMP).replace(b"emqx.release.installed.v1", b"antigravity:fly")

    with pytest.raises(UnknownTopicError):
        _ = unseal(state).event


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 60_000, b"state1"])
def test_bytes_that_are_no_object_are_refused(state: bytes) -> None:
    with pytest.raises(NotCanonicalError):
        unseal(state)


@given(st.data())
def test_a_damaged_envelope_never_raises_anything_but_an_evidence_error(data: st.DataObject) -> None:
    """STYLE, "Errors": no KeyError leaks out of the module that caused it."""
    envelope = json.loads(seal(registered(), STAMP))
    place = data.draw(st.sampled_from([envelope, envelope["data"], envelope["data"]["tables"], envelope["clock"]]))
    name = data.draw(st.sampled_from(sorted(place)))
    wrong = data.draw(st.sampled_from([None, 1, "x", [], {}, [[1]], {"x": 1}]))
    place[name] = wrong
    if data.draw(st.booleans()):
        del place[name]

    try:
        sealed = unseal(json.dumps(envelope).encode())
        _ = sealed.event, sealed.stamp
    except EvidenceError:
        return


def test_a_missing_member_is_said_to_be_missing() -> None:
    envelope = parse_canonical(seal(installed(1), STAMP))
    del envelope["actor"], envelope["event_id"]

    with pytest.raises(EnvelopeMemberError, match="does not hold"):
        _ = unseal(json.dumps(envelope).encode()).event
    with pytest.raises(EnvelopeMemberError, match="does not hold"):
        _ = unseal(json.dumps(envelope).encode()).stamp


def test_a_recorded_event_shows_what_its_bytes_hold() -> None:
    recorded = Recorded(7, "release:x", 2, "emqx.release.installed.v1", seal(installed(2), STAMP))

    assert recorded.event == installed(2)
    assert recorded.stamp == STAMP
    assert recorded.envelope["version"] == 2
    assert "state" not in repr(recorded)


def test_a_clock_that_went_back_within_one_boot_is_flagged() -> None:
    """RULINGS 10: boot_id equal, monotonic_us rose, recorded_at fell."""
    later = replace(CLOCK, monotonic_us=CLOCK.monotonic_us + 1)
    hour_back = replace(STAMP, recorded_at="2026-03-01T11:00:00.000000Z", clock=later)

    assert hour_back.clock_went_back(STAMP)
    assert not replace(hour_back, clock=replace(later, boot_id="other")).clock_went_back(STAMP)
    assert not replace(hour_back, clock=CLOCK).clock_went_back(STAMP)
    assert not replace(STAMP, clock=later).clock_went_back(STAMP)
