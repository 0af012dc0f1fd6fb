"""Between events and the data of their envelopes."""

from dataclasses import fields

import pytest
from hypothesis import given

from ledger.domain.envelope import seal, unseal_event
from ledger.domain.event_codec import TOPICS, UnknownTopicError, data_of, event_from
from ledger.domain.events import AnyReleaseEvent, EventImported, OperationRefused, ReleaseInstalled
from ledger.domain.ledger_events import LEDGER_CLASSES, LEDGER_STREAM, AnyEvent, AnyLedgerEvent
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import Output
from ledger.errors import EvidenceError
from tests.domain.strategies import EVENT_CLASSES, events, ledger_events
from tests.fakes.recording import CONTEXT, STAMP, installed


def _again(event: AnyEvent) -> AnyEvent:
    return event_from(
        event.TOPIC,
        data_of(event),
        originator_id=event.originator_id,
        originator_version=event.originator_version,
        context=event.context,
    )


@given(events)
def test_every_event_reads_back_from_its_data(event: AnyReleaseEvent) -> None:
    assert _again(event) == event


@given(ledger_events)
def test_every_event_of_the_ledger_reads_back_from_its_data(event: AnyLedgerEvent) -> None:
    """RULINGS 6: such an event has no driver."""
    assert _again(event) == event
    assert "driver" not in data_of(event)


def test_events_of_the_ledger_stand_on_one_stream() -> None:
    """RULINGS 6."""
    defaults = {field.default for kind in LEDGER_CLASSES for field in fields(kind) if field.name == "originator_id"}

    assert defaults == {LEDGER_STREAM}


def test_what_was_sealed_gives_its_event_back_alone() -> None:
    assert unseal_event(seal(installed(2), STAMP)) == installed(2)


@given(events)
def test_an_absent_fact_is_a_missing_member(event: AnyReleaseEvent) -> None:
    """evidence.md 1.1: there is no null in a record."""
    data = data_of(event)

    assert None not in data.values()
    assert [] not in data.values()


def test_every_class_of_event_has_a_topic_of_its_own() -> None:
    """ARCHITECTURE section 4: a topic is `emqx.release.<name>.v1`; RULINGS 6: or `emqx.ledger.<name>.v1`."""
    assert list(TOPICS.values()) == [*EVENT_CLASSES, EventImported, *LEDGER_CLASSES]
    assert all(event.TOPIC.startswith("emqx.release.") and event.TOPIC.endswith(".v1") for event in EVENT_CLASSES)
    assert all(event.TOPIC.startswith("emqx.ledger.") and event.TOPIC.endswith(".v1") for event in LEDGER_CLASSES)


def test_what_stands_in_the_envelope_does_not_stand_in_the_data() -> None:
    for event_class in EVENT_CLASSES:
        names = {field.name for field in fields(event_class)}

        assert {"originator_id", "originator_version", "context"} <= names
    assert set(data_of(installed(2))) == {"driver", "from", "to", "before_sha256", "after_sha256"}


def test_the_former_version_is_stored_as_from() -> None:
    event = installed(2)

    assert isinstance(event, ReleaseInstalled)
    assert data_of(event)["from"] == event.from_vsn


def test_the_words_of_a_reason_are_no_part_of_the_record() -> None:
    reason = Reason(Rule.STATUS, "what", "fact", "hint", words=("Uninstall failed: …",))
    refused = OperationRefused(
        originator_id="release:n",
        originator_version=2,
        context=CONTEXT,
        driver="embedded",
        verb="uninstall",
        to="4.4.0",
        from_vsn="4.4.0",
        code=2,
        reasons=(reason,),
        output=Output(output_sha256="0" * 64, output_bytes=0),
        before_sha256="1" * 64,
    )

    assert data_of(refused)["reasons"] == [{"rule": "status", "message": "what", "fact": "fact", "hint": "hint"}]
    assert _again(refused) == refused


@pytest.mark.parametrize(
    "topic", ["", "emqx.release.installed.v2", "os:system", "ledger.domain.events:ReleaseInstalled"]
)
def test_a_topic_outside_the_table_is_refused_and_never_imported(topic: str) -> None:
    """evidence.md section 8."""
    with pytest.raises(UnknownTopicError) as caught:
        event_from(topic, {}, originator_id="release:n", originator_version=1, context=CONTEXT)

    assert isinstance(caught.value, EvidenceError)
    assert caught.value.topic == topic
