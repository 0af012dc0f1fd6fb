"""One line of the table of budgets: a ratio measured in one run, and its limit (PRODUCT section 13)."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """What was measured: *value* is a speed, as a part of the speed that it is held against.

    A row without a limit explains another one and breaks nothing.
    """

    what: str
    against: str
    value: float
    at_least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the budget holds."""
        return self.at_least is None or self.value >= self.at_least

    def __str__(self) -> str:
        limit = "no limit" if self.at_least is None else f">= {self.at_least:.2f} {'ok' if self.holds else 'OVER'}"
        return f"{self.what:<28} {self.value:6.2f}  {limit:<12} of {self.against}"


@dataclass(frozen=True)
class Cost:
    """What was measured: *value* is a cost, as a multiple of the cost that it is held against.

    A row without a limit explains another one and breaks nothing.
    """

    what: str
    against: str
    value: float
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the budget holds."""
        return self.at_most is None or self.value <= self.at_most

    def __str__(self) -> str:
        limit = "no limit" if self.at_most is None else f"<= {self.at_most:.2f} {'ok' if self.holds else 'OVER'}"
        return f"{self.what:<28} {self.value:6.2f}  {limit:<12} of {self.against}"


@dataclass(frozen=True)
class NotMeasured:
    """A row that stands for what could not be measured here: *why* says what is missing."""

    what: str
    why: str
    holds: bool = True

    def __str__(self) -> str:
        return f"{self.what:<28}      -  not measured: {self.why}"


def seconds(act: Callable[[], object]) -> float:
    """Return the time that *act* takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def compare(ours: Callable[[], object], bare: Callable[[], object], *, rounds: int) -> float:
    """Return the speed of *ours* as a part of that of *bare*: medians of rounds that alternate."""
    pairs = [(seconds(ours), seconds(bare)) for _ in range(rounds)]
    return statistics.median(pair[1] for pair in pairs) / statistics.median(pair[0] for pair in pairs)


def report(ratios: Iterable[Ratio | Cost | NotMeasured]) -> int:
    """Print the table and return the exit code: 1 where a budget is broken."""
    rows = tuple(ratios)
    for row in rows:
        print(row)
    return int(not all(row.holds for row in rows))
