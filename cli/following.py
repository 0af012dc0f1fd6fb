"""Following the log of a fleet from the command line: what a follower tells, and the signals that end it."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

from cli.exit_codes import DONE
from cli.ledger_place import address_in
from cli.session import Session
from ledger.errors import UsageError
from projections.follower import Follower, State, Told

SCHEMA = "release-ledger/follow/1"
_SECONDS_BETWEEN = 1.0
_ENDING = (signal.SIGTERM, signal.SIGINT)


class FolderFollowedError(UsageError):
    """A ledger in a folder has nothing to follow."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is no ledger in PostgreSQL",
            fact="the view of a ledger in a folder is kept up to date by each command",
            hint="name the database: --ledger postgresql://USER@HOST/DATABASE",
        )
        self.folder = folder


def follow_log(*, once: bool, session: Session) -> int:
    """Keep the views of the ledger up to date until a signal ends it; with *once*, catch them up.

    Raises: FolderFollowedError; the errors of following; KeyboardInterrupt, at a place where it breaks nothing.
    """
    address = address_in(session.settings.ledger.value)
    if address is None:
        raise FolderFollowedError(session.settings.ledger.value)
    with _ended_by_signals() as stopping:
        follower = Follower(address, told=_Teller(session).tell, stopping=stopping)
        if once:
            follower.catch_up()
        else:
            follower.follow()
    return DONE


class _Teller:
    """Tells what a follower does."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told_at = -_SECONDS_BETWEEN

    def tell(self, told: Told) -> None:
        """Print it: on stderr for people, on stdout as JSON for machines."""
        if self._session.json:
            fact = {"fact": told.fact} if told.fact else {}
            record = {"schema": SCHEMA, "state": str(told.state), "tree_size": told.size, **fact}
            self._session.terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
        elif told.state is State.LOST:
            self._session.terminal.warn(f"{told.fact}; it is tried again")
        elif told.state is not State.FOLDED:
            if not self._session.options.quiet:
                self._session.terminal.complain(f"{told.state}: {told.size} events folded\n")
        elif monotonic() - self._told_at >= _SECONDS_BETWEEN:
            # Of many small batches, a line each second tells enough.
            self._told_at = monotonic()
            self._session.terminal.advise(f"folded: {told.size} events")


@contextmanager
def _ended_by_signals() -> Iterator[Event]:
    """Give an event that SIGTERM and SIGINT set; the second of them acts as it does elsewhere.

    Raises: KeyboardInterrupt behind the block, where it was SIGINT.
    """
    stopping, received = Event(), list[int]()
    before = {number: signal.getsignal(number) for number in _ENDING}

    def stop(number: int, _: object) -> None:
        received.append(number)
        stopping.set()
        for ending in _ENDING:
            signal.signal(ending, before[ending])

    try:
        for number in _ENDING:
            signal.signal(number, stop)
        yield stopping
    finally:
        for number in _ENDING:
            signal.signal(number, before[number])
    if signal.SIGINT in received:
        raise KeyboardInterrupt
