"""Where installations are, told from a few of their events: the same as the fold of all of them says."""

from typing import get_args

import pytest
from hypothesis import given as with_any
from hypothesis import strategies as st

from ledger.domain.events import AnyReleaseEvent, InstallationMoved, InstallationRegistered, SpoolBegun
from ledger.domain.releases import NodeReleases, StreamStartError, evolve
from ledger.domain.whereabouts import PLACING, Whereabouts, follow
from tests.domain.strategies import events_of

FIRST = st.one_of(events_of(InstallationRegistered), events_of(SpoolBegun))
LATER = [events_of(event) for event in get_args(AnyReleaseEvent)]
PLACED = [events_of(event) for event in get_args(AnyReleaseEvent) if event.TOPIC in PLACING]


def place_of(node: NodeReleases) -> Whereabouts:
    return Whereabouts(
        id=node.id, node=node.node, root=node.root, kind=node.kind, host=node.host, registered=node.registered
    )


@pytest.mark.parametrize("later", [LATER, PLACED], ids=["any events", "those that place it"])
@with_any(st.data())
def test_it_is_what_the_whole_fold_says(later: list[st.SearchStrategy[AnyReleaseEvent]], data: st.DataObject) -> None:
    """Each event that changes a field of it is among those that are read: ``PLACING``."""
    first = data.draw(FIRST)
    node, known = evolve(None, first), follow(None, first)
    for event in data.draw(st.lists(st.one_of(later), max_size=4)):
        node = evolve(node, event)
        if event.TOPIC in PLACING:
            known = follow(known, event)

        assert known == place_of(node)


@with_any(st.one_of(LATER), FIRST)
def test_an_event_that_places_nothing_changes_nothing(event: AnyReleaseEvent, first: AnyReleaseEvent) -> None:
    known = follow(None, first)

    assert event.TOPIC in PLACING or follow(known, event) == known


@with_any(events_of(InstallationMoved))
def test_a_stream_begins_with_its_registration(moved: InstallationMoved) -> None:
    with pytest.raises(StreamStartError):
        follow(None, moved)
