"""A ledger in PostgreSQL as a verifier reads it: one state of it, in a transaction that can write nothing.

The role ``ledger_auditor`` is enough. Leaves come in the order of ``log_leaf.idx``, a tile's worth at a
time; what lies outside the tree is looked for from both sides. What grows with the ledger is
fetched from a cursor of the server, some thousand rows at a time: memory stays flat.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, groupby, zip_longest
from typing import Any

import psycopg

from ledger.adapters.postgres_errors import ConnectionLostError, ServerLostError, error_of, translated
from ledger.adapters.postgres_schema import REFUSAL, TABLES, rail_of
from ledger.adapters.postgres_server import Connection, reached
from ledger.application.audit_source import (
    HeldNote,
    Nature,
    PartMissingError,
    PartWrongError,
    StoredDisclosure,
    StoredLeaf,
)
from ledger.errors import LedgerError
from ledger.tlog.notation import HASH_SIZE
from ledger.tlog.tiles import HEIGHT, WIDTH, Tile

_LEAVES = (
    "SELECT l.idx, l.leaf_hash, e.state, convert_to(e.originator_id, 'UTF8'), e.originator_version, "
    "convert_to(e.topic, 'UTF8') FROM log_leaf AS l LEFT JOIN stored_events AS e "
    "USING (originator_id, originator_version) WHERE l.idx >= %s AND l.idx < %s ORDER BY l.idx"
)
_OUTSIDE = (
    "SELECT e.originator_id, e.originator_version FROM stored_events AS e LEFT JOIN log_leaf AS l "
    "USING (originator_id, originator_version) WHERE l.idx IS NULL LIMIT 1"
)
_KINDS = (
    "SELECT relname, relkind::text, relrowsecurity FROM pg_catalog.pg_class WHERE relnamespace = 'ledger'::regnamespace"
)
_NODES = "SELECT level, count(*), min(idx), max(idx) FROM log_node GROUP BY level ORDER BY level"
_COMMITS = (
    "SELECT c.first_idx, c.last_idx, c.commit_id, "
    # As bytes, since the event may be no JSON; in one that is, no text within a string reads like this member.
    "position(convert_to('\"commit_id\":\"' || c.commit_id || '\"', 'UTF8') IN e.state) > 0 "
    "FROM log_commit AS c LEFT JOIN log_leaf AS l ON l.idx = c.first_idx "
    "LEFT JOIN stored_events AS e USING (originator_id, originator_version) ORDER BY c.first_idx, c.last_idx"
)
_RAILS = """
SELECT t.tgname, c.relname, t.tgtype, t.tgenabled = 'A' AND t.tgqual IS NULL, p.prosrc
FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
WHERE c.relnamespace = 'ledger'::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT rulename, tablename, 0, false, definition FROM pg_catalog.pg_rules WHERE schemaname = 'ledger'
"""
_ENDS = "SELECT size FROM log_checkpoint WHERE size > 0 ORDER BY size"
_HELD_VERSIONS = (
    "SELECT convert_to(originator_id, 'UTF8'), max(originator_version) FROM log_leaf WHERE idx < %s GROUP BY 1"
)
_AT_ONCE = 2048


class PostgresSource:
    """The tables of evidence.md 5.1 in PostgreSQL (an ``audit_source.LogSource``)."""

    nature = Nature(name="ledger", commits=True, entries=True, native=True, shared=True)

    def __init__(self, connection: Connection, *, address: str) -> None:
        self._connection = connection
        self._address = address
        self._cursors = count(1)

    def size(self) -> int:
        """Return the number of leaves."""
        return int(self._rows("SELECT count(*) FROM log_leaf")[0][0])

    def leaves(self, start: int, end: int) -> Iterator[Sequence[StoredLeaf]]:
        """Yield the leaves in the order of their index, a tile's worth at a time."""
        few = end - start <= WIDTH
        rows = self._rows(_LEAVES, start, end) if few else self._stream(_LEAVES, start, end)
        for _, tile in groupby(rows, key=lambda row: row[0] // WIDTH):
            leaves = list(tile)
            for row in leaves:
                if row[2] is None:
                    raise PartWrongError(
                        f"event {row[0]}", fact="the table of events does not hold what the tree counts"
                    )
            yield leaves

    def checkpoints(self, above: int) -> Iterator[tuple[int | None, bytes]]:
        """Yield the checkpoints by their size."""
        yield from self._stream("SELECT size, note FROM log_checkpoint WHERE size > %s ORDER BY size", above)

    def tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile: those of the leaves themselves, or of ``log_node``."""
        first, level = tile.n * WIDTH, tile.level
        statement = (
            "SELECT hash FROM log_node WHERE level = %s AND idx >= %s AND idx < %s ORDER BY idx"
            if level
            else "SELECT leaf_hash FROM log_leaf WHERE %s = 0 AND idx >= %s AND idx < %s ORDER BY idx"
        )
        hashes = b"".join(row[0] for row in self._rows(statement, level, first, first + tile.width))
        if not hashes:
            raise PartMissingError(str(tile))
        if len(hashes) != tile.width * HASH_SIZE:
            raise PartWrongError(str(tile), fact="it is shorter than the tree, or holds no hashes")
        return hashes

    def anchors(self) -> Iterator[HeldNote]:
        """Yield what the sinks answered."""
        for size, sink, proof in self._stream("SELECT size, sink, proof FROM anchor ORDER BY size, sink"):
            yield HeldNote(f"anchor {size} of {sink!a}", proof)

    def disclosures(self) -> Iterator[StoredDisclosure]:
        """Yield the rows of ``disclosure``."""
        for row in self._stream("SELECT commitment, salt, value FROM disclosure ORDER BY commitment"):
            yield StoredDisclosure(*row)

    def surplus(self, size: int) -> Iterator[str]:
        """Yield what lies outside the tree: events without a leaf, entries of tiles and rows of commits."""
        # A view in the place of a table, or a policy for its rows, can tell a verifier from other readers.
        kinds = {name: (kind, hides) for name, kind, hides in self._rows(_KINDS)}
        for table in TABLES:
            if kinds.get(table) != ("r", False):
                yield f"the table {table} is not that of a ledger: it may show others something else"
        if self._rows("SELECT count(*) FROM stored_events")[0][0] != size:
            stream, version = next(iter(self._rows(_OUTSIDE)), ("?", "?"))
            yield f"an event lies outside the tree: version {version} of {stream!a}"
        for level, entries, lowest, highest in self._rows(_NODES):
            due = size >> HEIGHT * level
            if (lowest, highest) != (0, due - 1) or entries != due:
                yield f"level {level} of the tree has entries that are not of it"
        yield from self._commit_faults()

    def _commit_faults(self) -> Iterator[str]:
        """Yield where the table of commits says something else than the commits of the tree."""
        start = 0
        for row, end in zip_longest(self._stream(_COMMITS), self._stream(_ENDS)):
            if row is None:
                yield f"the table of commits has no row for the commit of event {start}"
                return
            first, last, commit, is_own = row
            named = f"row {commit!a} of the table of commits"
            if end is None:
                yield f"{named} is of no commit of the tree"
                return
            if (first, last) != (start, end[0] - 1):
                yield f"{named} does not say the events {start} to {end[0] - 1}"
                return
            if is_own is False:
                yield f"{named} has not the commit_id of event {start}"
            start = end[0]

    def rail_faults(self) -> Iterator[str]:
        """Yield which of the triggers that refuse changes are missing or another, and what else is on the tables."""
        found = {(row[1], row[0]): row[2:] for row in self._rows(_RAILS)}
        due = {(table, rail_of(table)[0]): (rail_of(table)[1], True, REFUSAL) for table in TABLES}
        for table, name in sorted(due.keys() | found.keys()):
            rail = found.get((table, name))
            if rail is None:
                yield f"the trigger {name} is missing, which keeps its table append-only"
            elif (table, name) not in due:
                yield f"{name!a} on {table!a} is not the ledger's: it can refuse or change commits"
            elif rail != due[table, name]:
                yield f"the trigger {name} does not do what it did, or is switched off"

    def versions_before(self, start: int) -> Mapping[bytes, int] | None:
        """Return the last version of each stream before leaf *start*."""
        return dict(self._stream(_HELD_VERSIONS, start))

    def _rows(self, statement: str, *parameters: int) -> list[Any]:
        try:
            return self._connection.execute(statement, parameters or None).fetchall()
        except psycopg.Error as exc:
            raise self._missing(exc) from exc

    def _stream(self, statement: str, *parameters: int) -> Iterator[Any]:
        name = f"rows_{next(self._cursors)}"
        try:
            cursor = self._connection.cursor(name)
            try:
                cursor.itersize = _AT_ONCE
                yield from cursor.execute(statement, parameters or None)
            finally:
                with suppress(psycopg.Error):  # of a connection that broke: why it did is told
                    cursor.close()
        except psycopg.Error as exc:
            raise self._missing(exc) from exc

    def _missing(self, exc: psycopg.Error) -> PartMissingError:
        error = error_of(self._address, exc)
        if isinstance(error, ServerLostError):
            again = "see that the server runs, and verify again: nothing was decided"
            return PartMissingError(self._address, fact=f"the connection broke: {error.fact}", hint=again)
        return PartMissingError(self._address, fact=f"the server says: {error.fact}")


@contextmanager
def open_served(address: str) -> Iterator[PostgresSource]:
    """Give the ledger at *address*, to be read only, in one state.

    Raises: PartMissingError where it cannot be read as a ledger.
    """
    with ExitStack() as opened:
        try:
            connection = opened.enter_context(reached(address))
            with translated(address):
                # A long verification must not be taken for a host that froze inside an append.
                connection.execute("SET idle_in_transaction_session_timeout = 0")
                opened.enter_context(connection.transaction())
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        except ConnectionLostError as exc:
            raise PartMissingError(address, fact=str(exc)) from exc
        except LedgerError as exc:
            raise PartMissingError(address, fact=f"{exc}: {exc.fact}") from exc
        yield PostgresSource(connection, address=address)
