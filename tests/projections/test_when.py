"""Moments that a user names."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import UsageError
from projections.attempts import Attempt
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable, Sight
from projections.position import At, Position
from projections.timestamp import microseconds_between, stored_time
from projections.when import (
    EventNumber,
    FromLast,
    IdStart,
    Instant,
    NoSuchEventError,
    WhenError,
    bound_of,
    parse_when,
    resolve_when,
)

NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
ID, OTHER_ID = "0193f2a4-0000-7000-8000-000000000001", "0193f2a5-0000-7000-8000-000000000001"


class TimesView:
    """A view of which only the times and two ids are known."""

    def __init__(self, times: Sequence[str]) -> None:
        self._times = times

    def size(self) -> int:
        return len(self._times)

    def nodes(self, *, at: At | None = None, stream: str | None = None) -> tuple[NodeTable, ...]:
        raise AssertionError(at, stream)

    def seen(self, *, at: At | None = None) -> tuple[Sight, ...]:
        raise AssertionError(at)

    def origins(self, *, at: At | None = None) -> Mapping[str, tuple[str, ...]]:
        raise AssertionError(at)

    def lines(self, wanted: HistoryFilter, *, oldest_first: bool = False) -> Iterator[Line]:
        raise AssertionError(wanted, oldest_first)

    def notes(self) -> tuple[Line, ...]:
        raise AssertionError

    def attempt(self, attempt: str) -> Attempt | None:
        raise AssertionError(attempt)

    def attempt_events(self, attempt: str) -> tuple[int, ...]:
        raise AssertionError(attempt)

    def attempts_at(self, vsn: str, *, since: int) -> tuple[Attempt, ...]:
        raise AssertionError(vsn, since)

    def fleet_plans(self) -> tuple[Line, ...]:
        raise AssertionError

    def plan_events(self, plan: str) -> tuple[int, ...]:
        raise AssertionError(plan)

    def latest_time(self, number: int) -> str:
        return max(self._times[: number + 1])

    def first_time(self) -> str:
        return self._times[0]

    def position_at(self, moment: str) -> Position | None:
        number = max((n for n, found in enumerate(self._times) if found <= moment), default=None)
        return None if number is None else Position(number, stamped_later=self.latest_time(number) > moment)

    def counted(self, numbers: Sequence[int], *, at: Position) -> frozenset[int]:
        raise AssertionError(numbers, at)

    def ids_starting(self, prefix: str, *, at: Position | None = None) -> tuple[tuple[str, int], ...]:
        ids = enumerate((ID, OTHER_ID)[: None if at is None else at.number + 1])
        return tuple((name, n) for n, name in ids if name.startswith(prefix))


def at(minute: int) -> str:
    return f"2026-03-30T03:{minute:02}:00.000000Z"


@pytest.fixture
def zone() -> Iterator[None]:
    """Live in Berlin, where summer time began on 29 March 2026."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", EventNumber(0)),
        ("12", EventNumber(12)),
        ("last", FromLast(0)),
        ("last~0", FromLast(0)),
        ("last~2", FromLast(2)),
        ("now", FromLast(0)),
        ("0193F2A4", IdStart("0193f2a4")),
        (ID, IdStart(ID)),
        ("0193", IdStart("0193")),
        ("2026-03-30T03:42:00Z", Instant("2026-03-30T03:42:00.000000Z")),
        ("2026-03-30t03:42z", Instant("2026-03-30T03:42:00.000000Z")),
        ("2026-03-30 03:42:00.123456789+02:00", Instant("2026-03-30T01:42:00.123456Z")),
        ("2026-03-30T03:42:00.5Z", Instant("2026-03-30T03:42:00.500000Z")),
        ("2h ago", Instant("2026-03-30T10:00:00.000000Z")),
        ("90 minutes ago", Instant("2026-03-30T10:30:00.000000Z")),
        ("1 week ago", Instant("2026-03-23T12:00:00.000000Z")),
        ("0s ago", Instant("2026-03-30T12:00:00.000000Z")),
        ("3 Days Ago", Instant("2026-03-27T12:00:00.000000Z")),
    ],
)
def test_each_form_names_its_moment(text: str, moment: object) -> None:
    assert parse_when(text, now=NOON) == moment


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("yesterday 03:42", "2026-03-29T01:42:00.000000Z"),
        ("yesterday 3:42", "2026-03-29T01:42:00.000000Z"),
        ("yesterday 1:30:10", "2026-03-29T00:30:10.000000Z"),
        ("yesterday", "2026-03-28T23:00:00.000000Z"),
        ("today", "2026-03-29T22:00:00.000000Z"),
        ("2026-03-29", "2026-03-28T23:00:00.000000Z"),
        ("2026-03-30 03:42", "2026-03-30T01:42:00.000000Z"),
    ],
)
def test_a_time_without_an_offset_is_local_with_the_summer_time_of_that_day(text: str, stored: str) -> None:
    assert parse_when(text, now=NOON) == Instant(stored)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "01",
        "+5",
        "1_0",
        " 5",
        "\u0665",
        "last~",
        "last~-1",
        "last~01",
        "LAST~x",
        "2026-02-30",
        "2026-03-30T25:00:00Z",
        "2026-03-30T03:42:60Z",
        "2026-03-30T03:42:00+99:00",
        "0000-01-01",
        "yesterday 24:00",
        "yesterday 3:4",
        "h ago",
        "1.5h ago",
        "2 fortnights ago",
        "999999999w ago",
        "tomorrow",
        "0193f2a4-0000-7000-8000-0000000000011",
        "0001-01-01T00:00:00+23:59",
        "12\n",
    ],
)
def test_anything_else_is_no_moment(text: str) -> None:
    with pytest.raises(WhenError) as caught:
        parse_when(text, now=NOON)

    assert caught.value.code == 1
    assert "last~2" in caught.value.hint


