"""What every view must do, wherever it is kept (``projections/view.py``).

A new view is one small class that binds this suite: it derives from ``ViewContract`` and says
how a view with its log is opened.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from typing import Protocol

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from projections.history import WORDS, HistoryFilter
from projections.past import PastView
from projections.position import Position
from projections.unwrap import WRAPPERS
from projections.view import View
from tests.projections import imports
from tests.projections.fleets import EXCUSED, INTENT, OTHER, PLAN, PLANNED, REFUSED, TURN, fleet_log
from tests.projections.histories import MOVES, VSNS, Leaf, Move, histories, played, time_of, uuid_of
from tests.projections.independent import envelopes_of, name_of, nodes_after, seen_after

FILTERS = st.builds(
    HistoryFilter,
    since=st.none()
    | st.integers(0, 30)
    | st.integers(-5, 90).map(lambda m: time_of(1_790_000_000_000_000 + m * 60_000_000)),
    until=st.none()
    | st.integers(0, 30)
    | st.integers(-5, 90).map(lambda m: time_of(1_790_000_000_000_000 + m * 60_000_000)),
    at=st.none() | st.integers(0, 30).map(Position),
    types=st.lists(st.sampled_from(sorted(WORDS)), max_size=3).map(tuple),
    vsn=st.none() | st.sampled_from(VSNS),
    actor=st.none() | st.sampled_from(("os:0", "os:1")),
    ticket=st.none() | st.sampled_from(("CHG-1", "CHG-3", "none")),
    node=st.none() | st.sampled_from(("emqx@a", "emqx@b", "release:emqx@a", "release:emqx@b:rehearsal:0123abcd")),
    failed=st.booleans(),
    limit=st.none() | st.integers(1, 5),
)


def examples(count: int) -> settings:
    """Return settings for a test that each class which binds the suite runs anew."""
    # These take the place of those of the profile, where a slow machine is no failure either.
    allowed = [HealthCheck.too_slow, HealthCheck.differing_executors]
    return settings(max_examples=count, suppress_health_check=allowed)


class KeptView(Protocol):
    """A view together with the log that it follows."""

    @property
    def view(self) -> View:
        """The view."""
        ...

    def append(self, leaves: Sequence[Leaf]) -> None:
        """Append to the log."""

    def replace(self, leaves: Sequence[Leaf]) -> None:
        """Put another log in the place of this one."""

    def catch_up(self, *, batch: int = 1000) -> None:
        """Fold what the view has not."""

    def rows(self) -> object:
        """Return every row that is kept, to compare two views whole."""


class ViewContract(ABC):
    """The suite."""

    @abstractmethod
    def opened(self) -> AbstractContextManager[KeptView]:
        """Open an empty view of an empty log."""

    def test_an_empty_log_has_an_empty_view(self) -> None:
        with self.opened() as kept:
            kept.catch_up()

            assert kept.view.size() == 0
            assert kept.view.nodes() == ()
            assert tuple(kept.view.lines(HistoryFilter())) == ()
            assert kept.view.position_at("9999-12-31T23:59:59.999999Z") is None

    @examples(40)
    @given(log=histories(), cuts=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=6))
    def test_catching_up_in_any_batches_is_folding_afresh(
        self, log: tuple[Leaf, ...], cuts: list[tuple[int, int]]
    ) -> None:
        """PRODUCT: schema change = rebuild, so the two must not differ in a single row."""
        with self.opened() as stepwise, self.opened() as afresh:
            position = 0
            for count, batch in cuts:
                stepwise.append(log[position : position + count])
                position += count
                stepwise.catch_up(batch=batch)
            stepwise.append(log[position:])
            stepwise.catch_up()
            afresh.append(log)
            afresh.catch_up()

            assert stepwise.view.size() == len(log)
            assert stepwise.rows() == afresh.rows()

    @examples(40)
    @given(log=histories())
    def test_the_table_at_each_event_is_that_of_an_independent_fold(self, log: tuple[Leaf, ...]) -> None:
        envelopes = envelopes_of(log)
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up(batch=7)

            for number in range(len(log)):
                found = [table._replace(last_change=0) for table in kept.view.nodes(at=number)]
                assert found == nodes_after(envelopes[: number + 1])
            assert kept.view.nodes() == kept.view.nodes(at=len(log))
            for number in range(len(log)):
                for table in kept.view.nodes(at=number):
                    assert kept.view.nodes(at=number, stream=table.stream) == (table,)
            assert kept.view.nodes(stream="release:nobody@nowhere") == ()

    @examples(40)
    @given(log=histories())
    def test_a_node_was_last_seen_by_its_newest_event_with_a_driver(self, log: tuple[Leaf, ...]) -> None:
        """A note about a node is no look at it."""
        envelopes = envelopes_of(log)
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up(batch=7)

            for number in range(len(log)):
                found = {sight.stream: sight for sight in kept.view.seen(at=number)}
                assert found == seen_after(envelopes[: number + 1])
            assert set(kept.view.seen()) == set(seen_after(envelopes).values())

    @examples(40)
    @given(log=histories())
    def test_a_table_names_the_event_that_made_it(self, log: tuple[Leaf, ...]) -> None:
        """PRODUCT section 7: the answer comes with the number of the event it rests on."""
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up()

            for number in range(len(log)):
                for table in kept.view.nodes(at=number):
                    assert table.last_change <= number
                    assert table in kept.view.nodes(at=table.last_change)

    @examples(60)
    @given(log=histories(max_size=20), wanted=FILTERS)
    def test_lines_are_those_that_match_newest_first(self, log: tuple[Leaf, ...], wanted: HistoryFilter) -> None:
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up()

            every = tuple(kept.view.lines(HistoryFilter()))
            matching = [line for line in every if wanted.matches(line)]
            assert [line.number for line in every] == list(reversed(range(len(log))))
            assert list(kept.view.lines(wanted)) == matching[: wanted.limit]
            assert list(kept.view.lines(wanted, oldest_first=True)) == matching[: wanted.limit][::-1]

    @examples(30)
    @given(log=histories(max_size=20), wanted=FILTERS, taken=st.integers(0, 9), oldest_first=st.booleans())
    def test_what_is_folded_while_lines_are_read_does_not_change_them(
        self, log: tuple[Leaf, ...], wanted: HistoryFilter, taken: int, *, oldest_first: bool
    ) -> None:
        """A list rests on the events that were there when it was asked for, and stops no writer."""
        with self.opened() as kept:
            kept.append(log[:10])
            kept.catch_up()
            before = list(kept.view.lines(wanted, oldest_first=oldest_first))
            slowly = kept.view.lines(wanted, oldest_first=oldest_first)
            first = list(islice(slowly, taken))

            kept.append(log[10:])
            kept.catch_up()

            assert [*first, *slowly] == before

    def test_many_lines_are_all_of_them_once(self) -> None:
        """However a view reads them: this is longer than its pages."""
        log = played([Move(0, n % 10, n % 4, n % 6, 1_000_000) for n in range(800)])
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up()
            numbers = [line.number for line in kept.view.lines(HistoryFilter())]
            limited = [line.number for line in kept.view.lines(HistoryFilter(limit=1100), oldest_first=True)]
            of_one = list(kept.view.lines(HistoryFilter(vsn=VSNS[1])))

            assert len(log) > 1200
            assert numbers == list(reversed(range(len(log))))
            assert limited == list(range(len(log) - 1100, len(log)))
            assert of_one == [line for line in kept.view.lines(HistoryFilter()) if VSNS[1] in line.vsns]

    @examples(40)
    @given(log=histories())
    def test_a_line_says_what_its_envelope_says(self, log: tuple[Leaf, ...]) -> None:
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up()

            for line, envelope in zip(kept.view.lines(HistoryFilter()), reversed(envelopes_of(log)), strict=True):
                assert (line.stream, line.topic, line.type) == (
                    envelope["stream"],
                    envelope["type"],
                    name_of(envelope),
                )
                assert (line.recorded_at, line.event_id) == (envelope["recorded_at"], envelope["event_id"])
                assert (line.reason, line.ticket) == (envelope.get("reason"), envelope.get("ticket"))
                assert (line.attempt, line.actor) == (envelope.get("attempt"), envelope["actor"]["id"])
                assert line.rehearsal == line.node.endswith("@b") if line.node else False

    @examples(40)
    @given(log=histories())
    def test_a_time_means_the_last_event_by_number_that_is_not_later(self, log: tuple[Leaf, ...]) -> None:
        """PRODUCT section 7: order is the index, never the clock, which may have gone back."""
        times = [envelope["recorded_at"] for envelope in envelopes_of(log)]
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up(batch=5)

            for moment in (*times, "2000-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"):
                expected = max((number for number, time in enumerate(times) if time <= moment), default=None)
                found = kept.view.position_at(moment)
                assert (None if found is None else found[:1]) == (None if expected is None else (expected,))
                assert found is None or found.stamped_later == (max(times[: found.number + 1]) > moment)
            for number in range(len(log)):
                assert kept.view.latest_time(number) == max(times[: number + 1])

    @examples(40)
    @given(log=histories())
    def test_an_attempt_is_its_events_from_intent_to_outcome(self, log: tuple[Leaf, ...]) -> None:
        envelopes = envelopes_of(log)
        names = {e["attempt"] for e in envelopes if "attempt" in e}
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up(batch=3)

            assert kept.view.attempt(uuid_of(0, "none")) is None
            for name in names:
                numbers = [number for number, e in enumerate(envelopes) if e.get("attempt") == name]
                first, last = envelopes[numbers[0]], envelopes[numbers[-1]]
                row = kept.view.attempt(name)
                assert row is not None
                assert kept.view.attempt_events(name) == tuple(numbers)
                assert (row.first_event, row.last_event) == (numbers[0], numbers[-1])
                assert (row.verb, row.vsn) == (first["data"]["verb"], first["data"]["to"])
                assert row.outcome == {
                    "operation_completed": "completed",
                    "operation_refused": "refused",
                    "operation_failed": "failed",
                    "operation_recovered": last["data"].get("result"),
                }.get(name_of(last), "open")

    @examples(20)
    @given(log=histories(max_size=20), length=st.integers(4, 36))
    def test_ids_are_found_by_their_start(self, log: tuple[Leaf, ...], length: int) -> None:
        envelopes = envelopes_of(log)
        last_of = {e["event_id"]: number for number, e in enumerate(envelopes)}
        last_of |= {e["attempt"]: number for number, e in enumerate(envelopes) if "attempt" in e}
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up()

            for name in last_of:
                expected = {(other, n) for other, n in last_of.items() if other.startswith(name[:length])}
                found = kept.view.ids_starting(name[:length])
                assert set(found) <= expected
                assert len(found) == min(2, len(expected))

    @examples(20)
    @given(log=histories(), other=histories())
    def test_a_view_of_another_log_is_folded_afresh(self, log: tuple[Leaf, ...], other: tuple[Leaf, ...]) -> None:
        """A restored ledger, or another one in its place, must not be answered from the old view.

        Ids of events are unique, so the last leaf stands for its log; an edit before it is for ``verify``.
        """
        assume(not log or log[-1] not in other or other[: len(log)] == log)
        with self.opened() as kept, self.opened() as afresh:
            kept.append(log)
            kept.catch_up()
            kept.replace(other)
            kept.catch_up()
            afresh.append(other)
            afresh.catch_up()

            assert kept.rows() == afresh.rows()

    @examples(40)
    @given(log=histories(max_size=20), last=st.integers(0, 30), wanted=FILTERS, moment=st.integers(-5, 90))
    def test_a_view_as_it_was_answers_as_it_did_then(
        self, log: tuple[Leaf, ...], last: int, wanted: HistoryFilter, moment: int
    ) -> None:
        """PRODUCT section 4: reads take ``--at WHEN``; notes of later, and outcomes, are not known then."""
        assume(log)
        last = min(last, len(log) - 1)
        then = time_of(1_790_000_000_000_000 + moment * 60_000_000)
        with self.opened() as kept, self.opened() as kept_then:
            kept.append(log)
            kept.catch_up()
            kept_then.append(log[: last + 1])
            kept_then.catch_up()
            past, real = PastView(kept.view, last=last), kept_then.view

            assert (past.size(), past.nodes(), past.notes()) == (real.size(), real.nodes(), real.notes())
            assert past.nodes(at=last // 2) == real.nodes(at=last // 2)
            assert (past.seen(), past.seen(at=last // 2)) == (real.seen(), real.seen(at=last // 2))
            assert [*past.lines(wanted)] == [*real.lines(wanted)]
            assert [*past.lines(wanted, oldest_first=True)] == [*real.lines(wanted, oldest_first=True)]
            assert (past.position_at(then), past.latest_time(last)) == (real.position_at(then), real.latest_time(last))
            for envelope in envelopes_of(log):
                attempt = envelope.get("attempt", "")
                assert past.attempt(attempt) == real.attempt(attempt)
                assert past.attempt_events(attempt) == real.attempt_events(attempt)
                for name in (attempt or envelope["event_id"], envelope["event_id"]):
                    assert set(past.ids_starting(name)) == set(real.ids_starting(name))

    @examples(15)
    @given(
        ours=st.lists(MOVES, max_size=6),
        theirs=st.lists(MOVES, min_size=1, max_size=6),
        others=st.lists(MOVES, max_size=3),
        later=st.lists(MOVES, max_size=4),
        cut=st.integers(0, 20),
    )
    def test_an_imported_history_answers_at_a_time_as_it_did_in_its_own_ledger(
        self, ours: list[Move], theirs: list[Move], others: list[Move], later: list[Move], cut: int
    ) -> None:
        """Issue 9: histories of single hosts stand in one ledger, and a time means what was recorded by then."""
        first = imports.elsewhere(played(theirs))
        second = imports.elsewhere(played(others), names="ef", salt="0196")
        runs = ((imports.ORIGIN, first[:cut], 0), (imports.OTHER, second, 0), (imports.ORIGIN, first[cut:], cut))
        log = imports.received(ours, later, *(run for run in runs if run[1]))
        with ExitStack() as stack:
            kept, alone = stack.enter_context(self.opened()), stack.enter_context(self.opened())
            kept.append(log)
            kept.catch_up(batch=7)
            for part in (imports.own(log), first, second):
                alone.replace(part)
                alone.catch_up()
                streams = {leaf.stream for leaf in part}
                times = [envelope["recorded_at"] for envelope in envelopes_of(part)]
                for moment in (*times, "2000-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"):
                    assert _answers(kept.view, moment, streams) == _answers(alone.view, moment, streams)

    @examples(15)
    @given(
        before=st.lists(MOVES, min_size=1, max_size=5),
        away=st.lists(MOVES, min_size=1, max_size=5),
        after=st.lists(MOVES, max_size=4),
    )
    def test_what_a_host_recorded_elsewhere_counts_at_its_own_time(
        self, before: list[Move], away: list[Move], after: list[Move]
    ) -> None:
        """A node whose history went on in another ledger for a while has one table at each moment."""
        log = imports.joined(before, away, after)
        inner = imports.unwrapped(log)
        carries = [leaf.topic in WRAPPERS for leaf in log]
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up(batch=7)
            for moment in sorted({envelope["recorded_at"] for envelope in inner}):
                counts = imports.counting(inner, carries, moment)
                position = kept.view.position_at(moment)
                assert position is not None
                past = PastView(kept.view, last=position)
                ends = {inner[n]["stream"]: n for n in sorted(counts)}
                events = [e for n, e in enumerate(inner) if n <= ends.get(e["stream"], -1) and "node" in e]
                assert [table._replace(last_change=0) for table in past.nodes()] == nodes_after(events)
                assert {line.number for line in past.lines(HistoryFilter())} == counts

    def test_a_fleet_plan_is_its_events(self) -> None:
        """Issue 9: a plan is recorded, and each host finds it, its parts and the attempts since."""
        with self.opened() as kept:
            kept.append(fleet_log())
            kept.catch_up(batch=3)
            view = kept.view

            assert [line.plan for line in view.fleet_plans()] == [OTHER.id, PLAN.id]
            assert view.plan_events(PLAN.id) == (*range(PLANNED, EXCUSED + 1), TURN)
            assert view.plan_events("none") == ()
            assert [(a.first_event, a.outcome) for a in view.attempts_at(PLAN.to, since=PLANNED)] == [
                (INTENT, "completed"),
                (REFUSED, "refused"),
            ]
            assert [a.first_event for a in view.attempts_at(PLAN.to, since=INTENT)] == [REFUSED]
            assert view.attempts_at(PLAN.to, since=REFUSED) == ()

    @pytest.mark.parametrize("last", range(len(fleet_log())))
    def test_the_past_of_a_fleet_is_what_the_view_was_then(self, last: int) -> None:
        log = fleet_log()
        with self.opened() as kept, self.opened() as kept_then:
            kept.append(log)
            kept.catch_up()
            kept_then.append(log[: last + 1])
            kept_then.catch_up()
            past, real = PastView(kept.view, last=last), kept_then.view

            assert set(past.seen()) == set(real.seen())
            assert past.fleet_plans() == real.fleet_plans()
            assert past.plan_events(PLAN.id) == real.plan_events(PLAN.id)
            assert past.attempts_at(PLAN.to, since=0) == real.attempts_at(PLAN.to, since=0)

    def test_a_view_asked_twice_takes_every_event_once(self) -> None:
        log = played(())
        with self.opened() as kept:
            kept.append(log)
            kept.catch_up()
            before = kept.rows()
            kept.catch_up()

            assert kept.rows() == before


def _answers(view: View, moment: str, streams: set[str]) -> object:
    """Return what a view says of *streams* at a moment, without the numbers of events."""
    position = view.position_at(moment)
    if position is None:
        return {}, {}, [], {}
    past = PastView(view, last=position)
    tables = {t.stream: t._replace(last_change=0) for t in past.nodes() if t.stream in streams}
    seen = {sight.stream: sight._replace(number=0) for sight in past.seen() if sight.stream in streams}
    lines = [line for line in past.lines(HistoryFilter(), oldest_first=True) if line.stream in streams]
    attempts = {line.attempt: past.attempt(line.attempt) for line in lines if line.attempt}
    return (
        tables,
        seen,
        [line._replace(number=0, imported=None, imported_index=None) for line in lines],
        {name: None if row is None else row[:6] for name, row in attempts.items()},
    )
