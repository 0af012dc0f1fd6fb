"""Lines of events and attempts, and the filter."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ledger.domain.event_codec import TOPICS
from projections.attempts import OPEN, Attempt, attempt_in_full, evolve_attempt, outcome_of
from projections.history import WORDS, Clock, HistoryFilter, Intent, LimitError, UnknownTypeError, line_of, type_of
from projections.read import StoredEvent
from tests.projections.histories import Move, played, uuid_of

WHOLE = Move(node=0, kind=1, vsn=2, reach=3, clock=1_000_000)
RESTART = WHOLE._replace(kind=8)


def stored(number: int, state: bytes) -> StoredEvent:
    envelope = json.loads(state)
    return StoredEvent(number, envelope["stream"], envelope["version"], envelope["type"], b"", state, envelope)


def history(*moves: Move) -> tuple[StoredEvent, ...]:
    return tuple(stored(number, leaf.state) for number, leaf in enumerate(played((WHOLE, *moves))))


def changed(event: StoredEvent, **members: object) -> StoredEvent:
    return event._replace(envelope={**event.envelope, **members})


def attempt_row(events: tuple[StoredEvent, ...]) -> Attempt:
    row: Attempt | None = None
    for event in events:
        intent = None if row is None else row.intent
        line = line_of(event, intent=intent, before=None)
        row = evolve_attempt(row, line, outcome=outcome_of(line.type, event.data))
    assert row is not None
    return row


def test_every_event_has_its_words() -> None:
    """RULINGS 11: the type is the topic without prefix and version."""
    assert set(WORDS) == {type_of(topic) for topic in TOPICS}


@pytest.mark.parametrize(
    ("moves", "words"),
    [
        (
            (WHOLE,),
            (
                "registered as live, 4.4.0 booted",
                "install 4.4.16 requested",
                "unpacked 4.4.16",
                "installed 4.4.16 over 4.4.0",
                "made 4.4.16 permanent",
                "install 4.4.16 completed",
            ),
        ),
        (
            (WHOLE._replace(reach=5), RESTART),
            (
                "registered as live, 4.4.0 booted",
                "install 4.4.16 requested",
                "unpacked 4.4.16",
                "installed 4.4.16 over 4.4.0",
                "install 4.4.16 completed",
                "booted 4.4.0, undone: 4.4.16, noticed later: it started at 2026-09-21T14:13:20.000000Z",
            ),
        ),
        (
            (WHOLE._replace(reach=0, vsn=1),),
            (
                "registered as live, 4.4.0 booted",
                "install 4.4.1 requested",
                "install 4.4.1 failed at unpack: bad_relup_file",
            ),
        ),
        (
            (WHOLE._replace(reach=1), WHOLE._replace(reach=1)),
            (
                "registered as live, 4.4.0 booted",
                "install 4.4.16 requested",
                "unpacked 4.4.16",
                "install 4.4.16 recovered: taken back",
            ),
        ),
        (
            (WHOLE._replace(kind=5, vsn=0), WHOLE._replace(kind=9, vsn=3)),
            (
                "registered as live, 4.4.0 booted",
                "uninstall 4.4.0 refused: status, os",
                "changed outside the ledger: memory differs; found 4.4.0 permanent",
            ),
        ),
        (
            (WHOLE, WHOLE._replace(vsn=0), WHOLE._replace(kind=5)),
            (
                "registered as live, 4.4.0 booted",
                "install 4.4.16 requested",
                "unpacked 4.4.16",
                "installed 4.4.16 over 4.4.0",
                "made 4.4.16 permanent",
                "install 4.4.16 completed",
                "install 4.4.0 requested",
                "downgraded to 4.4.0 from 4.4.16",
                "made 4.4.0 permanent",
                "install 4.4.0 completed",
                "uninstall 4.4.16 requested",
                "uninstalled 4.4.16, which was old",
                "uninstall 4.4.16 completed",
            ),
        ),
    ],
)
def test_a_line_says_what_happened(moves: tuple[Move, ...], words: tuple[str, ...]) -> None:
    rows: dict[str, Intent] = {}
    found = []
    for event in history(*moves):
        attempt = event.envelope.get("attempt", "")
        line = line_of(event, intent=rows.get(attempt), before=None)
        rows.setdefault(attempt, Intent(line.verb, line.vsn))
        found.append(line.words)

    assert tuple(found) == words


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (history(WHOLE._replace(reach=0, vsn=1))[-1], True),
        (history(WHOLE._replace(kind=5, vsn=0))[-1], True),
        (history(WHOLE._replace(reach=1), WHOLE._replace(reach=0))[-1], False),
        (history(WHOLE._replace(reach=1), WHOLE._replace(reach=1))[-1], True),
        (history(WHOLE._replace(reach=1), WHOLE._replace(reach=2))[-1], True),
        (history(WHOLE)[-1], False),
        (history(RESTART)[-1], False),
    ],
    ids=["failed", "refused", "finished", "taken back", "recovered as failed", "completed", "restarted"],
)
def test_what_did_not_succeed_is_marked(event: StoredEvent, *, failed: bool) -> None:
    assert line_of(event, intent=None, before=None).failed is failed


@pytest.mark.parametrize(
    ("before", "fell"),
    [
        (Clock("2026-01-01T00:00:01.000000Z", "boot-1", 1), True),
        (Clock("2026-01-01T00:00:00.000000Z", "boot-1", 1), False),
        (Clock("2026-01-01T00:00:01.000000Z", "boot-2", 1), False),
        (Clock("2026-01-01T00:00:01.000000Z", "boot-1", 9), False),
        (None, False),
    ],
)
def test_a_clock_that_went_back_is_flagged_only_within_one_boot(before: Clock | None, *, fell: bool) -> None:
    """RULINGS 10."""
    event = changed(
        history()[0],
        recorded_at="2026-01-01T00:00:00.000000Z",
        clock={"source": "system", "synced": "yes", "boot_id": "boot-1", "monotonic_us": 5},
    )

    assert line_of(event, intent=None, before=before).clock_fell is fell


def test_an_event_of_a_later_version_still_has_its_line() -> None:
    event = history()[0]._replace(topic="emqx.release.dreamt.v7")

    line = line_of(event, intent=None, before=None)

    assert (line.type, line.failed) == ("dreamt", False)
    assert line.words.startswith("not known to this version")


def test_a_restart_concerns_the_trials_that_it_undid() -> None:
    event = history(WHOLE._replace(reach=5), RESTART)[-1]

    assert line_of(event, intent=None, before=None).vsns == ("4.4.0", "4.4.16")


def test_a_filter_of_an_unknown_type_names_the_types() -> None:
    with pytest.raises(UnknownTypeError) as caught:
        HistoryFilter(types=("installed", "instaled"))

    assert caught.value.name == "instaled"
    assert "installed" in caught.value.fact


@pytest.mark.parametrize("limit", [0, -1])
def test_a_filter_of_no_events_is_refused(limit: int) -> None:
    with pytest.raises(LimitError):
        HistoryFilter(limit=limit)


def test_an_attempt_is_shown_from_intent_to_outcome() -> None:
    """PRODUCT section 4, ``show``."""
    events = history(WHOLE)[1:]

    shown = attempt_in_full(events, attempt_row(events))

    assert (shown.verb, shown.vsn, shown.outcome, shown.failed) == ("install", "4.4.16", "completed", False)
    assert [step.type for step in shown.steps] == ["unpacked", "installed", "made_permanent"]
    assert [step.took_us for step in shown.steps] == [1000, 1000, 1000]
    assert shown.took_us == 4000
    assert (shown.first_event, shown.last_event) == (1, 5)
    assert package_name(shown.package) == "emqx-4.4.16-otp24.3.4.2-1-debian11-amd64.zip"
    assert shown.asked["plan_sha256"]
    assert shown.ended is not None
    assert shown.ended["result"] == "done"


def test_a_refusal_is_an_attempt_of_one_event_with_all_reasons() -> None:
    events = history(WHOLE._replace(kind=5, vsn=0))[1:]

    shown = attempt_in_full(events, attempt_row(events))

    assert (shown.outcome, shown.failed, shown.steps) == ("refused", True, ())
    assert [reason["rule"] for reason in shown.reasons] == ["status", "os"]
    assert shown.package is None


def test_an_open_attempt_has_no_outcome() -> None:
    events = history(WHOLE._replace(reach=1))[1:]

    shown = attempt_in_full(events, attempt_row(events))

    assert (shown.outcome, shown.failed, shown.ended, shown.took_us) == (OPEN, False, None, None)
    assert [step.type for step in shown.steps] == ["unpacked"]


def test_across_boots_the_wall_clock_measures() -> None:
    first, *rest = history(WHOLE)[1:]
    rebooted = {"source": "system", "synced": "yes", "boot_id": "boot-2", "monotonic_us": 1}
    last = changed(
        rest[-1],
        clock=rebooted,
        recorded_at="2026-09-21T13:00:00.000000Z",
    )
    events = (changed(first, recorded_at="2026-09-21T12:59:59.000000Z"), *rest[:-1], last)

    assert attempt_in_full(events, attempt_row(events)).took_us == 1_000_000


def test_a_restart_noticed_before_the_intent_does_not_name_the_attempt() -> None:
    """Every change records what it notices before it starts (RULINGS 14)."""
    restart, intent = history(RESTART)[-1], history(WHOLE)[1]
    name = uuid_of(1, "a")
    events = (changed(restart, attempt=name), changed(intent, attempt=name))

    row = attempt_row(events)

    assert (row.verb, row.vsn, row.outcome) == ("install", "4.4.16", OPEN)


def package_name(package: Mapping[str, Any] | None) -> str | None:
    return None if package is None else str(package["name"])
