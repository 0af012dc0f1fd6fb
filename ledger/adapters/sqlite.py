"""The ledger in one file of SQLite: events and leaves in one transaction.

What it adds to the library's store: the envelope is the stored state; each event gets the next
dense leaf index in the transaction that stores it, and that index + 1 is its notification id
(rowids are reused after a deletion, RULINGS 11); a commit is known by its id, so that a retry
is answered and not doubled. The first statement of an append is a write: a transaction that
reads first fails with "database is locked" whatever the timeout (evidence.md 8).

Durability: WAL with ``synchronous=FULL``, asserted at every open (evidence.md 5.3). The file is
made by ``create_database`` only, with mode 0600; opening never creates one.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import IntegrityError, Notification, StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteFactory,
)

from ledger.adapters.mapper import EnvelopeMapper
from ledger.adapters.moved_ledger import refuse_moved
from ledger.adapters.sqlite_errors import translated
from ledger.adapters.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION, create_statements
from ledger.adapters.sqlite_tree import SignedTree
from ledger.adapters.tip_guard import GuardBehindError
from ledger.application.record_ports import Disclosure, Guard, LogRecorder, LogSigner, Recording
from ledger.errors import EvidenceError, FailedError, UsageError
from ledger.tlog.merkle import hash_leaf

LOCK_TIMEOUT_SECONDS = 5
_CACHED_STATEMENTS = 128
_FULL = 2
_HIGHEST = 2**62
_NO_LOG = "it is not in write-ahead mode"
_PAGE = 1000
_ROWS = (
    "SELECT l.idx + 1 AS id, e.originator_id, e.originator_version, e.topic, e.state "
    "FROM log_leaf AS l CROSS JOIN stored_events AS e USING (originator_id, originator_version) "
)
_STREAM = (
    "SELECT originator_version, topic, state FROM stored_events "
    "WHERE originator_id = ? AND originator_version > ? AND originator_version <= ? "
    "ORDER BY originator_version LIMIT ?"
)
_STREAM_DESC = _STREAM.replace("LIMIT", "DESC LIMIT")


class DurabilityError(UsageError):
    """The database does not keep a commit through a loss of power."""

    def __init__(self, path: str, fact: str) -> None:
        super().__init__(
            f"the ledger {path} is not durable here",
            fact=fact,
            hint="keep the ledger on a local file system that supports shared memory and fsync",
        )


class NotALedgerError(UsageError):
    """A file is a database of SQLite, but no ledger."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not a ledger",
            fact="the header of the file names another application",
            hint="name the folder that `release-ledger init` made",
        )


class UnknownSchemaError(EvidenceError):
    """The tables are of a version that this tool does not know."""

    kind = "undecided"

    def __init__(self, path: str, version: int) -> None:
        super().__init__(
            f"the ledger {path} has tables of version {version}",
            fact=f"this tool knows version {SCHEMA_VERSION}",
            hint="use the version of release-ledger that wrote it, or a later one",
        )


def create_database(path: Path) -> None:
    """Make an empty ledger at *path*, readable and writable by its owner only.

    Raises: FileExistsError where there is a file already; OSError; LedgerSpaceError, LedgerAccessError,
    DurabilityError.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with translated(str(path)), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in create_statements():
            connection.execute(statement)
        connection.execute("COMMIT")
        # Last, so that all of it is in this one file: closing says nothing where it could not copy the log.
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise DurabilityError(str(path), _NO_LOG)


def connect(path: Path, *, lock_timeout: float = LOCK_TIMEOUT_SECONDS) -> sqlite3.Connection:
    """Return a connection to the ledger at *path* that is durable, in auto-commit mode.

    Raises: LedgerAccessError, NotALedgerError, UnknownSchemaError, DurabilityError, LedgerDamagedError.
    """
    with translated(str(path)):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",  # never creates a file
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            cached_statements=_CACHED_STATEMENTS,
            timeout=lock_timeout,
        )
        try:
            _settle(connection, str(path))
        except BaseException:
            connection.close()
            raise
    connection.row_factory = sqlite3.Row
    return connection


def _settle(connection: sqlite3.Connection, path: str) -> None:
    def value(pragma: str) -> Any:  # noqa: ANN401 # a pragma answers with a number or a word
        return connection.execute(f"PRAGMA {pragma}").fetchone()[0]

    if value("application_id") != APPLICATION_ID:
        raise NotALedgerError(path)
    version = value("user_version")
    if version != SCHEMA_VERSION:
        raise UnknownSchemaError(path, version)
    if value("journal_mode") != "wal":
        raise DurabilityError(path, _NO_LOG)
    connection.execute("PRAGMA synchronous = FULL")
    if value("synchronous") != _FULL:
        raise DurabilityError(path, "it does not wait for the disk")


class LedgerPool(SQLiteConnectionPool):
    """Connections as ``connect`` makes them: the library's cache one statement (``cached_statements=True``)."""

    def _create_connection(self) -> SQLiteConnection:
        connection = connect(Path(self.db_name), lock_timeout=self.lock_timeout or LOCK_TIMEOUT_SECONDS)
        return SQLiteConnection(sqlite_conn=connection, max_age=self.max_age)


