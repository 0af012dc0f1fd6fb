"""Moments: readings of a clock, as records hold them. Apart from the ports of recording, which need the event store."""

from typing import Protocol

from ledger.dataclass import dataclass
from ledger.domain.envelope import ClockReading


@dataclass(frozen=True)
class Moment:
    """One reading of a clock: the time as records hold it, and what stands behind it."""

    recorded_at: str
    clock: ClockReading


class Clock(Protocol):
    """Tells the time of a record."""

    def read(self) -> Moment:
        """Return the present moment."""
        ...
