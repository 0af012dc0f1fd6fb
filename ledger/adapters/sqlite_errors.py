"""What SQLite reports, in the ledger's words.

An error of the store means that nothing of the commit was recorded. A key that exists already
stays the library's ``IntegrityError``: the caller knows whether it is a conflict.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import ConnectionUnavailableError, IntegrityError, PersistenceError

from ledger.adapters.sqlite_schema import REFUSED
from ledger.errors import EvidenceError, LedgerError, LockedError, UsageError

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_CLOSED = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH})
_PRIMARY = 0xFF  # sqlite.org/rescode.html: the low byte is the primary result code


class LedgerBusyError(LockedError):
    """Another process writes to the ledger, for longer than we wait."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the ledger {path} is busy",
            fact="another process holds its write lock",
            hint="try again; nothing was recorded",
        )
        self.path = path


class LedgerSpaceError(UsageError):
    """The ledger cannot be written for want of space, or because the disk fails."""

    def __init__(self, path: str, fact: str) -> None:
        super().__init__(
            f"the ledger {path} cannot be written",
            fact=fact,
            hint="make room on its file system and try again; nothing of this commit was recorded",
        )
        self.path = path


class LedgerAccessError(UsageError):
    """The ledger cannot be opened, or is read-only for this user."""

    def __init__(self, path: str, fact: str) -> None:
        super().__init__(
            f"the ledger {path} cannot be used",
            fact=fact,
            hint="run as the user who owns the ledger's folder, and see that its file system is writable",
        )
        self.path = path


class LedgerDamagedError(EvidenceError):
    """The file of the ledger is no sound database."""

    def __init__(self, path: str, fact: str) -> None:
        super().__init__(
            f"the ledger {path} is damaged",
            fact=fact,
            hint="keep the file as it is, restore a backup beside it and run `release-ledger verify` on both",
        )
        self.path = path


class StoreError(UsageError):
    """The store refused a statement for a reason without a name of its own."""

    def __init__(self, path: str, fact: str) -> None:
        super().__init__(
            f"the ledger {path} cannot be used",
            fact=fact,
            hint="run `release-ledger check`; nothing of this commit was recorded",
        )
        self.path = path


class TriggerRefusedError(UsageError):
    """A trigger that is none of ours refuses what is written."""

    def __init__(self, path: str, fact: str) -> None:
        super().__init__(
            f"a trigger in the ledger {path} refuses the commit",
            fact=f"it says {fact!a}, which none of the ledger's own does",
            hint="`release-ledger verify` names it; find out who made it and have it dropped; nothing was recorded",
        )
        self.path = path


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn what SQLite reports inside the block into the ledger's errors; conflicts of keys pass."""
    try:
        yield
    except ConnectionUnavailableError as exc:
        raise LedgerBusyError(path) from exc
    except (sqlite3.Error, PersistenceError) as exc:
        reported = exc if isinstance(exc, sqlite3.Error) else exc.__cause__
        if isinstance(exc, IntegrityError) or isinstance(reported, sqlite3.IntegrityError):
            if getattr(reported, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
                _refuse_foreign(path, str(reported), exc)
            raise
        raise _translated(path, reported or exc) from exc


def _refuse_foreign(path: str, said: str, exc: BaseException) -> None:
    if not said.endswith(REFUSED):
        raise TriggerRefusedError(path, said) from exc


def _translated(path: str, exc: BaseException) -> LedgerError:
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code in _BUSY:
        return LedgerBusyError(path)
    if code in _DAMAGED:
        return LedgerDamagedError(path, str(exc))
    if code in _CLOSED:
        return LedgerAccessError(path, str(exc))
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return LedgerSpaceError(path, str(exc))
    return StoreError(path, str(exc))
