"""Whether an identifier stands twice among millions, in little memory.

To remember a million identifiers in a set takes 130 MiB. Identifiers of ours begin with their
time, so each batch is as a rule above all earlier ones, and then only the batch itself must be
looked at. For the rest, 64 bits of each are kept and sorted when somebody asks; where two agree,
the leaves must be read again to see whether the identifiers really do.
"""

from array import array
from collections.abc import Sequence
from itertools import islice
from operator import eq


class Identifiers:
    """The identifiers of one range of a log; another range's may be put behind them.

    *apart* says that no two of them can be the same, since each batch lies above those before it.
    """

    def __init__(self) -> None:
        self.hashes = array("q")
        self.lowest = self.highest = b""
        self.apart = True

    def add(self, batch: Sequence[bytes]) -> None:
        """Put *batch* behind those that are there."""
        if not batch:
            return
        lowest = min(batch)
        self._follow(lowest, max(batch), apart=len(set(batch)) == len(batch))
        self.hashes.extend(map(hash, batch))

    def join(self, later: "Identifiers") -> None:
        """Put those of *later* behind; both were made in one process, or in processes forked from one."""
        if later.hashes:
            self._follow(later.lowest, later.highest, apart=later.apart)
            self.hashes.extend(later.hashes)

    def may_repeat(self) -> bool:
        """Tell whether one of them may stand there twice; False is certain."""
        if self.apart:
            return False
        ordered = sorted(self.hashes)
        return any(map(eq, ordered, islice(ordered, 1, None)))

    def _follow(self, lowest: bytes, highest: bytes, *, apart: bool) -> None:
        self.apart = self.apart and apart and (not self.hashes or lowest > self.highest)
        self.lowest = min(self.lowest, lowest) if self.hashes else lowest
        self.highest = max(self.highest, highest)