class LedgerDatastore(SQLiteDatastore):
    """The library's store over our connections; what SQLite reports leaves it in our words."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), originator_id_type="text")
        self.path = path
        self.pool = LedgerPool(db_name=str(path))  # the library names its own pool class, which opens nothing yet

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """Run the block in one transaction.

        Raises: the errors of ``sqlite_errors``; IntegrityError for a key that exists.
        """
        with translated(str(self.path)), super().transaction(commit=commit) as cursor:
            yield cursor


class LedgerRecorder(SQLiteApplicationRecorder, LogRecorder):
    """Stores the events of one commit with their leaves, and serves them in the order of the log."""

    datastore: LedgerDatastore

    def __init__(
        self, datastore: LedgerDatastore, *, signer: LogSigner | None = None, guard: Guard | None = None
    ) -> None:
        super().__init__(datastore)
        self._guard = guard
        self._tree = SignedTree(signer, guard) if signer and guard else None

    def construct_create_table_statements(self) -> list[str]:
        """Return nothing: ``create_database`` alone makes tables (evidence.md 8)."""
        return []

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return events in the order of the log; an id is the leaf index + 1."""
        conditions, params = ["1"], []
        if start is not None:
            conditions.append("l.idx >= ?")
            params.append(start - 1 if inclusive_of_start else start)
        if stop is not None:
            conditions.append("l.idx < ?")
            params.append(stop)
        conditions.extend([f"e.topic IN ({','.join('?' * len(topics))})"] if topics else [])
        statement = f"{_ROWS} WHERE {' AND '.join(conditions)} ORDER BY l.idx LIMIT ?"
        with self.datastore.transaction(commit=False) as c:
            c.execute(statement, (*params, *topics, limit))
            return [Notification(row[1], row[2], row[3], row[4], id=row[0]) for row in c.fetchall()]

    def verify_tail(self) -> None:
        """Hold the newest events against their leaves, tiles, checkpoint and tip guard (PRODUCT section 8).

        Raises: LeafAlteredError, TipError, SignatureError, FormatError; LedgerMovedError.
        """
        if self._tree is not None:
            with self.datastore.transaction(commit=False) as c:
                self._tree.verify_tail(c)
                _refuse_moved(c)

    def streams(self) -> tuple[str, ...]:
        """Return the ids of all streams, in the order of their first event."""
        with self.datastore.transaction(commit=False) as c:
            c.execute("SELECT originator_id FROM log_leaf GROUP BY originator_id ORDER BY MIN(idx)")
            return tuple(row[0] for row in c.fetchall())

    def holding(self, text: bytes, *, limit: int) -> Sequence[Notification]:
        """Return the events whose stored bytes hold *text*, in the order of the log."""
        with self.datastore.transaction(commit=False) as c:
            c.execute(f"{_ROWS} WHERE instr(e.state, ?) ORDER BY l.idx LIMIT ?", (text, limit))
            return [Notification(row[1], row[2], row[3], row[4], id=row[0]) for row in c.fetchall()]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the events of one stream in the order of their versions."""
        rows = self._select_stream(str(originator_id), gt=gt, lte=lte, desc=desc, limit=limit)
        return [StoredEvent(originator_id, version, topic, state) for version, topic, state in rows]

    def select_states(
        self, stream: str, *, gt: int | None, lte: int | None, desc: bool, limit: int | None
    ) -> Iterator[bytes]:
        """Yield the stored bytes of one stream in the order of their versions, page by page: memory stays flat."""
        while limit is None or limit > 0:
            page = _PAGE if limit is None else min(limit, _PAGE)
            rows = self._select_stream(stream, gt=gt, lte=lte, desc=desc, limit=page)
            for _, _, state in rows:
                yield state
            if len(rows) < page:
                return
            gt, lte = (gt, rows[-1][0] - 1) if desc else (rows[-1][0], lte)
            limit = None if limit is None else limit - page

    def _select_stream(
        self, stream: str, *, gt: int | None, lte: int | None, desc: bool, limit: int | None
    ) -> list[tuple[int, str, bytes]]:
        lowest, highest = -1 if gt is None else gt, _HIGHEST if lte is None else lte
        with self.datastore.transaction(commit=False) as c:
            cursor = c.sqlite_cursor
            cursor.row_factory = None  # plain tuples: half the time of the library's rows
            cursor.execute(_STREAM_DESC if desc else _STREAM, (stream, lowest, highest, -1 if limit is None else limit))
            return cursor.fetchall()

    def _max_notification_id(self, c: SQLiteCursor) -> int:
        c.execute("SELECT MAX(idx) + 1 FROM log_leaf")
        last: int = c.fetchone()[0]  # None in an empty log, as the library's own recorder says
        return last

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        commit_id: str | None = None,
        disclosures: Sequence[Disclosure] = (),
        **_: object,
    ) -> Sequence[int]:
        """Store one commit in one transaction and return its ids; the note leaves after the commit.

        Raises: the errors of ``sqlite_errors`` and of the tree, when nothing was stored; GuardBehindError,
        when all of it was.
        """
        with self.datastore.transaction(commit=True) as c:
            c.execute("UPDATE log_lock SET n = n + 1")  # a write, before anything is read
            if not stored_events:
                return []
            commit_id = commit_id or str(uuid4())
            known = _known_commit(c, commit_id, stored_events)
            if known:
                return known
            newest = self._tree.check(c) if self._tree else None
            size = (newest.size if newest else 0) if self._tree else self._max_notification_id(c) or 0
            leaf_hashes = [hash_leaf(event.state) for event in stored_events]
            self._insert_rows(c, stored_events, leaf_hashes, size)
            c.execute("INSERT INTO log_commit VALUES (?,?,?)", (commit_id, size, size + len(stored_events) - 1))
            for disclosure in disclosures:
                _disclose(c, disclosure)
            states = [event.state for event in stored_events]
            note = self._tree.grow(c, states, leaf_hashes=leaf_hashes, newest=newest) if self._tree else b""
        if note and self._guard:
            try:
                self._guard.swap(note)
            except FailedError as exc:
                raise GuardBehindError(exc) from exc
        return list(range(size + 1, size + 1 + len(stored_events)))

    def _insert_rows(
        self, c: SQLiteCursor, events: Sequence[StoredEvent], leaf_hashes: Sequence[bytes], size: int
    ) -> None:
        _refuse_moved(c)
        places = [(str(event.originator_id), event.originator_version) for event in events]
        rows = [(*place, event.topic, event.state) for place, event in zip(places, events, strict=True)]
        leaves = [(size + at, *place, leaf_hashes[at]) for at, place in enumerate(places)]
        c.executemany(self.insert_events_statement, rows)
        c.executemany("INSERT INTO log_leaf VALUES (?,?,?,?)", leaves)


def _refuse_moved(c: SQLiteCursor) -> None:
    def first_row(statement: str) -> Any:  # noqa: ANN401 # a row of SQLite has what its columns have
        c.execute(statement)
        return c.fetchone()

    refuse_moved(first_row)


def _known_commit(c: SQLiteCursor, commit_id: str, events: Sequence[StoredEvent]) -> Sequence[int]:
    """Return the ids under which this commit was stored before, none where it was not.

    A retry after a lost answer seals its events anew, so places are compared and not bytes.
    """
    c.execute(
        "SELECT idx + 1, originator_id, originator_version FROM log_commit "
        "JOIN log_leaf ON idx BETWEEN first_idx AND last_idx WHERE commit_id = ? ORDER BY idx",
        (commit_id,),
    )
    rows = c.fetchall()
    if rows and [tuple(row[1:]) for row in rows] != [(str(e.originator_id), e.originator_version) for e in events]:
        raise IntegrityError(f"commit {commit_id} holds other events")
    return [row[0] for row in rows]


def _disclose(c: SQLiteCursor, disclosure: Disclosure) -> None:
    # The same fact with the same salt may be told again, as all events of one command share it.
    c.execute(
        "INSERT INTO disclosure SELECT ?,?,? WHERE NOT EXISTS (SELECT 1 FROM disclosure WHERE commitment = ?)",
        (disclosure.commitment, disclosure.salt, disclosure.value, disclosure.commitment),
    )


class LedgerFactory(SQLiteFactory):
    """Builds the parts of a ledger in SQLite; the application finds it by its name (RULINGS 1)."""

    def __init__(self, env: Any) -> None:  # noqa: ANN401 # the library's own signature
        super().__init__(env)
        self.datastore.close()
        self.datastore: LedgerDatastore = LedgerDatastore(Path(str(self.env.get(self.SQLITE_DBNAME))))

    def application_recorder(self) -> LedgerRecorder:
        """Return a recorder that does not sign; ``CREATE_TABLE`` has no effect."""
        return LedgerRecorder(self.datastore)

    def ledger_mapper(self, recording: Recording) -> EnvelopeMapper:
        """Return the mapper that seals events."""
        return EnvelopeMapper(recording)

    def ledger_recorder(self, recording: Recording) -> LedgerRecorder:
        """Return the recorder; it never creates a table."""
        return LedgerRecorder(self.datastore, signer=recording.signer, guard=recording.guard)
