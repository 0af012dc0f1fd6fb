"""One commit to PostgreSQL: what goes to the server between the lock of the fleet and COMMIT (evidence.md 5.2).

Every writer of the fleet waits for the one that has the lock, so it is held for two answers of the
server, however far away that is:

1. The lock, the rows, and what the commit rests on: the rows as the server kept them, and the end
   of the log with the newest checkpoint. A number is the next dense index, which the server takes
   under the lock. Nothing of it stands before the commit, so head and guard are compared, and
   what was read back is hashed, before anything is signed; where they disagree, all is rolled back.
2. The signed checkpoint, and COMMIT. One commit in 256 fills a tile; its entries are written and
   read back first, which takes an answer more.

The commit is not made to return before it is on the disk, which would let the next writer begin
sooner: others would read notes that a crash of the server takes back (decision 28).
"""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import IntegrityError, StoredEvent

from ledger.adapters.postgres_head import Cursor, asked_head, head_in
from ledger.adapters.postgres_server import Connection, pipelined
from ledger.adapters.postgres_tree import FleetTree
from ledger.application.record_ports import Disclosure
from ledger.tlog.merkle import hash_leaf

LOCK_SECONDS = 30

_LOCK = "SELECT id FROM log_lock FOR UPDATE"
# Checked and stored in one statement: the rows of a commit stand or fall together. A commit that is
# known stores nothing.
_APPEND = (
    "WITH head AS (SELECT (SELECT coalesce(max(idx) + 1, 0) FROM log_leaf) AS size "
    "WHERE NOT EXISTS (SELECT FROM log_commit WHERE commit_id = %s)), "
    "given AS (SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::bytea[], %s::bytea[]) "
    "WITH ORDINALITY AS g(stream, version, topic, state, leaf_hash, place), head), "
    "events AS (INSERT INTO stored_events SELECT stream, version, topic, state FROM given ORDER BY place), "
    "leaves AS (INSERT INTO log_leaf SELECT size + place - 1, stream, version, leaf_hash FROM given) "
    "INSERT INTO log_commit SELECT %s, size, size + %s - 1 FROM head RETURNING first_idx"
)
# By its key: of a range whose ends it does not know the planner expects a part of the table.
_READ_BACK = (
    "SELECT idx + 1, state, leaf_hash FROM unnest(%s::text[], %s::bigint[]) "
    "WITH ORDINALITY AS g(originator_id, originator_version, place) "
    "LEFT JOIN log_leaf USING (originator_id, originator_version) "
    "LEFT JOIN stored_events USING (originator_id, originator_version) ORDER BY place"
)
_KNOWN = (
    "SELECT idx + 1, originator_id, originator_version FROM log_commit "
    "JOIN log_leaf ON idx BETWEEN first_idx AND last_idx WHERE commit_id = %s ORDER BY idx"
)
_DISCLOSE = "INSERT INTO disclosure VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"


class Append:
    """One commit, which can be tried again; *sent* tells that the server may have committed it."""

    def __init__(
        self,
        events: Sequence[StoredEvent],
        commit_id: str,
        disclosures: Sequence[Disclosure],
        tree: FleetTree | None,
    ) -> None:
        self._places = [(str(event.originator_id), event.originator_version) for event in events]
        self._states = [event.state for event in events]
        streams, versions = zip(*self._places, strict=True)
        topics, leaf_hashes = [event.topic for event in events], [hash_leaf(state) for state in self._states]
        rows = (list(streams), list(versions), topics, self._states, leaf_hashes)
        self._given = (commit_id, *rows, commit_id, len(events))
        self._disclosures = [(kept.commitment, kept.salt, kept.value) for kept in disclosures]
        self._tree = tree
        self.commit_id = commit_id
        self.sent = False

    def run(self, connection: Connection) -> tuple[Sequence[int], bytes]:
        """Append, and return the ids and the note of the commit; no note where nothing is signed.

        Raises: as ``LedgerRecorder.insert_events``; ConnectionLostError.
        """
        self.sent = False
        if self._tree is not None:
            self._tree.prepare(connection)
        # Statements go out without a wait for the answer of the one before; the commit goes with the checkpoint.
        with pipelined(connection), connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            connection.execute(_LOCK)
            first = connection.execute(_APPEND, self._given)
            read_back = connection.execute(_READ_BACK, self._given[1:3], binary=True)
            asked = self._tree.ask(connection, added=len(self._states)) if self._tree else None
            if first.fetchall():
                appended = self._grown(connection, read_back.fetchall(), asked)
            else:
                appended = self._known(connection)
            self.sent = True
        return appended

    def _grown(self, connection: Connection, rows: Sequence[Any], asked: Cursor | None) -> tuple[Sequence[int], bytes]:
        if self._disclosures:
            connection.cursor().executemany(_DISCLOSE, self._disclosures)
        ids, kept = [row[0] for row in rows], [row[1:] for row in rows]
        return ids, self._tree.grow(connection, asked, kept=kept, states=self._states) if self._tree and asked else b""

    def _known(self, connection: Connection) -> tuple[Sequence[int], bytes]:
        """Return what was stored under this commit id before, with its note where it is the newest.

        A retry after a lost answer seals its events anew, so places are compared and not bytes.
        """
        rows = connection.execute(_KNOWN, (self.commit_id,)).fetchall()
        if [row[1:] for row in rows] != self._places:
            raise IntegrityError(f"commit {self.commit_id} holds other events")
        ids, head = [row[0] for row in rows], head_in(asked_head(connection))
        return ids, head.note if head.signed == ids[-1] else b""
