"""What every record of releases must do, in memory or in a database."""

import pytest

from ledger.application.ports import ReleaseRecord
from ledger.application.release_ledger import StreamConflictError, UnknownStreamError
from ledger.domain.releases import evolve
from tests.fakes.recording import STREAM, installed, registered, restarted

OTHER = "release:emqx@10.0.0.8"


class ReleaseRecordContract:
    """The behaviour that the use cases build on."""

    def test_indexes_go_on_from_0(self, release_record: ReleaseRecord) -> None:
        assert release_record.record((registered(),)) == (0,)
        assert release_record.record((installed(2), restarted(3))) == (1, 2)

    def test_no_events_are_no_commit(self, release_record: ReleaseRecord) -> None:
        assert release_record.record(()) == ()
        assert release_record.record((registered(),)) == (0,)

    def test_a_stream_is_the_fold_of_its_own_events(self, release_record: ReleaseRecord) -> None:
        release_record.record((registered(),))
        release_record.record((registered(stream=OTHER), installed(2)))

        assert release_record.releases(STREAM) == evolve(evolve(None, registered()), installed(2))
        assert release_record.releases(OTHER) == evolve(None, registered(stream=OTHER))

    def test_where_installations_are_stands_in_the_order_of_their_first_event(
        self, release_record: ReleaseRecord
    ) -> None:
        release_record.record((registered(stream=OTHER),))
        release_record.record((registered(), installed(2)))

        assert [place.id for place in release_record.whereabouts()] == [OTHER, STREAM]
        for place in release_record.whereabouts():
            node = release_record.releases(place.id)
            assert (place.node, place.root, place.kind, place.host) == (node.node, node.root, node.kind, node.host)
            assert place.registered

    def test_an_unknown_stream_is_an_error(self, release_record: ReleaseRecord) -> None:
        with pytest.raises(UnknownStreamError):
            release_record.releases(STREAM)

    def test_a_version_that_was_taken_is_a_conflict_and_leaves_nothing(self, release_record: ReleaseRecord) -> None:
        release_record.record((registered(), installed(2)))

        with pytest.raises(StreamConflictError):
            release_record.record((restarted(2), installed(3)))

        assert release_record.releases(STREAM).version == 2
