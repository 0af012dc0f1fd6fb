"""The fold of the versions table: it goes on where it stopped, and its rows read back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.event_codec import UnknownTopicError
from ledger.domain.releases import NodeReleases, StreamStartError
from projections.nodes import NodeTable
from projections.read import EntryError, StoredEvent
from projections.versions import fold, resume, suspended, table_of
from tests.projections.histories import Leaf, histories, played
from tests.projections.test_history import WHOLE, history


@settings(max_examples=40)
@given(log=histories())
def test_a_fold_that_was_suspended_goes_on_as_if_it_had_not(log: tuple[Leaf, ...]) -> None:
    nodes: dict[str, NodeReleases] = {}
    for number, leaf in enumerate(log):
        envelope = json.loads(leaf.state)
        event = StoredEvent(number, leaf.stream, leaf.version, leaf.topic, leaf.leaf_hash, leaf.state, envelope)
        node = fold(nodes.get(leaf.stream), event)

        assert resume(suspended(node)) == node
        assert NodeTable.from_text(table_of(node, last_change=number).to_text()) == table_of(node, last_change=number)
        nodes[leaf.stream] = resume(suspended(node))


@given(text=st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=20).map(json.dumps))
def test_no_text_but_a_table_reads_as_one(text: str) -> None:
    """A damaged view is told by these two errors."""
    try:
        table = NodeTable.from_text(text)
    except (ValueError, TypeError):
        return

    assert len(table) == len(NodeTable._fields)


def test_a_stream_without_its_registration_is_an_error_of_evidence() -> None:
    with pytest.raises(StreamStartError):
        fold(None, history(WHOLE)[1])


def test_a_topic_of_a_later_version_stops_the_fold() -> None:
    event = history()[0]
    later = event._replace(envelope={**event.envelope, "type": "emqx.release.dreamt.v7"})

    with pytest.raises(UnknownTopicError):
        fold(None, later)


@pytest.mark.parametrize("data", [{}, {"tables": {}}, {"tables": {"memory": [["4.4.0", "asleep"]]}}])
def test_data_that_are_not_those_of_the_topic_are_named(data: dict[str, object]) -> None:
    event = history()[0]
    broken = event._replace(envelope={**event.envelope, "data": data})

    with pytest.raises(EntryError) as caught:
        fold(None, broken)

    assert caught.value.number == 0


def test_played_histories_are_long_enough_to_tell() -> None:
    assert len(played([WHOLE] * 3)) > 5
