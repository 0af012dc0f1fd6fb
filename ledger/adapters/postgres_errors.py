"""What PostgreSQL reports, in the ledger's words.

An error of the store means that nothing of the commit was recorded, but for
``AnswerLostError``. A key that exists already becomes the library's ``IntegrityError``: the
caller knows whether it is a conflict. What is said names the place without a password, because an
address never holds one (``ledger.adapters.postgres_server``).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from eventsourcing.persistence import IntegrityError
from psycopg import errors

from ledger.adapters.sqlite_errors import LedgerBusyError, LedgerDamagedError, StoreError, TriggerRefusedError
from ledger.errors import FailedError, LedgerError, LockedError, UsageError

# PostgreSQL, appendix A: the first two characters of a code are its class.
_CLASSES: Mapping[str, str] = {"08": "lost", "28": "access", "3D": "access", "53": "space", "58": "space"}
_CODES: Mapping[str, str] = {
    "25006": "standby",  # read_only_sql_transaction
    "40001": "busy",
    "40P01": "busy",  # deadlock_detected
    "42501": "access",  # insufficient_privilege
    "53300": "busy",  # too_many_connections
    "55P03": "busy",  # lock_not_available
    "57014": "busy",  # query_canceled
    "57P01": "lost",  # admin_shutdown
    "57P02": "lost",  # crash_shutdown
    "57P03": "lost",  # cannot_connect_now
    "57P05": "lost",  # idle_session_timeout
    "25P03": "lost",  # idle_in_transaction_session_timeout
    "3F000": "tables",  # invalid_schema_name
    "42P01": "tables",  # undefined_table
    "P0001": "trigger",  # raise_exception
    "XX001": "damaged",
    "XX002": "damaged",
}


# libpq's own words, which are not translated in a program that does not ask for it.
_GUESSES = re.compile(
    r"\s*(?:Is the server running [^?]*\?|This probably means the server terminated abnormally[^.]*\.)\s*"
)

# Of a connection that is refused libpq gives no code; these are the words of a server that speaks English.
_FULL = re.compile(r"too many clients already|remaining connection slots are reserved|too many connections for")


class ServerLostError(UsageError):
    """The server cannot be reached, or went away before the commit was sent."""

    def __init__(self, place: str, fact: str) -> None:
        super().__init__(
            f"the ledger {place} cannot be reached",
            fact=fact,
            hint="see that the server runs and that this host may connect to it; nothing was recorded",
        )
        self.place = place


class ServerFullError(LockedError):
    """The server takes no more connections now."""

    def __init__(self, place: str, fact: str) -> None:
        super().__init__(
            f"the ledger {place} takes no more connections",
            fact=fact,
            hint="try again; where it stays so, give the server more max_connections; nothing was recorded",
        )
        self.place = place


class AnswerLostError(FailedError):
    """The connection broke while the server committed, and it could not be asked again."""

    def __init__(self, place: str, commit_id: str, fact: str) -> None:
        super().__init__(
            f"it is not known whether {place} recorded the last commit",
            fact=f"the connection broke while commit {commit_id} was on its way: {fact}",
            hint="when the server is there again, run `release-ledger recover`: it goes by what was recorded",
        )
        self.place, self.commit_id = place, commit_id


class ServerAccessError(UsageError):
    """The server does not let this user do it."""

    def __init__(self, place: str, fact: str) -> None:
        super().__init__(
            f"the ledger {place} does not admit this user",
            fact=fact,
            hint="changes need a user in the role ledger_writer, reading one in ledger_auditor; `init` made both",
        )
        self.place = place


class ServerSpaceError(UsageError):
    """The server cannot write for want of space or memory, or because its disk fails."""

    def __init__(self, place: str, fact: str) -> None:
        super().__init__(
            f"the ledger {place} cannot be written",
            fact=fact,
            hint="make room on the server and try again; nothing of this commit was recorded",
        )
        self.place = place


class StandbyError(UsageError):
    """The server is a standby, which nobody can write to."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"the ledger {place} cannot be written there",
            fact="the server is a standby, or was set to read only",
            hint="name the primary too, as in postgresql://A,B/DB?target_session_attrs=read-write; where this is it, "
            "see who set default_transaction_read_only",
        )
        self.place = place


class NoTablesError(UsageError):
    """The database is there and holds no ledger."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"there is no ledger in {place}",
            fact="the database has no tables of one",
            hint="make it with `release-ledger init --ledger postgresql://…`, as a user who may create roles",
        )
        self.place = place


class ConnectionLostError(Exception):
    """The connection broke; never shown, because whoever holds it tries again or says what that means."""


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what PostgreSQL reports inside the block into the ledger's errors.

    Raises: ConnectionLostError where the connection is gone; IntegrityError for a key that exists.
    """
    try:
        yield
    except errors.IntegrityError as exc:
        raise IntegrityError(_said(exc)) from exc
    except psycopg.Error as exc:
        if _kind_of(exc) == "lost":
            raise ConnectionLostError(_said(exc)) from exc
        raise error_of(place, exc) from exc


def server_lost(place: str, fact: str) -> ServerLostError | ServerFullError:
    """Return the error for a connection that broke, or was not made, as libpq says in *fact*."""
    return (ServerFullError if _FULL.search(fact) else ServerLostError)(place, fact)


def error_of(place: str, exc: psycopg.Error) -> LedgerError:
    """Return what *exc* means for the ledger at *place*."""
    return _ERRORS.get(_kind_of(exc), StoreError)(place, _said(exc))


def _kind_of(exc: psycopg.Error) -> str:
    code = exc.sqlstate
    if code is None:
        # libpq itself gives no code: a connection that was refused, or broke off.
        return "lost" if isinstance(exc, errors.OperationalError | psycopg.InterfaceError) else "other"
    return _CODES.get(code) or _CLASSES.get(code[:2], "other")


def _said(exc: psycopg.Error) -> str:
    return without_guesses(exc.diag.message_primary or str(exc))


def without_guesses(text: str) -> str:
    """Return what libpq says, on one line, without what it asks and supposes behind each failure."""
    return _GUESSES.sub("; ", " ".join(text.split())).strip("; ")[:500]


_ERRORS: Mapping[str, Callable[[str, str], LedgerError]] = {
    "lost": server_lost,
    "busy": lambda place, _: LedgerBusyError(place),
    "access": ServerAccessError,
    "space": ServerSpaceError,
    "standby": lambda place, _: StandbyError(place),
    "tables": lambda place, _: NoTablesError(place),
    "trigger": TriggerRefusedError,
    "damaged": LedgerDamagedError,
}
