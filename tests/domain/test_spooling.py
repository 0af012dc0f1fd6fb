"""Going on apart from the fleet's ledger: what a spool begins with, and when it can be joined."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as with_any

from ledger.application.meaning import Meaning
from ledger.domain.decisions import decide_note
from ledger.domain.envelope import seal
from ledger.domain.events import AnyReleaseEvent, SpoolBegun
from ledger.domain.records import OpenAttempt
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.spooling import StreamWentOnError, decide_spool, refuse_other_events, unlike
from ledger.errors import RefusedError
from tests.domain.nodes import given, registered, requested, tables_of
from tests.domain.strategies import open_attempts
from tests.fakes.recording import CONTEXT, STAMP, restarted

ORIGIN = "fleet.example.com/release-ledger/0badcafe"


def begun(node: NodeReleases) -> SpoolBegun:
    return decide_spool(node, context=CONTEXT, origin=ORIGIN, note=None)


def noted(node: NodeReleases) -> AnyReleaseEvent:
    return decide_note(node, "0190d1ab-0000-7abc-8def-000000000000", text=("seen",), corrects=False, context=CONTEXT)


def findings(*events: AnyReleaseEvent) -> list[str]:
    meaning = Meaning()
    for index, event in enumerate(events):
        meaning.take(index, seal(event, STAMP))
    return [finding.what for finding in meaning.findings]


@pytest.fixture
def busy() -> NodeReleases:
    """Return a node with an open attempt."""
    node = given(registered())
    return given(registered(), requested(node))


def test_a_spool_goes_on_with_the_installation_as_it_was_and_its_open_attempt(busy: NodeReleases) -> None:
    assert evolve(None, begun(busy)) == replace(busy, version=1)


def test_behind_the_version_that_it_continues_its_beginning_changes_nothing(busy: NodeReleases) -> None:
    joined = replace(begun(busy), originator_version=busy.version + 1)

    assert evolve(busy, joined) == replace(busy, version=busy.version + 1)


@with_any(open_attempts)
def test_an_open_attempt_is_stored_whole(attempt: OpenAttempt) -> None:
    assert OpenAttempt.from_record(attempt.to_record()) == attempt


def test_notes_of_others_do_not_stand_against_joining() -> None:
    node = given(registered())

    refuse_other_events(begun(node), (registered(), noted(node)))


def test_whatever_else_happened_meanwhile_does() -> None:
    with pytest.raises(StreamWentOnError) as caught:
        refuse_other_events(begun(given(registered())), (registered(), restarted(2)))

    assert isinstance(caught.value, RefusedError)
    assert "node restarted" in caught.value.fact


def test_a_joined_history_can_have_happened(busy: NodeReleases) -> None:
    """Level 5, behind the native events and a note that somebody wrote meanwhile."""
    node = given(registered())
    spool = replace(begun(busy), originator_version=4)

    assert findings(registered(), requested(node), noted(busy), spool) == []
    assert findings(begun(busy)) == []


@pytest.mark.parametrize("what", ["version", "tables", "open attempt", "root"])
def test_a_spool_that_states_another_installation_is_named(busy: NodeReleases, what: str) -> None:
    values: dict[str, dict[str, Any]] = {
        "version": {"continues_version": 9},
        "tables": {"tables": tables_of("4.4.1 permanent")},
        "open attempt": {"open_attempt": None},
        "root": {"root": "/elsewhere"},
    }
    spool = replace(begun(busy), originator_version=3, **values[what])

    assert unlike(busy, spool) == what
    assert findings(registered(), requested(given(registered())), spool) == [
        f"it goes on from another {what} than the history up to it leads to"
    ]
