"""Level 5: a history that cannot have happened is found, whoever signed it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest

from ledger.application.audit_report import Verdict
from ledger.application.meaning import Meaning
from ledger.domain.decisions import decide_turn
from ledger.domain.envelope import seal
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.ledger_events import TipAccepted
from ledger.domain.outcomes import By, Turn
from ledger.domain.records import Driver
from ledger.domain.releases import evolve
from tests.evidence.ledgers import upgrades
from tests.fakes.recording import CONTEXT, STAMP, installed, restarted

History = list[AnyReleaseEvent]


def told(history: History) -> Meaning:
    meaning = Meaning()
    for index, event in enumerate(history):
        if not meaning.take(index, seal(event, STAMP)):
            break
    return meaning


def other_attempt(event: AnyReleaseEvent) -> AnyReleaseEvent:
    return replace(event, context=replace(event.context, attempt="0190d1ab-0000-7abc-8def-000000000000"))


def test_a_history_that_can_have_happened_has_no_findings() -> None:
    meaning = told(list(islice(upgrades(), 21)))

    assert meaning.findings == []
    assert list(meaning.remarks()) == []


def test_an_open_attempt_is_told_and_not_condemned() -> None:
    meaning = told(list(islice(upgrades(), 4)))

    assert meaning.findings == []
    assert list(meaning.remarks()) == ["an attempt is open on emqx@10.0.0.7 since event 1: upgrade 4.4.1"]


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (lambda h: h[1:], "event 0", "does not begin with its registration"),
        (lambda h: [h[0], *h], "event 1", "registered before"),
        (lambda h: [h[0], *h[2:]], "event 1", "an attempt that is not open"),
        (lambda h: [*h[:2], h[3]], "event 2", "starts from other tables"),
        (lambda h: [*h[:2], other_attempt(h[2])], "event 2", "an attempt that is not open"),
        (lambda h: [*h[:2], h[1]], "event 2", "another attempt is open"),
        (lambda h: [*h[:5], other_attempt(h[5])], "event 5", "ends an attempt that is not open"),
        (lambda h: [*h[:2], replace(h[2], after_sha256="0" * 64)], "event 2", "leads to other tables"),
        (lambda h: [*h[:5], replace(h[5], table_sha256="0" * 64)], "event 5", "leads to other tables"),
        (lambda h: [*h[:2], replace(h[3], to="4.4.9", before_sha256=h[2].before_sha256)], "event 2", "not known"),
        (lambda h: [*h[:6], restarted(7)], "event 6", "starts from other tables"),
    ],
)
def test_what_cannot_have_happened_is_named(change: Callable[[History], History], where: str, what: str) -> None:
    (finding,) = told(change(list(islice(upgrades(), 11)))).findings

    assert finding.verdict is Verdict.FAILED
    assert finding.where == where
    assert what in finding.what


def test_a_turn_in_a_fleet_plan_belongs_to_the_attempt_that_is_open() -> None:
    """docs/decisions/0022: it stands beside the intent."""
    start = list(islice(upgrades(), 2))
    node = evolve(evolve(None, start[0]), start[1])
    by = By(context=start[1].context, driver=Driver.NODE)
    turn = decide_turn(node, Turn(plan="beef", plan_sha256="0" * 64, wave=1), by=by)

    (finding,) = told([*start, other_attempt(turn)]).findings

    assert told([*start, turn]).findings == []
    assert "a turn for an attempt that is not open" in finding.what


def test_a_topic_of_a_later_version_leaves_it_undecided() -> None:
    meaning = Meaning()

    meaning.take(0, seal(installed(1), STAMP).replace(b"release.installed.v1", b"release.installed.v9"))

    assert [finding.verdict for finding in meaning.findings] == [Verdict.UNDECIDED]


def test_events_of_the_ledger_itself_change_no_release() -> None:
    meaning = Meaning()

    assert meaning.take(0, seal(installed(1, stream="ledger"), STAMP))
    assert meaning.findings == []


@pytest.mark.parametrize(
    ("size", "shared", "sound"), [(3, False, True), (2, False, False), (2, True, True), (4, True, False)]
)
def test_a_tip_is_accepted_behind_its_events_and_those_of_other_hosts(size: int, *, shared: bool, sound: bool) -> None:
    """docs/decisions/0027: other hosts of a fleet do not wait for the host that lost its guard."""
    meaning = Meaning(shared=shared)
    event = TipAccepted(originator_version=1, context=CONTEXT, found="missing", tree_size=size, root_sha256="d4" * 32)

    assert meaning.take(3, seal(event, STAMP)) is sound
    assert (meaning.findings == []) is sound


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"to":"4.4.16"', b'"to":5', "data.to is no text"),
        (b',"to":"4.4.16"', b"", "data.to is missing"),
        (b'"driver":"node"', b'"driver":"hand"', "data.driver is none of"),
    ],
)
def test_an_event_that_does_not_hold_what_its_topic_says_is_named(old: bytes, new: bytes, what: str) -> None:
    """Replay reads such an event as if nothing were missing; the audit does not."""
    meaning = Meaning()

    went_on = meaning.take(7, seal(installed(1, stream="ledger"), STAMP).replace(old, new))

    (finding,) = meaning.findings
    assert not went_on
    assert (finding.verdict, finding.where) == (Verdict.FAILED, "event 7")
    assert what in finding.what
