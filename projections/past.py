"""A view as it was after one of its events: what came later is not there, and what it closed is open.

Every question gets the answer that the same view gave then, so a command that reads a view reads
the past without knowing it (PRODUCT section 4: reads take ``--at WHEN``).
"""

from collections.abc import Iterator

from ledger.dataclass import replace
from projections.attempts import OPEN, Attempt
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable, Sight
from projections.view import View


class PastView:
    """*view* after its event *last*."""

    def __init__(self, view: View, *, last: int) -> None:
        self._view = view
        self._last = last

    def size(self) -> int:
        """Return the number of events that were folded."""
        return self._last + 1

    def nodes(self, *, at: int | None = None, stream: str | None = None) -> tuple[NodeTable, ...]:
        """Return the table of each node after event *at*, after the newest of then for None."""
        return self._view.nodes(at=self._last if at is None else min(at, self._last), stream=stream)

    def seen(self, *, at: int | None = None) -> tuple[Sight, ...]:
        """Return, for each installation, the newest event of then that was learnt from it."""
        return self._view.seen(at=self._last if at is None else min(at, self._last))

    def lines(self, wanted: HistoryFilter, *, oldest_first: bool = False) -> Iterator[Line]:
        """Return the lines that were wanted."""
        return self._view.lines(replace(wanted, before=self._bound(wanted.before)), oldest_first=oldest_first)

    def notes(self) -> tuple[Line, ...]:
        """Return the line of every note and correction that was made by then, oldest first."""
        return tuple(line for line in self._view.notes() if line.number <= self._last)

    def attempt(self, attempt: str) -> Attempt | None:
        """Return an attempt as it stood."""
        row = self._view.attempt(attempt)
        return None if row is None or row.first_event > self._last else self._then(row)

    def attempt_events(self, attempt: str) -> tuple[int, ...]:
        """Return the numbers of the events that an attempt had, oldest first."""
        return tuple(number for number in self._view.attempt_events(attempt) if number <= self._last)

    def attempts_at(self, vsn: str, *, since: int) -> tuple[Attempt, ...]:
        """Return the attempts at release *vsn* that began after event *since*, each as it stood."""
        every = self._view.attempts_at(vsn, since=since)
        return tuple(self._then(row) for row in every if row.first_event <= self._last)

    def fleet_plans(self) -> tuple[Line, ...]:
        """Return the line of every fleet plan that was made by then, newest first."""
        return tuple(line for line in self._view.fleet_plans() if line.number <= self._last)

    def plan_events(self, plan: str) -> tuple[int, ...]:
        """Return the numbers of the events about a fleet plan by then, oldest first."""
        return tuple(number for number in self._view.plan_events(plan) if number <= self._last)

    def latest_time(self, number: int) -> str:
        """Return the latest time that an event up to *number* carries."""
        return self._view.latest_time(number)

    def newest_at(self, moment: str) -> int | None:
        """Return the highest number of an event by then whose ``recorded_at`` is *moment* or before."""
        number = self._view.newest_at(moment)
        if number is None or number <= self._last:
            return number
        # The clock went back after then: what that event hides is looked for one by one.
        newest = next(self.lines(HistoryFilter(until=moment, limit=1)), None)
        return None if newest is None else newest.number

    def ids_starting(self, prefix: str, *, before: int | None = None) -> tuple[tuple[str, int], ...]:
        """Return up to two ids of then with this start, each with its last event of then."""
        return tuple(
            (found, number if number <= self._last else self.attempt_events(found)[-1])
            for found, number in self._view.ids_starting(prefix, before=self._bound(before))
        )

    def _then(self, row: Attempt) -> Attempt:
        if row.last_event <= self._last:
            return row
        # The event that closes an attempt is its last one.
        return row._replace(outcome=OPEN, last_event=self.attempt_events(row.attempt)[-1])

    def _bound(self, before: int | None) -> int:
        return self.size() if before is None else min(before, self.size())
