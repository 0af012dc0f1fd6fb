"""The border of a view: what a reader may ask of folded history, wherever it is kept.

A view holds the first ``size()`` events of the log, no more and no less; its answers rest on
these alone. It is disposable: a reader that finds it damaged, deleted or made for another log
folds it afresh. Every view passes ``tests/contracts/view.py``.

Lists that grow with the history are streamed. Between two lines nothing is locked: whoever
reads them slowly, or never to the end, keeps no writer from the view.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from projections.attempts import Attempt
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable, Sight
from projections.position import At, Position


class View(Protocol):
    """Folded history of one ledger."""

    def size(self) -> int:
        """Return the number of events that are folded."""
        ...

    def nodes(self, *, at: At | None = None, stream: str | None = None) -> tuple[NodeTable, ...]:
        """Return the table of each node as it was *at*, after the newest event for None; in order of registration.

        Those that had left the ledger by then are not among them; with *stream* that one alone is.
        """
        ...

    def seen(self, *, at: At | None = None) -> tuple[Sight, ...]:
        """Return, for each installation, the newest event up to *at* that was learnt from it, through a driver."""
        ...

    def origins(self, *, at: At | None = None) -> Mapping[str, tuple[str, ...]]:
        """Return the logs from which events of an installation were imported up to *at*, by its stream."""
        ...

    def lines(self, wanted: HistoryFilter, *, oldest_first: bool = False) -> Iterator[Line]:
        """Return the lines that are wanted, newest first, of the events that are folded now.

        They are read as they are asked for. With *oldest_first* the same ones come in the order
        of the log: a limit still counts from the newest.
        """
        ...

    def notes(self) -> tuple[Line, ...]:
        """Return the line of every note and correction, oldest first."""
        ...

    def attempt(self, attempt: str) -> Attempt | None:
        """Return an attempt by its id."""
        ...

    def attempt_events(self, attempt: str) -> tuple[int, ...]:
        """Return the numbers of the events of an attempt, oldest first."""
        ...

    def attempts_at(self, vsn: str, *, since: int) -> tuple[Attempt, ...]:
        """Return the attempts at release *vsn* that began after event *since*, in the order of the log."""
        ...

    def fleet_plans(self) -> tuple[Line, ...]:
        """Return the line of every fleet plan, newest first."""
        ...

    def plan_events(self, plan: str) -> tuple[int, ...]:
        """Return the numbers of the events that are about a fleet plan, oldest first."""
        ...

    def latest_time(self, number: int) -> str:
        """Return the latest time that an event of this ledger's own up to *number* carries; below ``size()``."""
        ...

    def first_time(self) -> str:
        """Return the time of the first event, recorded here or imported; ``size()`` is not 0."""
        ...

    def position_at(self, moment: str) -> Position | None:
        """Return how far history counts at a time, as events store it; None where nothing had been recorded."""
        ...

    def counted(self, numbers: Sequence[int], *, at: Position) -> frozenset[int]:
        """Return those of *numbers* of events that count *at* a position."""
        ...

    def ids_starting(self, prefix: str, *, at: Position | None = None) -> tuple[tuple[str, int], ...]:
        """Return up to two ids, of events and of attempts, with this start, each with its last event.

        With *at* they are those of events that count there, and of attempts whose first event does.
        """
        ...
