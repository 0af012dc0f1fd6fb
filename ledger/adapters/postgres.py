"""The ledger in PostgreSQL: events and leaves of a whole fleet, each commit in one transaction.

It is to PostgreSQL what ``ledger.adapters.sqlite`` is to SQLite; evidence.md 5.2 gives the order of an
append. The total order is portable: the transaction locks one row first, and an event's number is
the next dense leaf index, never a sequence, which has gaps.

The library's own append is not used: it commits when a step behind its insert fails, and its table
lock asks for rights that a writer must not have. Nor is its function in the database, which would
go past all of this. Its pool runs threads; a command has none, so connections wait in a list.

A connection that breaks is made again a few times. The append then begins anew with the same
commit id: under the lock it is either known, and answered with what was recorded, or it is not
there. So a lost answer is never taken for a conflict, and a commit that a server kept without its
standby is waited for again.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID, uuid4

from eventsourcing.persistence import BaseInfrastructureFactory, Notification, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore, PostgresFactory
from psycopg.pq import TransactionStatus

from ledger.adapters.mapper import EnvelopeMapper
from ledger.adapters.postgres_append import Append
from ledger.adapters.postgres_errors import AnswerLostError, ConnectionLostError, server_lost, translated
from ledger.adapters.postgres_feed import LogSubscription, announced
from ledger.adapters.postgres_head import Cursor
from ledger.adapters.postgres_schema import WRITER
from ledger.adapters.postgres_server import Connection, connect
from ledger.adapters.postgres_tree import FleetSigner, FleetTree
from ledger.adapters.tip_guard import GuardBehindError
from ledger.application.record_ports import Disclosure, Guard, LogRecorder, Recording
from ledger.errors import FailedError

PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0)
"""Seconds to wait before each further try of a broken connection; a failover takes about so long."""

_PAGE = 1000
_ROWS = (
    "SELECT l.idx + 1 AS id, e.originator_id, e.originator_version, e.topic, e.state "
    "FROM log_leaf AS l JOIN stored_events AS e USING (originator_id, originator_version) "
)
_STREAM = (
    "SELECT originator_version, topic, state FROM stored_events "
    "WHERE originator_id = %s AND originator_version > %s AND originator_version <= %s "
    "ORDER BY originator_version "
)
_HIGHEST = 2**62


class LedgerDatastore(PostgresDatastore):
    """The library's store over our connections; what PostgreSQL reports leaves it in our words."""

    def __init__(self, address: str, *, role: str = WRITER) -> None:
        # The library's pool is made and never opened.
        super().__init__("", "", "", "", "", originator_id_type="text", schema="ledger")
        self.address = address
        self._role = role
        self._idle: list[Connection] = []

    def register_type_adapters(self) -> None:
        """Do nothing: rows are given as arrays, and not as the library's composite type."""

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """Give a connection, which is kept for the next user where it is still sound.

        Raises: as ``connect``; ConnectionLostError and the other errors of ``postgres_errors``.
        """
        connection = self._taken() or connect(self.address, role=self._role)
        try:
            with translated(self.address):
                yield connection
        finally:
            self._keep(connection)

    @contextmanager
    def announcing(self) -> Iterator[None]:
        """Tell whoever follows the log that it grew, while the block runs."""
        connection = self._taken()
        try:
            with announced(connection):
                yield
        finally:
            if connection is not None:
                self._keep(connection)

    def forget(self) -> None:
        """Close the connections that wait: where one broke, the others did too."""
        while connection := self._taken():
            connection.close()

    def close(self) -> None:
        """Close every connection that waits."""
        if hasattr(self, "_idle"):
            self.forget()

    def _keep(self, connection: Connection) -> None:
        if connection.info.transaction_status is TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def _taken(self) -> Connection | None:
        try:
            return self._idle.pop()  # in one step, so two threads never get the same
        except IndexError:
            return None


