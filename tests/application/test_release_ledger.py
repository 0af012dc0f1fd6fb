"""The ledger as an application: commits, replay, the log."""

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from eventsourcing.persistence import StoredEvent

from ledger.adapters.identity import commit_to
from ledger.adapters.sqlite import LedgerFactory, create_database
from ledger.application.release_ledger import EventIdError, ReleaseLedger, StreamConflictError, UnknownStreamError
from ledger.domain.canonical import CanonicalError
from ledger.domain.event_codec import UnknownTopicError
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.releases import evolve
from ledger.errors import LockedError
from tests.fakes.recording import (
    CONTEXT,
    ORIGIN,
    STREAM,
    SetClock,
    installed,
    open_ledger,
    recording,
    registered,
    restarted,
)

if TYPE_CHECKING:
    from ledger.application.ports import ReleaseRecord

VARIABLES = {
    "LEDGER_PERSISTENCE_MODULE": "eventsourcing.popo",
    "PERSISTENCE_MODULE": "eventsourcing.popo",
    "LEDGER_MAPPER_TOPIC": "no.such:Mapper",
    "LEDGER_TRANSCODER_TOPIC": "no.such:Transcoder",
    "LEDGER_COMPRESSOR_TOPIC": "zlib",
    "LEDGER_CIPHER_TOPIC": "no.such:Cipher",
    "LEDGER_CIPHER_KEY": "0" * 32,
    "LEDGER_SQLITE_DBNAME": ":memory:",
    "LEDGER_CREATE_TABLE": "y",
    "LEDGER_IS_SNAPSHOTTING_ENABLED": "y",
    "LEDGER_APPLICATION_RECORDER_TOPIC": "no.such:Recorder",
    "AGGREGATE_CACHE_MAXSIZE": "10",
    "ORIGINATOR_ID_TYPE": "uuid",
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    create_database(tmp_path / "ledger.db")
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(database: Path) -> Iterator[ReleaseLedger]:
    with open_ledger(database) as opened:
        yield opened


def test_a_commit_returns_the_leaf_indexes_of_its_events(ledger: ReleaseLedger) -> None:
    assert ledger.record([registered()]) == (0,)
    assert ledger.record([installed(2), restarted(3)]) == (1, 2)
    assert ledger.tree_size() == 3


def test_no_events_are_no_commit(ledger: ReleaseLedger) -> None:
    assert ledger.record([]) == ()
    assert ledger.tree_size() == 0


def test_a_stream_is_replayed_now_and_at_a_version(ledger: ReleaseLedger) -> None:
    ledger.record([registered(), installed(2), restarted(3)])

    assert ledger.releases(STREAM) == evolve(evolve(evolve(None, registered()), installed(2)), restarted(3))
    assert ledger.releases(STREAM, version=1) == evolve(None, registered())


def test_a_stream_is_folded_by_any_fold(ledger: ReleaseLedger) -> None:
    ledger.record([registered(), installed(2)])

    def topics(found: tuple[str, ...] | None, event: AnyReleaseEvent) -> tuple[str, ...]:
        return (*(found or ()), event.TOPIC)

    assert ledger.fold(STREAM, topics) == (registered().TOPIC, installed(2).TOPIC)


def test_an_unknown_stream_is_said_to_be_unknown(ledger: ReleaseLedger) -> None:
    with pytest.raises(UnknownStreamError, match="does not know"):
        ledger.releases("release:nowhere")


def test_a_version_that_was_taken_is_a_conflict(ledger: ReleaseLedger) -> None:
    """ARCHITECTURE 1: two operators on one node race, the loser gets a conflict."""
    ledger.record([registered(), installed(2)])

    with pytest.raises(StreamConflictError) as caught:
        ledger.record([restarted(2)])

    assert isinstance(caught.value, LockedError)
    assert ledger.tree_size() == 2


def test_a_commit_that_is_tried_again_is_recorded_once(ledger: ReleaseLedger) -> None:
    """evidence.md 7, row 17: no false conflict."""
    first = ledger.record([registered()], commit_id="0190d1ab-1234-7abc-8def-000000000009")

    assert ledger.record([registered()], commit_id="0190d1ab-1234-7abc-8def-000000000009") == first
    assert ledger.tree_size() == 1


def test_a_commit_keeps_what_its_commitments_stand_for(database: Path) -> None:
    """RULINGS 5: personal fields from the first event on."""
    whole_command, one_event = commit_to("alice"), commit_to("/dev/pts/3")
    with open_ledger(database, replace(recording(), disclosures=(whole_command,))) as ledger:
        ledger.record([registered()])
        ledger.record([installed(2)], disclosures=[one_event])

    with closing(sqlite3.connect(database)) as connection:
        kept = set(connection.execute("SELECT commitment, salt, value FROM disclosure"))
    assert kept == {(fact.commitment, fact.salt, fact.value) for fact in (whole_command, one_event)}


def test_the_ledger_is_the_record_that_the_use_cases_ask_for(ledger: ReleaseLedger) -> None:
    record: ReleaseRecord = ledger

    assert record.record((registered(),)) == (0,)
    assert record.releases(STREAM).tables.permanent == "4.4.0"


def test_the_events_of_a_commit_share_its_id_and_no_others_have_it(ledger: ReleaseLedger) -> None:
    """evidence.md 1.2, row commit_id."""
    ledger.record([registered(), installed(2)])
    ledger.record([restarted(3)])

    first, second, third = (event.stamp for event in ledger.history())

    assert first.commit_id == second.commit_id != third.commit_id
    assert len({first.event_id, second.event_id, third.event_id}) == 3
    assert first.ledger == ORIGIN


def test_the_log_is_read_in_its_order_between_any_two_indexes(ledger: ReleaseLedger) -> None:
    ledger.record([registered(), installed(2), registered(stream="release:other"), restarted(3)])

    everything = list(ledger.history())

    assert [event.index for event in everything] == [0, 1, 2, 3]
    assert [event.event for event in everything] == [
        registered(),
        installed(2),
        registered(stream="release:other"),
        restarted(3),
    ]
    assert list(ledger.history(1, 3)) == everything[1:3]
    assert list(ledger.history(4)) == list(ledger.history(2, 2)) == []


def test_a_long_log_is_read_in_pages(ledger: ReleaseLedger) -> None:
    ledger.record([installed(version) for version in range(1, 2002)])

    assert [event.index for event in ledger.history()] == list(range(2001))


def test_an_event_is_found_by_the_beginning_of_its_id(ledger: ReleaseLedger) -> None:
    ledger.record([registered(), installed(2)])
    wanted = list(ledger.history())[1]

    assert ledger.find(wanted.stamp.event_id) == (wanted,)
    assert wanted in ledger.find(wanted.stamp.event_id[:8])
    assert ledger.find("ffff") == ()


@pytest.mark.parametrize("prefix", ["", "abc", "ABCD", "%%%%", 'aaaa"', "aaaa\n", "g" * 8, "a" * 37])
def test_a_text_that_begins_no_id_is_refused(ledger: ReleaseLedger, prefix: str) -> None:
    with pytest.raises(EventIdError):
        ledger.find(prefix)


def test_streams_of_installations_are_listed(ledger: ReleaseLedger) -> None:
    """RULINGS 6: stream ``ledger`` is no installation."""
    ledger.record([registered(), installed(1, stream="ledger"), registered(stream="release:other")])

    assert list(ledger.streams()) == [STREAM, "release:other"]


def test_hostile_text_is_refused_and_nothing_is_written(ledger: ReleaseLedger) -> None:
    """evidence.md 7, row 19."""
    hostile = replace(installed(2), context=replace(CONTEXT, reason="bidi \u202e"))

    with pytest.raises(CanonicalError, match="reason"):
        ledger.record([registered(), hostile], disclosures=[commit_to("alice")])

    assert ledger.tree_size() == 0


def test_a_clock_set_back_is_taken_and_can_be_seen(database: Path) -> None:
    """evidence.md 7, row 20."""
    clock = SetClock()
    with open_ledger(database, replace(recording(), clock=clock)) as ledger:
        ledger.record([registered()])
        clock.moment = replace(clock.moment, recorded_at="2026-03-01T11:00:00.000000Z")
        ledger.record([installed(2)])

        first, second = ledger.history()

    assert second.stamp.clock_went_back(first.stamp)


def test_variables_of_the_shell_have_no_effect(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULINGS 1: the library lets them beat what the code sets, silently."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)

    with open_ledger(database) as ledger:
        ledger.record([registered()])

        assert isinstance(ledger.factory, LedgerFactory)
        assert ledger.snapshots is None
        assert ledger.repository.cache is None
        assert (ledger.mapper.compressor, ledger.mapper.cipher) == (None, None)
        assert next(ledger.history()).state.startswith(b'{"actor":')


def test_a_stored_topic_is_never_imported(ledger: ReleaseLedger) -> None:
    """evidence.md 8: closed table only."""
    state = ledger.mapper.to_stored_event(registered()).state.replace(registered().TOPIC.encode(), b"antigravity")
    ledger.recorder.insert_events([StoredEvent(STREAM, 1, "antigravity", state)])

    with pytest.raises(UnknownTopicError):
        ledger.releases(STREAM)


def test_the_mapper_returns_what_it_sealed(ledger: ReleaseLedger) -> None:
    stored = ledger.mapper.to_stored_event(installed(2))

    assert (stored.originator_id, stored.originator_version, stored.topic) == (STREAM, 2, installed(2).TOPIC)
    assert ledger.mapper.to_domain_event(stored) == installed(2)


def test_recording_and_reading_use_no_network(ledger: ReleaseLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)

    ledger.record([registered()])

    assert len(list(ledger.history())) == 1
    assert os.environ.get("LEDGER_SQLITE_DBNAME") is None
