"""Whoever follows a fleet's log hears of every commit, and holds up nobody (decision 26)."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from ledger.adapters import postgres_feed
from ledger.adapters.postgres import LedgerDatastore, LedgerRecorder
from ledger.adapters.postgres_errors import ConnectionLostError, ServerLostError
from ledger.adapters.postgres_feed import LogSubscription, announced
from ledger.adapters.postgres_server import connect, create_ledger
from tests.fakes.recording import ORIGIN
from tests.postgres.hosts import guarded, host_at
from tests.postgres.server import Server, running_server
from tests.projections.histories import Move, played

LOG = [StoredEvent(leaf.stream, leaf.version, leaf.topic, leaf.state) for leaf in played([Move(0, 0, 0, 0, 1)] * 6)]


@contextmanager
def recorder_at(address: str) -> Iterator[LedgerRecorder]:
    """Give a recorder that does not sign."""
    with closing(LedgerDatastore(address)) as datastore:
        yield LedgerRecorder(datastore, pauses=())


@pytest.fixture
def recorder(server: Server, database: str) -> Iterator[LedgerRecorder]:
    """Give a recorder over an empty ledger."""
    create_ledger(server.url(database), origin=ORIGIN)
    with recorder_at(server.url(database)) as made:
        yield made


def test_what_is_appended_is_heard_of_at_once(recorder: LedgerRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is NOTIFY that wakes: without it, nothing would come before the next look, which is far away."""
    monkeypatch.setattr(postgres_feed, "LOOK_SECONDS", 3600.0)
    recorder.insert_events(LOG[:2])

    with recorder.subscribe() as followed:
        heard = [next(followed).id, next(followed).id]
        for number in range(2, 6):
            recorder.insert_events(LOG[number : number + 1])
            heard.append(next(followed).id)

    assert heard == [1, 2, 3, 4, 5, 6]


def test_a_commit_that_nobody_announced_is_found_by_looking(
    server: Server, recorder: LedgerRecorder, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host with an earlier program does not announce, and neither does one that lost its connection."""
    monkeypatch.setattr(postgres_feed, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(LedgerDatastore, "announcing", lambda _: announced(None))

    with recorder.subscribe() as followed, recorder_at(server.url(database)) as host:
        host.insert_events(LOG[:1])
        first = next(followed).id
        host.insert_events(LOG[1:2])

        assert (first, next(followed).id) == (1, 2)


def test_a_subscription_begins_behind_what_is_known(recorder: LedgerRecorder) -> None:
    recorder.insert_events(LOG)

    with recorder.subscribe(gt=4) as followed:
        assert [next(followed).id, next(followed).id] == [5, 6]


def test_a_subscription_tells_that_the_server_is_lost() -> None:
    with running_server() as server:
        create_ledger(server.url("postgres"), origin=ORIGIN)
        with recorder_at(server.url("postgres")) as recorder, recorder.subscribe() as followed:
            assert isinstance(followed, LogSubscription)
            server.stop()

            with pytest.raises((ConnectionLostError, ServerLostError)):
                next(followed)


def test_the_announcement_is_no_part_of_the_commit(server: Server, database: str, tmp_path: Path) -> None:
    """The library notifies inside; then a queue that a listener keeps full refuses the commit."""
    create_ledger(server.url(database), origin=ORIGIN)
    host = guarded(host_at(tmp_path, server.url(database)))
    recorder = LedgerRecorder(LedgerDatastore(host.address), signer=host.signer, guard=host.place.guard)

    with closing(recorder.datastore):
        recorder.insert_events(LOG[:1])  # the connection waits for the next commit
        (connection,) = recorder.datastore._idle
        connection.close()  # the announcement fails, and would do so at whatever else fails it
        with recorder.datastore.announcing():
            held = host.place.guard.read()

        assert held is not None
        assert recorder.insert_events(LOG[1:2]) == [2]


def test_the_announcement_is_out_before_its_answer_is_waited_for(server: Server, database: str) -> None:
    create_ledger(server.url(database), origin=ORIGIN)
    with closing(connect(server.url(database))) as host, closing(connect(server.url(database))) as follower:
        follower.execute("LISTEN stored_events")

        with announced(host):
            heard = list(follower.notifies(timeout=120, stop_after=1))

        assert [(notice.channel, notice.pid) for notice in heard] == [("stored_events", host.info.backend_pid)]
        assert host.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
