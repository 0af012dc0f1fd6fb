"""The record, read only: events in the order of the log, straight from ``ledger.db``.

Reading needs the standard library alone: no event store, no keys, no domain. Nothing here can
write: the file is opened with ``mode=ro``. SQLite cannot read a database in WAL mode whose
folder it may not write; such a one is copied, with its ``-wal``, and the copy is read
(evidence.md 8). An entry that cannot be read stops the reader and is named; whether entries
are as they were signed is for ``verify`` to say. An entry that carries another ledger's event is
read as that event, and says from where it was imported.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ledger.errors import EvidenceError, UsageError

if TYPE_CHECKING:
    from projections.unwrap import Imported

LEDGER_NAME = "ledger.db"
ADDRESS_NAME = "address"
"""The file that names the server of a ledger in PostgreSQL."""

_SELECT = (
    "SELECT l.idx, l.originator_id, l.originator_version, l.leaf_hash, e.topic, e.state FROM log_leaf AS l"
    # A leaf whose event is gone must be noticed, not skipped.
    " LEFT JOIN stored_events AS e"
    " ON e.originator_id = l.originator_id AND e.originator_version = l.originator_version"
    " WHERE l.idx >= ? AND l.idx < ?"
)
_CARRIES = ".event_imported.v1"
_BEYOND = 2**63 - 1
_PAGE = 1000
_COPY_TRIES = 10


class LedgerNotFoundError(UsageError):
    """There is no ledger where it was looked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no ledger at {path.parent}",
            fact=f"{path} does not exist",
            hint="name the ledger with --ledger or RELEASE_LEDGER, or make one with `release-ledger init --root DIR`",
        )
        self.path = path


class LedgerUnreadableError(UsageError):
    """The ledger is there and cannot be read."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"the ledger at {path.parent} cannot be read",
            fact=f"{path}: {cause}",
            hint="run this as the user who owns the ledger, for example with sudo",
        )
        self.path = path


class NotALedgerError(UsageError):
    """The file is no ledger: another program's, or damaged beyond reading."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"{path} is not a ledger",
            fact=cause,
            hint="name the folder of the ledger with --ledger; a damaged one comes back from a back-up",
        )
        self.path = path


class EntryError(EvidenceError):
    """An entry of the log cannot be read."""

    def __init__(self, number: int, fault: str) -> None:
        super().__init__(
            f"event {number} cannot be read",
            fact=fault,
            hint="run `release-ledger verify`, which names what is not as it was signed",
        )
        self.number = number


class StoredEvent(NamedTuple):
    """One entry of the log: *state* is the leaf, byte for byte, *envelope* what it says.

    Of an *imported* event *topic* and *envelope* are its own; the place in the log and *state* are those of the
    entry that carries it.
    """

    number: int
    stream: str
    version: int
    topic: str
    leaf_hash: bytes
    state: bytes
    envelope: Mapping[str, Any]
    imported: "Imported | None" = None

    @property
    def entry(self) -> Mapping[str, Any]:
        """The envelope of the entry itself: of an imported event that of the one that carries it."""
        entry: Mapping[str, Any] = self.envelope if self.imported is None else json.loads(self.state)
        return entry

    @property
    def data(self) -> Mapping[str, Any]:
        """The event's own members."""
        data: Mapping[str, Any] = self.envelope["data"]
        return data


@contextmanager
def open_ledger(folder: Path) -> Iterator[sqlite3.Connection]:
    """Give a read-only connection to the ledger in *folder*.

    Raises: LedgerNotFoundError, LedgerUnreadableError, NotALedgerError; the errors of the server for one in PostgreSQL.
    """
    if os.path.isfile(folder / ADDRESS_NAME):  # noqa: PTH113 # unlike pathlib, it says no where it may not look
        from projections.postgres import open_served  # noqa: PLC0415 # a ledger in a folder needs no libpq

        with open_served(folder) as served:
            # It takes the same statements and gives the same rows, which is all that a reader asks of it.
            yield cast("sqlite3.Connection", served)
        return
    path = folder / LEDGER_NAME
    _check_readable(path)
    connection = _connect(path)
    if connection is not None:
        try:
            yield connection
        finally:
            connection.close()
        return
    with _copied(path) as connection:
        yield connection


