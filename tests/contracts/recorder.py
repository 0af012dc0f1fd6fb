"""What every recorder of a ledger must do, whatever database it writes to (evidence.md 5).

An adapter binds the suite in one small class. ``LibraryRecorderSuite`` is the library's own
(RULINGS 15); it stores bytes that are no envelopes, which is why limits are checked in the mapper.
"""

import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.tests.persistence import ApplicationRecorderTestCase

from ledger.application.record_ports import Disclosure, LogRecorder

FACT = Disclosure("c0" * 32, b"salt", b'"alice"')


def stored(version: int, *, stream: str = "release:a", state: bytes = b"state") -> StoredEvent:
    """Return a row of a stream."""
    return StoredEvent(stream, version, "emqx.release.installed.v1", state + b" %d" % version)


class RecorderContract(ABC):
    """The behaviour that the ledger builds on."""

    @abstractmethod
    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Return what a SELECT over the tables of evidence.md 5.1 finds, by a connection of its own."""

    def test_indexes_are_dense_from_0_over_all_streams(self, recorder: LogRecorder) -> None:
        recorder.insert_events([stored(1), stored(2)])
        recorder.insert_events([stored(1, stream="ledger")])
        recorder.insert_events([stored(3)])

        found = self.rows("SELECT idx, originator_id, originator_version FROM log_leaf ORDER BY idx")

        assert found == [(0, "release:a", 1), (1, "release:a", 2), (2, "ledger", 1), (3, "release:a", 3)]

    def test_a_leaf_hash_is_of_the_stored_bytes(self, recorder: LogRecorder) -> None:
        """RFC 6962, section 2.1: H(0x00 || leaf)."""
        recorder.insert_events([stored(1)])

        ((leaf_hash,),) = self.rows("SELECT leaf_hash FROM log_leaf")

        assert leaf_hash == sha256(b"\x00state 1").digest()

    def test_a_notification_id_is_the_leaf_index_plus_1(self, recorder: LogRecorder) -> None:
        """RULINGS 11."""
        assert recorder.insert_events([stored(1), stored(2)]) == [1, 2]

        (notification,) = recorder.select_notifications(2, 10)

        assert (notification.id, notification.originator_version, notification.state) == (2, 2, b"state 2")
        assert recorder.max_notification_id() == 2

    def test_a_conflict_leaves_nothing_and_no_gap(self, recorder: LogRecorder) -> None:
        recorder.insert_events([stored(1)])

        with pytest.raises(IntegrityError):
            recorder.insert_events([stored(2), stored(1)], commit_id="lost", disclosures=[FACT])

        assert recorder.insert_events([stored(2)]) == [2]
        assert self.rows("SELECT commit_id FROM log_commit WHERE commit_id = 'lost'") == []
        assert self.rows("SELECT commitment FROM disclosure") == []

    def test_the_same_commit_again_is_answered_and_not_doubled(self, recorder: LogRecorder) -> None:
        """evidence.md 7, row 17: the answer to COMMIT may be lost."""
        first = recorder.insert_events([stored(1), stored(2)], commit_id="c")

        again = recorder.insert_events([stored(1, state=b"anew"), stored(2, state=b"anew")], commit_id="c")

        assert list(again or ()) == list(first or ()) == [1, 2]
        assert [row[0] for row in self.rows("SELECT state FROM stored_events")] == [b"state 1", b"state 2"]

    def test_a_commit_id_with_other_events_is_a_conflict(self, recorder: LogRecorder) -> None:
        recorder.insert_events([stored(1)], commit_id="c")

        with pytest.raises(IntegrityError):
            recorder.insert_events([stored(2)], commit_id="c")

    def test_a_commit_names_its_first_and_last_leaf(self, recorder: LogRecorder) -> None:
        recorder.insert_events([stored(1)], commit_id="one")
        recorder.insert_events([stored(2), stored(3)], commit_id="two")

        found = self.rows("SELECT commit_id, first_idx, last_idx FROM log_commit ORDER BY first_idx")

        assert found == [("one", 0, 0), ("two", 1, 2)]

    def test_a_private_fact_is_kept_once(self, recorder: LogRecorder) -> None:
        recorder.insert_events([stored(1)], disclosures=[FACT])
        recorder.insert_events([stored(2)], disclosures=[FACT])

        assert self.rows("SELECT commitment, salt, value FROM disclosure") == [("c0" * 32, b"salt", b'"alice"')]

    def test_nothing_to_record_records_nothing(self, recorder: LogRecorder) -> None:
        """evidence.md 8: the hook also runs for an empty list."""
        assert list(recorder.insert_events([]) or ()) == []

        assert recorder.max_notification_id() is None
        assert self.rows("SELECT commit_id FROM log_commit") == []

    def test_streams_come_in_the_order_of_their_first_event(self, recorder: LogRecorder) -> None:
        recorder.insert_events([stored(1, stream="release:z"), stored(1), stored(2, stream="release:z")])

        assert recorder.streams() == ("release:z", "release:a")

    def test_events_are_found_by_what_their_bytes_hold(self, recorder: LogRecorder) -> None:
        recorder.insert_events([stored(1), stored(2), stored(3)])

        assert [event.id for event in recorder.holding(b"state 2", limit=9)] == [2]
        assert [event.id for event in recorder.holding(b"state", limit=2)] == [1, 2]

    def test_the_bytes_of_a_stream_come_in_the_order_of_versions(self, recorder: LogRecorder) -> None:
        recorder.insert_events([stored(1), stored(2), stored(3)])

        def states(*, gt: int | None = None, lte: int | None = None, desc: bool = False) -> list[bytes]:
            return list(recorder.select_states("release:a", gt=gt, lte=lte, desc=desc, limit=None))

        assert states() == [b"state 1", b"state 2", b"state 3"]
        assert states(gt=1, lte=2) == [b"state 2"]
        assert states(desc=True)[0] == b"state 3"
        assert list(recorder.select_states("release:a", gt=None, lte=None, desc=False, limit=1)) == [b"state 1"]

    def test_threads_that_write_at_once_leave_dense_indexes(self, recorder: LogRecorder) -> None:
        def write(number: int) -> None:
            recorder.insert_events([stored(1, stream=f"release:{number}"), stored(2, stream=f"release:{number}")])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(40)))

        assert self.rows("SELECT idx FROM log_leaf ORDER BY idx") == [(index,) for index in range(80)]


class LibraryRecorderSuite(ApplicationRecorderTestCase[LogRecorder]):
    """The library's own suite, with the ids of streams that we have."""

    def setUp(self) -> None:
        super().setUp()
        self._others = set(threading.enumerate())

    def tearDown(self) -> None:
        # It leaves its readers to end by themselves; a connection that is closed under one ends the whole process.
        for thread in set(threading.enumerate()) - self._others:
            thread.join()
        super().tearDown()

    def new_originator_id(self) -> str:
        """Return the id of a stream: a text (``ORIGINATOR_ID_TYPE``)."""
        return str(super().new_originator_id())
