"""Whether a question is answered from less than this host knows of: its tip guard against what is read.

A server that took over without the last commits, or one that was put back from a backup, answers as if nothing
were missing. A change is refused there by its guard; whoever only asks is told. The guard is looked at first:
it moves behind each commit, so it is never ahead of a ledger that is read later. A standby may lag.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from projections.read import log_size

if TYPE_CHECKING:
    from cli.session import Session


def guarded_size(folder: Path) -> int:
    """Return of how many events the guard of this host knows, of a ledger in PostgreSQL; 0 where nothing says it."""
    from ledger.tlog.checkpoint import Checkpoint  # noqa: PLC0415 # only a ledger in PostgreSQL pays for it
    from ledger.tlog.note import Note  # noqa: PLC0415 # as above

    with suppress(OSError, ValueError, LedgerError):
        place = Path((folder / "place").read_text(encoding="utf-8").removesuffix("\n"))
        return Checkpoint.parse(Note.parse((place / "tip").read_bytes()).text).size
    return 0


def tell_of_less(ledger: sqlite3.Connection, guarded: int, session: "Session") -> None:
    """Warn where *ledger* has fewer events than the *guarded* ones."""
    size = log_size(ledger)
    if size < guarded:
        session.terminal.warn(
            f"this host's tip guard holds {guarded} events, and the ledger that answers has {size}: a standby may "
            "lag, else events are lost: run `release-ledger verify`"
        )
