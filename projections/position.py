"""How far history counts for an answer: up to an event, or up to a time.

A number N means the events up to it. A time T means everything that had been recorded by T,
wherever that was: of the ledger's own events those up to the last one that is not later than T,
and of each ledger that was imported its events up to the last of them that is not later than T,
though they stand further up in this log.
"""

from typing import NamedTuple


class Position(NamedTuple):
    """The highest *number* of an event that counts.

    With a *moment*, not all below it do: of the ledger's own events those up to number *native*
    count, of imported ones those that counted at that time where they were recorded. *newest* is
    then the event with the latest time. *stamped_later* tells that an event which counts carries
    a later time than was asked for.
    """

    number: int
    stamped_later: bool = False
    moment: str | None = None
    native: int = -1
    newest: int = -1

    @property
    def own(self) -> int:
        """The last of the ledger's own events that counts."""
        return self.number if self.moment is None else self.native

    @property
    def event(self) -> int:
        """The event that the position names."""
        return self.number if self.moment is None else self.newest


At = int | Position
"""A number means the events up to it."""


def position_of(at: At | None) -> Position:
    """Return the position that *at* means; None means all there is."""
    if isinstance(at, Position):
        return at
    return Position(2**62 if at is None else at)
