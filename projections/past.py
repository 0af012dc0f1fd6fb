"""A view as it was after one of its events: what came later is not there, and what it closed is open.

Every question gets the answer that the same view gave then, so a command that reads a view reads
the past without knowing it (PRODUCT section 4: reads take ``--at WHEN``).
"""

from collections.abc import Iterator, Mapping, Sequence

from ledger.dataclass import replace
from projections.attempts import OPEN, Attempt
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable, Sight
from projections.position import At, Position, position_of
from projections.view import View


class PastView:
    """*view* after its event *last*, or as it was at a position in time."""

    def __init__(self, view: View, *, last: At) -> None:
        self._view = view
        self._last = position_of(last)

    def size(self) -> int:
        """Return the number of events that were folded."""
        return self._last.number + 1

    def nodes(self, *, at: At | None = None, stream: str | None = None) -> tuple[NodeTable, ...]:
        """Return the table of each node as it was *at*, after the newest event of then for None."""
        return self._view.nodes(at=self._bound(at), stream=stream)

    def seen(self, *, at: At | None = None) -> tuple[Sight, ...]:
        """Return, for each installation, the newest event of then that was learnt from it."""
        return self._view.seen(at=self._bound(at))

    def origins(self, *, at: At | None = None) -> Mapping[str, tuple[str, ...]]:
        """Return the logs from which events of an installation had been imported, by its stream."""
        return self._view.origins(at=self._bound(at))

    def lines(self, wanted: HistoryFilter, *, oldest_first: bool = False) -> Iterator[Line]:
        """Return the lines that were wanted."""
        return self._view.lines(replace(wanted, at=self._bound(wanted.at)), oldest_first=oldest_first)

    def notes(self) -> tuple[Line, ...]:
        """Return the line of every note and correction that was made by then, oldest first."""
        return self._lines_of_then(self._view.notes())

    def attempt(self, attempt: str) -> Attempt | None:
        """Return an attempt as it stood."""
        row = self._view.attempt(attempt)
        return None if row is None or not self._counts(row.first_event) else self._then(row)

    def attempt_events(self, attempt: str) -> tuple[int, ...]:
        """Return the numbers of the events that an attempt had, oldest first."""
        return self._of_then(self._view.attempt_events(attempt))

    def attempts_at(self, vsn: str, *, since: int) -> tuple[Attempt, ...]:
        """Return the attempts at release *vsn* that began after event *since*, each as it stood."""
        every = self._view.attempts_at(vsn, since=since)
        begun = self._view.counted([row.first_event for row in every], at=self._last)
        return tuple(self._then(row) for row in every if row.first_event in begun)

    def fleet_plans(self) -> tuple[Line, ...]:
        """Return the line of every fleet plan that was made by then, newest first."""
        return self._lines_of_then(self._view.fleet_plans())

    def plan_events(self, plan: str) -> tuple[int, ...]:
        """Return the numbers of the events about a fleet plan by then, oldest first."""
        return self._of_then(self._view.plan_events(plan))

    def latest_time(self, number: int) -> str:
        """Return the latest time that an event of this ledger's own up to *number* carries."""
        return self._view.latest_time(number)

    def first_time(self) -> str:
        """Return the time of the first event, recorded here or imported."""
        return self._view.first_time()

    def position_at(self, moment: str) -> Position | None:
        """Return how far history counts at *moment* and by then."""
        position = self._view.position_at(moment)
        if position is None or (position.moment is None and position.number <= self._last.number):
            return position
        # What came after then hides the event: it is looked for one by one.
        newest = next(self.lines(HistoryFilter(until=moment, limit=1)), None)
        if newest is None:
            return None
        return Position(newest.number, stamped_later=self.latest_time(newest.number) > moment)

    def counted(self, numbers: Sequence[int], *, at: Position) -> frozenset[int]:
        """Return those of *numbers* of events that count *at* a position and by then."""
        return self._view.counted(tuple(self._view.counted(numbers, at=at)), at=self._last)

    def ids_starting(self, prefix: str, *, at: Position | None = None) -> tuple[tuple[str, int], ...]:
        """Return up to two ids of then with this start, each with its last event of then."""
        return tuple(
            (found, number if self._counts(number) else self.attempt_events(found)[-1])
            for found, number in self._view.ids_starting(prefix, at=self._bound(at))
        )

    def _then(self, row: Attempt) -> Attempt:
        if self._counts(row.last_event):
            return row
        # The event that closes an attempt is its last one.
        return row._replace(outcome=OPEN, last_event=self.attempt_events(row.attempt)[-1])

    def _counts(self, number: int) -> bool:
        return bool(self._view.counted((number,), at=self._last))

    def _of_then(self, numbers: Sequence[int]) -> tuple[int, ...]:
        found = self._view.counted(numbers, at=self._last)
        return tuple(number for number in numbers if number in found)

    def _lines_of_then(self, lines: Sequence[Line]) -> tuple[Line, ...]:
        found = self._view.counted([line.number for line in lines], at=self._last)
        return tuple(line for line in lines if line.number in found)

    def _bound(self, at: At | None) -> Position:
        """Return the earlier of *at* and then."""
        position = position_of(at)
        return self._last if at is None or position.number >= self._last.number else position