@contextmanager
def as_it_was(folder: Path) -> Iterator[None]:
    """Keep SQLite from moving what a killed command left in the ``-wal`` into the database, for the length of a look.

    The last connection that closes would do that, unless it may only read.
    """
    try:
        waiting = _wal_of(folder / LEDGER_NAME).stat().st_size > 0
    except OSError:
        waiting = False
    if not waiting:
        yield
        return
    with open_ledger(folder):
        yield


def read_events(
    ledger: sqlite3.Connection,
    *,
    start: int = 0,
    stop: int | None = None,
    stream: str | None = None,
    topics: Sequence[str] = (),
) -> Iterator[StoredEvent]:
    """Give the events from number *start* up to, not including, *stop*; of one *stream* where it is named.

    With *topics* those of them that are stored under one; one that is missing is then not noticed.
    Raises: EntryError for an entry that is missing or does not read.
    """
    condition, more = ("", tuple(topics)) if stream is None else (" AND l.originator_id = ?", (stream, *topics))
    condition += f" AND e.topic IN ({', '.join('?' * len(topics))})" if topics else ""
    statement = f"{_SELECT}{condition} ORDER BY l.idx"
    try:
        if type(ledger) is sqlite3.Connection:
            rows: Iterator[Any] = ledger.execute(statement, (start, _BEYOND if stop is None else stop, *more))
        else:
            rows = _pages(ledger, statement, (start, log_size(ledger) if stop is None else stop), more)
        for row in rows:
            yield _stored(*row)
    except sqlite3.Error as exc:
        raise EntryError(start, f"it, or one after it: {exc}") from exc


def _pages(ledger: sqlite3.Connection, statement: str, limits: tuple[int, int], more: tuple[str, ...]) -> Iterator[Any]:
    """Yield the rows of *statement* between *limits* a page at a time: a server gives each result whole."""
    start, stop = limits
    while start < stop:
        rows = ledger.execute(f"{statement} LIMIT {_PAGE}", (start, stop, *more)).fetchall()
        yield from rows
        if len(rows) < _PAGE:
            return
        start = rows[-1][0] + 1


def log_size(ledger: sqlite3.Connection) -> int:
    """Return the number of events in the log."""
    return int(_first(ledger, "SELECT coalesce(max(idx) + 1, 0) FROM log_leaf"))


def leaf_hash_at(ledger: sqlite3.Connection, number: int) -> bytes | None:
    """Return the stored leaf hash of event *number*, None beyond the end."""
    found = _first(ledger, "SELECT leaf_hash FROM log_leaf WHERE idx = ?", number)
    return None if found is None else bytes(found)


def root_at(ledger: sqlite3.Connection, size: int) -> str | None:
    """Return the root that the checkpoint of *size* events names, None where no commit ended there."""
    found = note_at(ledger, size)
    if found is None:
        return None
    note = found.decode("utf-8", "replace")
    # evidence.md 3.3: origin, size, root hash.
    lines = note.split("\n", 3)
    return lines[2] if len(lines) > 3 else None  # noqa: PLR2004 # three lines and what follows


def note_at(ledger: sqlite3.Connection, size: int) -> bytes | None:
    """Return the checkpoint of *size* events, None where no commit ended there."""
    found = _first(ledger, "SELECT note FROM log_checkpoint WHERE size = ?", size)
    return found.encode() if isinstance(found, str) else None if found is None else bytes(found)


def _first(ledger: sqlite3.Connection, statement: str, *parameters: int) -> Any:  # noqa: ANN401 # a value of SQLite has the type of its column
    try:
        row = ledger.execute(statement, parameters).fetchone()
    except sqlite3.Error as exc:
        raise EntryError(parameters[0] if parameters else 0, f"the log cannot be searched: {exc}") from exc
    return None if row is None else row[0]


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise LedgerNotFoundError(path) from exc
    except OSError as exc:
        raise LedgerUnreadableError(path, exc.strerror or str(exc)) from exc