class LedgerRecorder(PostgresApplicationRecorder, LogRecorder):
    """Stores the events of one commit with their leaves, and serves them in the order of the log."""

    datastore: LedgerDatastore

    def __init__(
        self,
        datastore: LedgerDatastore,
        *,
        signer: FleetSigner | None = None,
        guard: Guard | None = None,
        tree: FleetTree | None = None,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        super().__init__(datastore)
        self._guard = guard
        self._tree = tree or (FleetTree(signer, guard) if signer and guard else None)
        self._pauses = pauses

    def create_table(self) -> None:
        """Do nothing: ``init`` alone makes tables (evidence.md 8)."""

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
        lowest = 0 if start is None else start - 1 if inclusive_of_start else start
        condition = " AND e.topic = ANY(%s)" if topics else ""
        rows = self._read(
            f"{_ROWS} WHERE l.idx >= %s AND l.idx < %s{condition} ORDER BY l.idx LIMIT %s",
            (lowest, _HIGHEST if stop is None else stop, *([list(topics)] if topics else []), limit),
        )
        return [Notification(row[1], row[2], row[3], row[4], id=row[0]) for row in rows]

    def max_notification_id(self) -> int | None:
        """Return the number of events, None for an empty log."""
        ((last,),) = self._read("SELECT max(idx) + 1 FROM log_leaf", ())
        return None if last is None else int(last)

    def verify_tail(self) -> None:
        """Hold the newest events against their leaves, tree, checkpoint and tip guard (PRODUCT section 8).

        Raises: LeafAlteredError, TipError, SignatureError, FormatError.
        """
        if self._tree is None:
            return
        with self._whole() as c:
            self._tree.verify_tail(c)

    def streams(self) -> tuple[str, ...]:
        """Return the ids of all streams, in the order of their first event."""
        rows = self._read("SELECT originator_id FROM log_leaf GROUP BY originator_id ORDER BY min(idx)", ())
        return tuple(row[0] for row in rows)

    def holding(self, text: bytes, *, limit: int) -> Sequence[Notification]:
        """Return the events whose stored bytes hold *text*, in the order of the log."""
        rows = self._read(f"{_ROWS} WHERE position(%s in e.state) > 0 ORDER BY l.idx LIMIT %s", (text, limit))
        return [Notification(row[1], row[2], row[3], row[4], id=row[0]) for row in rows]

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
            yield from (state for _, _, state in rows)
            if len(rows) < page:
                return
            gt, lte = (gt, rows[-1][0] - 1) if desc else (rows[-1][0], lte)
            limit = None if limit is None else limit - page

    def _select_stream(
        self, stream: str, *, gt: int | None, lte: int | None, desc: bool, limit: int | None
    ) -> list[tuple[int, str, bytes]]:
        lowest, highest = -1 if gt is None else gt, _HIGHEST if lte is None else lte
        return self._read(f"{_STREAM}{'DESC' if desc else 'ASC'} LIMIT %s", (stream, lowest, highest, limit))

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        commit_id: str | None = None,
        disclosures: Sequence[Disclosure] = (),
        **_: object,
    ) -> Sequence[int]:
        """Store one commit in one transaction and return its ids; the note leaves after the commit.

        Raises: the errors of ``postgres_errors`` and of the tree, when nothing was stored; AnswerLostError, when
        that is not known; GuardBehindError, when all of it was.
        """
        if not stored_events:
            return []
        append = Append(stored_events, commit_id or str(uuid4()), disclosures, self._tree)
        ids, note = self._tried(append)
        with self.datastore.announcing():
            if note and self._guard:
                try:
                    self._guard.swap(note)
                except FailedError as exc:
                    raise GuardBehindError(exc) from exc
        return ids

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        """Return an iterator over the events behind id *gt*, which waits for more at the end of the log."""
        return LogSubscription(self, address=self.datastore.address, gt=gt, topics=topics)

    def _tried(self, append: Append) -> tuple[Sequence[int], bytes]:
        sent, lost = False, ConnectionLostError()
        for pause in (None, *self._pauses):
            if pause is not None:  # not even for no time: that gives the processor away
                time.sleep(pause)
            try:
                with self.datastore.lent() as connection:
                    return append.run(connection)
            except ConnectionLostError as exc:
                sent, lost = sent or append.sent, exc
                self.datastore.forget()
        if sent:
            raise AnswerLostError(self.datastore.address, append.commit_id, str(lost)) from lost
        raise server_lost(self.datastore.address, str(lost)) from lost

    def _read(self, statement: str, parameters: Sequence[object]) -> list[Any]:
        for pause in (*self._pauses, None):
            try:
                with self.datastore.lent() as connection:
                    return connection.execute(statement, parameters).fetchall()
            except ConnectionLostError as exc:
                self.datastore.forget()
                if pause is None:
                    raise server_lost(self.datastore.address, str(exc)) from exc
                time.sleep(pause)
        raise AssertionError  # the last round returns or raises

    @contextmanager
    def _whole(self) -> Iterator[Cursor]:
        """Give a cursor that sees one state of the ledger."""
        try:
            with self.datastore.lent() as connection, connection.transaction(), connection.cursor() as c:
                c.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield c
        except ConnectionLostError as exc:
            raise server_lost(self.datastore.address, str(exc)) from exc


class LedgerFactory(PostgresFactory):
    """Builds the parts of a ledger in PostgreSQL; the application finds it by its name (RULINGS 1)."""

    ADDRESS = "POSTGRES_LEDGER_ADDRESS"

    def __init__(self, env: Any) -> None:  # noqa: ANN401 # the library's own signature
        # Not the library's own: it asks for host, user and password one by one.
        BaseInfrastructureFactory.__init__(self, env)
        self.datastore: LedgerDatastore = LedgerDatastore(str(self.env.get(self.ADDRESS)))

    def application_recorder(self) -> LedgerRecorder:
        """Return a recorder that does not sign; ``CREATE_TABLE`` and ``ENABLE_DB_FUNCTIONS`` have no effect."""
        return LedgerRecorder(self.datastore)

    def ledger_mapper(self, recording: Recording) -> EnvelopeMapper:
        """Return the mapper that seals events."""
        return EnvelopeMapper(recording)

    def ledger_recorder(self, recording: Recording) -> LedgerRecorder:
        """Return the recorder; it never creates a table."""
        signer = cast("FleetSigner | None", recording.signer)  # as ``postgres_place`` makes it
        return LedgerRecorder(self.datastore, signer=signer, guard=recording.guard)
