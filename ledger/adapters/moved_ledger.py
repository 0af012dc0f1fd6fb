"""A ledger in SQLite that has moved: its last event says where it goes on, and nothing is appended behind that.

The event alone tells, so a copy of the folder is refused as well. Reading, verifying and exporting
go on working.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ledger.domain.envelope import unseal_event
from ledger.domain.ledger_events import LedgerMoved
from ledger.errors import LedgerError, RefusedError

_NEWEST = "SELECT topic FROM stored_events ORDER BY rowid DESC LIMIT 1"
_STATE = "SELECT state FROM stored_events ORDER BY rowid DESC LIMIT 1"


class LedgerMovedError(RefusedError):
    """The ledger goes on elsewhere, so nothing is recorded here any more."""

    def __init__(self, *, to: str, origin: str) -> None:
        super().__init__(
            f"this ledger has moved: it goes on as {origin}",
            fact=f"its last event says so, and that it lies at {to}",
            hint=f"give `--ledger {to}`; a move that broke off is finished by `release-ledger move --to {to}`",
        )
        self.to, self.origin = to, origin


def refuse_moved(execute: Callable[[str], Any]) -> None:
    """Let nothing be appended to a ledger that has moved; *execute* runs a statement and returns its first row.

    Raises: LedgerMovedError.
    """
    newest = execute(_NEWEST)
    if newest is None or newest[0] != LedgerMoved.TOPIC:
        return
    event = unseal_event(bytes(execute(_STATE)[0]))
    if isinstance(event, LedgerMoved):
        raise LedgerMovedError(to=event.to, origin=event.to_origin)


def has_moved(database: Path) -> bool:
    """Tell whether the ledger in the file *database* has moved; one that cannot be read has not."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            refuse_moved(lambda statement: connection.execute(statement).fetchone())
    except LedgerMovedError:
        return True
    except (LedgerError, sqlite3.Error, TypeError):
        return False
    return False