@given(text=st.text(max_size=40) | st.from_regex(r"[0-9T:.Zz+ -]{1,30}", fullmatch=True))
def test_no_text_breaks_the_parser(text: str) -> None:
    """STYLE: no ValueError leaks out of a parser of untrusted text."""
    with suppress(UsageError):
        parse_when(text, now=NOON)


@given(
    moment=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001 # the zone is drawn beside it
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_a_time_is_the_same_in_every_offset(moment: datetime, minutes: int) -> None:
    named = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    parsed = parse_when(named.isoformat(timespec="microseconds"), now=NOON)

    assert parsed == Instant(stored_time(named))


@given(
    earlier=st.datetimes(min_value=datetime(1970, 1, 1)),  # noqa: DTZ001 # UTC is added below
    later=st.datetimes(min_value=datetime(1970, 1, 1)),  # noqa: DTZ001 # as above
)
def test_stored_times_order_as_texts_and_measure_exactly(earlier: datetime, later: datetime) -> None:
    """evidence.md 1.1: UTC, exactly six digits."""
    first, second = stored_time(earlier.replace(tzinfo=UTC)), stored_time(later.replace(tzinfo=UTC))

    assert (first < second) == (earlier < later)
    assert timedelta(microseconds=microseconds_between(first, second)) == later - earlier


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("1", Position(1)),
        ("last", Position(3)),
        ("last~3", Position(0)),
        ("0193f2a5", Position(1)),
        ("2026-03-30T03:10:00Z", Position(0)),
        ("2026-03-30T03:59:00Z", Position(3)),
    ],
)
def test_a_moment_rests_on_an_event(text: str, position: Position) -> None:
    view = TimesView((at(10), at(20), at(30), at(40)))

    assert resolve_when(view, text, now=NOON) == position


def test_after_a_clock_went_back_the_last_event_by_number_counts() -> None:
    """PRODUCT section 7: order is the index; the answer says that it holds a later stamp."""
    view = TimesView((at(10), at(50), at(20), at(40)))

    assert resolve_when(view, "2026-03-30T03:25:00Z", now=NOON) == Position(2, stamped_later=True)
    assert resolve_when(view, "2026-03-30T03:15:00Z", now=NOON) == Position(0)
    assert resolve_when(view, "2026-03-30T03:50:00Z", now=NOON) == Position(3)


@given(minutes=st.lists(st.integers(0, 59), min_size=1), first=st.integers(0, 59), second=st.integers(0, 59))
def test_a_later_time_never_answers_with_less(minutes: list[int], first: int, second: int) -> None:
    view = TimesView([at(minute) for minute in minutes])
    answers = []
    for minute in sorted((first, second)):
        try:
            answers.append(resolve_when(view, at(minute), now=NOON).number)
        except NoSuchEventError:
            answers.append(-1)

    assert answers == sorted(answers)


@given(minutes=st.lists(st.integers(0, 59), min_size=1))
def test_an_event_counts_at_the_time_that_it_carries(minutes: list[int]) -> None:
    view = TimesView([at(minute) for minute in minutes])

    for number, minute in enumerate(minutes):
        assert resolve_when(view, at(minute), now=NOON).number >= number


@pytest.mark.parametrize("text", ["4", "last~4", "2026-03-30T03:09:59.999999Z", "dead", "99999999999999"])
def test_where_the_log_has_no_event_it_says_what_it_has(text: str) -> None:
    view = TimesView((at(10), at(20), at(30), at(40)))

    with pytest.raises(NoSuchEventError) as caught:
        resolve_when(view, text, now=NOON)

    assert caught.value.fact
    assert caught.value.code == 1


@pytest.mark.parametrize("text", ["0", "last", "1h ago"])
def test_an_empty_log_says_so(text: str) -> None:
    with pytest.raises(NoSuchEventError) as caught:
        resolve_when(TimesView(()), text, now=NOON)

    assert caught.value.fact == "the log has no events yet"


def test_a_start_of_two_ids_names_both() -> None:
    with pytest.raises(WhenError) as caught:
        resolve_when(TimesView((at(1), at(2))), "0193", now=NOON)

    assert ID in caught.value.fact
    assert OTHER_ID in caught.value.fact


def test_a_bound_of_a_filter_keeps_a_time_and_resolves_the_rest() -> None:
    view = TimesView((at(10), at(20)))

    assert bound_of(view, "2h ago", now=NOON) == "2026-03-30T10:00:00.000000Z"
    assert bound_of(view, "last", now=NOON) == 1