def _connect(path: Path) -> sqlite3.Connection | None:
    """Return a connection that has read, None where only a copy can be read."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM log_leaf, stored_events LIMIT 1").fetchone()
    except sqlite3.OperationalError as exc:
        connection.close()
        if exc.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            return None
        raise _unusable(path, exc) from exc
    except sqlite3.DatabaseError as exc:
        connection.close()
        raise _unusable(path, exc) from exc
    return connection


def _unusable(path: Path, exc: sqlite3.DatabaseError) -> UsageError:
    if exc.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return NotALedgerError(path, str(exc))
    return LedgerUnreadableError(path, str(exc))


@contextmanager
def _copied(path: Path) -> Iterator[sqlite3.Connection]:
    from ledger.temporary import temporary_folder  # noqa: PLC0415 # only a reader without rights in the folder needs it

    with temporary_folder("release-ledger-") as folder:
        copy = folder / LEDGER_NAME
        for _ in range(_COPY_TRIES):
            before = _shape(path)
            _copy_with_wal(path, copy)
            # Neither file changed meanwhile: the pair is one that a writer left.
            if before == _shape(path):
                break
        else:
            raise LedgerUnreadableError(path, "it changes faster than it can be copied")
        connection = _connect(copy)
        if connection is None:
            raise LedgerUnreadableError(path, f"its copy in {folder} cannot be opened")
        try:
            yield connection
        finally:
            connection.close()


def _wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _shape(path: Path) -> tuple[tuple[int, int, int] | None, ...]:
    shapes: list[tuple[int, int, int] | None] = []
    for file in (path, _wal_of(path)):
        try:
            found = file.stat()
        except FileNotFoundError:
            shapes.append(None)
        else:
            shapes.append((found.st_ino, found.st_size, found.st_mtime_ns))
    return tuple(shapes)


def _copy_with_wal(path: Path, copy: Path) -> None:
    from shutil import copyfile  # noqa: PLC0415 # as above

    try:
        copyfile(path, copy)
        try:
            copyfile(_wal_of(path), _wal_of(copy))
        except FileNotFoundError:
            _wal_of(copy).unlink(missing_ok=True)
    except OSError as exc:
        raise LedgerUnreadableError(path, exc.strerror or str(exc)) from exc


def _stored(
    number: int, stream: str, version: int, leaf_hash: bytes, topic: str | None, state: bytes | None
) -> StoredEvent:
    if topic is None or state is None:
        raise EntryError(number, "the log has its hash, the event itself is missing")
    try:
        envelope = json.loads(state)
    except (ValueError, RecursionError, TypeError) as exc:
        raise EntryError(number, f"it is not JSON: {exc}") from exc
    if not isinstance(envelope, dict) or not isinstance(envelope.get("data"), dict):
        raise EntryError(number, "it is no envelope with data")
    if envelope.get("v") != 1:
        from ledger.domain.envelope import UnknownEnvelopeError  # noqa: PLC0415 # costs more than the whole read

        raise UnknownEnvelopeError(envelope.get("v"))
    # evidence.md 1.3 (5): the state alone binds the other columns.
    if (envelope.get("stream"), envelope.get("version"), envelope.get("type")) != (stream, version, topic):
        raise EntryError(number, "its stream, version or type is another than the row says")
    if topic.endswith(_CARRIES):
        return _imported(number, stream, version, leaf_hash, state, envelope)
    return StoredEvent(number, stream, version, topic, bytes(leaf_hash), bytes(state), envelope)


def _imported(
    number: int, stream: str, version: int, leaf_hash: bytes, state: bytes, envelope: Mapping[str, Any]
) -> StoredEvent:
    from projections.unwrap import Imported, NoEventCarriedError, carried_by  # noqa: PLC0415 # most ledgers have imported nothing

    try:
        found = carried_by(envelope)
        imported = Imported(found.origin, found.number, envelope["recorded_at"], envelope["actor"]["id"], found.through)
    except (NoEventCarriedError, KeyError, TypeError) as exc:
        raise EntryError(number, f"the entry was imported, and {exc}") from exc
    topic: str = found.envelope["type"]
    return StoredEvent(number, stream, version, topic, bytes(leaf_hash), bytes(state), found.envelope, imported)
