"""Processes that verify ranges of one record at the same time.

They are forked, so they know what this process knows, and each opens the record itself, to be
read only. A process that goes away gives nothing more, which is told as None; one whose parent
went away ends at its next answer. Forking a process that has other threads is not safe, so there
``workers_for`` gives none.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from os import sched_getaffinity

from ledger.application.audit_source import LogSource
from ledger.application.audit_spread import Segment, WalkRange
from ledger.dataclass import dataclass
from ledger.errors import LedgerError

_MOST = 4
_RANGE = 1 << 14  # a tenth of a second, and whole tiles
_WORTH_IT = 4 * _RANGE
_FORK = get_context("fork")

OpenRecord = Callable[[], AbstractContextManager[LogSource]]
Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Workers:
    """*count* processes that each open the record by *open_record* (an ``audit_spread.Spread``)."""

    open_record: OpenRecord
    count: int
    each: int = _RANGE

    def over(self, ranges: Ranges, walk: WalkRange) -> Iterator[Segment | None]:
        """Yield what *walk* returns for each range, in their order; None where its process went away."""
        answers: list[Connection] = []
        processes = []
        try:
            for number in range(self.count):
                answer, give = _FORK.Pipe(duplex=False)
                answers.append(answer)
                work = (self.open_record, walk, ranges[number :: self.count], give, tuple(answers))
                processes.append(_FORK.Process(target=_work, args=work, daemon=True))
                processes[-1].start()
                give.close()
            for at in range(len(ranges)):
                yield _receive(answers[at % self.count])
        finally:
            for process in processes:
                process.terminate()
                process.join()
            for answer in answers:
                answer.close()


def workers_for(open_record: OpenRecord, *, size: int) -> Workers | None:
    """Return the processes for a record of *size* leaves, None where one process is enough or no other can be had."""
    count = min(_MOST, len(sched_getaffinity(0)))
    if count == 1 or size < _WORTH_IT or threading.active_count() > 1:
        return None
    return Workers(open_record, count)


def _work(
    open_record: OpenRecord, walk: WalkRange, ranges: Ranges, give: Connection, inherited: Sequence[Connection]
) -> None:
    # The parent ends its processes itself; and with no reader left, a process must notice.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for connection in inherited:
        connection.close()
    with suppress(BrokenPipeError, LedgerError), open_record() as source:
        for between in ranges:
            give.send(walk(source, between))


def _receive(answer: Connection) -> Segment | None:
    try:
        found: Segment | None = answer.recv()
    except (EOFError, OSError):
        return None
    return found
