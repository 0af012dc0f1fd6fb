"""A ledger in SQLite as a verifier reads it: nothing is written, not even beside it.

- Without a write-ahead file the database is read as an immutable file, so that SQLite makes no
  ``-shm`` beside it. That takes no lock, so ``changed`` tells afterwards whether somebody wrote
  meanwhile; the caller then reads again with *shared* set.
- With a write-ahead file and its shared memory, somebody writes now: it is read in one
  transaction, as any reader would.
- With a write-ahead file alone (a copied folder, or one that the auditor may not write), both
  files are copied to a private folder and the copy is read. So it is with a rollback journal, from
  which the next program that writes takes back what the file holds.

The order is that of ``log_leaf.idx``. An event is stored in the row that follows its index, so
rows are joined by that number, and looked up by their key where it does not fit.

What is read must be what everybody reads. So the tables must be declared as the ledger declares
them: a view in the place of one can tell a verifier from other readers. And nothing is counted by
an index, since an index may hold fewer rows than its table.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import zip_longest
from pathlib import Path

from ledger.adapters.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION, guard_rails, tables
from ledger.application.audit_source import (
    HeldNote,
    Nature,
    PartMissingError,
    PartWrongError,
    StoredDisclosure,
    StoredLeaf,
)
from ledger.temporary import temporary_folder
from ledger.tlog.tiles import WIDTH, Tile, tiles_of_size

_BESIDE = ("-wal", "-journal")
_LEAVES = (
    "SELECT l.idx, l.leaf_hash, e.state, e.originator_id, e.originator_version, e.topic, "
    "l.originator_id IS e.originator_id AND l.originator_version IS e.originator_version "
    "AND typeof(e.state) = 'blob' AND typeof(l.leaf_hash) = 'blob' "
    "FROM log_leaf AS l LEFT JOIN stored_events AS e ON e.rowid = l.idx + 1 "
    "WHERE l.idx >= ? AND l.idx < ? ORDER BY l.idx"
)
_LEAF = (
    "SELECT l.idx, l.leaf_hash, e.state, e.originator_id, e.originator_version, e.topic "
    "FROM log_leaf AS l JOIN stored_events AS e ON e.rowid = (SELECT s.rowid FROM stored_events AS s "
    "WHERE s.originator_id = l.originator_id AND s.originator_version = l.originator_version) "
    "WHERE l.idx = ? AND typeof(e.state) = 'blob' AND typeof(l.leaf_hash) = 'blob'"
)
_EVENTS = "SELECT COUNT(*) FROM stored_events NOT INDEXED"
_SPAN = "SELECT (SELECT MIN(rowid) FROM stored_events NOT INDEXED), (SELECT MAX(rowid) FROM stored_events NOT INDEXED)"
_OUTSIDE = (
    "SELECT e.originator_id, e.originator_version FROM stored_events AS e NOT INDEXED LEFT JOIN log_leaf AS l "
    "USING (originator_id, originator_version) WHERE l.idx IS NULL LIMIT 1"
)
_HELD_VERSIONS = (
    "SELECT originator_id, MAX(originator_version) FROM log_leaf NOT INDEXED WHERE idx < ? GROUP BY originator_id"
)

# Every checkpoint is the end of a commit (evidence.md 1.3 (9)), so they say which rows there must be.
_COMMIT_ENDS = "SELECT size FROM log_checkpoint ORDER BY size"
_COMMITS = (
    "SELECT c.first_idx, c.last_idx, CAST(coalesce(c.commit_id, '') AS BLOB), "
    "CASE WHEN json_valid(CAST(e.state AS TEXT)) THEN json_extract(CAST(e.state AS TEXT), '$.commit_id') END "
    "FROM log_commit AS c LEFT JOIN log_leaf AS l ON l.idx = c.first_idx "
    "LEFT JOIN stored_events AS e USING (originator_id, originator_version) ORDER BY c.first_idx, c.last_idx"
)
_DISCLOSURES = (
    "SELECT CAST(coalesce(commitment, '') AS BLOB), CASE typeof(salt) WHEN 'blob' THEN salt END, "
    "CASE typeof(value) WHEN 'blob' THEN value END FROM disclosure ORDER BY commitment"
)


_DECLARED = "SELECT CAST(name AS BLOB), CAST(type AS BLOB), CAST(sql AS BLOB) FROM sqlite_master WHERE sql IS NOT NULL"
_TRIGGERS = (
    "SELECT CAST(coalesce(name, '') AS BLOB), CAST(coalesce(tbl_name, '') AS BLOB), CAST(coalesce(sql, '') AS BLOB) "
    "FROM sqlite_master WHERE type = 'trigger'"
)


class SqliteSource:
    """The tables of evidence.md 5.1 (an ``audit_source.LogSource``)."""

    nature = Nature(name="ledger", commits=True, entries=True, native=True)

    def __init__(self, connection: sqlite3.Connection, *, path: Path, before: tuple[object, ...] | None) -> None:
        self._connection = connection
        self._path = path
        self._before = before

    @property
    def immutable(self) -> bool:
        """Whether the file is read as one that nobody writes: without a lock, so another process may read it too."""
        return self._before is not None

    @property
    def changed(self) -> bool:
        """Tell whether somebody wrote while the file was read without a lock."""
        return self._before is not None and self._before != _state_of(self._path)

    def size(self) -> int:
        """Return the number of leaves."""
        return self._number("SELECT COALESCE(MAX(idx), -1) + 1 FROM log_leaf NOT INDEXED")

    def leaves(self, start: int, end: int) -> Iterator[Sequence[StoredLeaf]]:
        """Yield the leaves in the order of their index, a tile's worth at a time."""
        with _readable(self._path):
            cursor = self._connection.execute(_LEAVES, (start, end))
            while rows := cursor.fetchmany(WIDTH):
                yield [row[:6] if row[6] else self._looked_up(row[0]) for row in rows]

    def _looked_up(self, index: int) -> StoredLeaf:
        row: StoredLeaf | None = self._connection.execute(_LEAF, (index,)).fetchone()
        if row is None:
            for fault in self._table_faults():
                raise PartWrongError("the record", fact=fault)
            raise PartWrongError(f"event {index}", fact="the table of events does not hold what the tree counts")
        return row

    def checkpoints(self, above: int) -> Iterator[tuple[int | None, bytes]]:
        """Yield the checkpoints by their size."""
        with _readable(self._path):
            rows = self._connection.execute(
                "SELECT size, note FROM log_checkpoint WHERE size > ? ORDER BY size", (above,)
            )
            for size, note in rows:
                if not isinstance(note, bytes):
                    raise PartWrongError(f"checkpoint {size}", fact="it is no text")
                yield size, note

    def tile(self, tile: Tile) -> bytes:
        """Return a row of ``log_tile``; one that grew on may be cut."""
        with _readable(self._path):
            row = self._connection.execute(
                "SELECT hashes FROM log_tile WHERE level = ? AND n = ?", (tile.level, tile.n)
            ).fetchone()
        if row is None:
            raise PartMissingError(str(tile))
        found = row[0]
        if not isinstance(found, bytes) or len(found) % 32 or len(found) < tile.width * 32:
            raise PartWrongError(str(tile), fact="it is shorter than the tree, or holds no hashes")
        return found[: tile.width * 32]

    def anchors(self) -> Iterator[HeldNote]:
        """Yield what the sinks answered."""
        with _readable(self._path):
            rows = self._connection.execute(
                "SELECT size, CAST(coalesce(sink, '') AS BLOB), proof FROM anchor ORDER BY size, sink"
            )
            for size, sink, proof in rows:
                data = proof if isinstance(proof, bytes) else b""
                yield HeldNote(f"anchor {size} of {bytes(sink).decode(errors='replace')!a}", data)

    def disclosures(self) -> Iterator[StoredDisclosure]:
        """Yield the rows of ``disclosure``."""
        with _readable(self._path):
            for commitment, salt, value in self._connection.execute(_DISCLOSURES):
                yield StoredDisclosure(bytes(commitment).decode(errors="replace"), salt, value)

    def surplus(self, size: int) -> Iterator[str]:
        """Yield what lies outside the tree: events without a leaf, tiles and rows of commits that it does not have."""
        with _readable(self._path):
            yield from self._table_faults()
            if self._number("SELECT COALESCE(MIN(idx), 0) FROM log_leaf NOT INDEXED"):
                yield "the tree has leaves before event 0"
            if not self._holds_events(size):
                stream, version = self._connection.execute(_OUTSIDE).fetchone() or (b"?", "?")
                shown = bytes(stream).decode(errors="replace")
                yield f"an event lies outside the tree: version {version} of {shown!a}"
            tiles = {(tile.level, tile.n): tile.width for tile in tiles_of_size(size)}
            for level, n, length in self._connection.execute("SELECT level, n, length(hashes) FROM log_tile"):
                if tiles.get((level, n), -1) * 32 != length:
                    yield f"tile {n} of level {level} is larger than the tree, or not of it"
            yield from self._commit_faults()

    def _holds_events(self, size: int) -> bool:
        """Tell whether there are as many events as the tree has leaves, each of which was found."""
        # Within these bounds there is room for no other row; to count them would read the whole file once more.
        return self._connection.execute(_SPAN).fetchone() == (1, size) or self._number(_EVENTS) == size

    def _table_faults(self) -> Iterator[str]:
        """Yield which tables are not those of a ledger."""
        rows = self._connection.execute(_DECLARED).fetchall()
        found = {name.decode(errors="replace"): (kind, sql) for name, kind, sql in rows if kind in {b"table", b"view"}}
        for name, declared in tables().items():
            if found.get(name) != (b"table", declared.encode()):
                yield f"the table {name} is not declared as that of a ledger: it may show others something else"

    def _commit_faults(self) -> Iterator[str]:
        """Yield where the table of commits says something else than the commits of the tree."""
        ends = (size for (size,) in self._connection.execute(_COMMIT_ENDS) if size)
        start = 0
        for row, end in zip_longest(self._connection.execute(_COMMITS), ends):
            if row is None:
                yield f"the table of commits has no row for the commit of event {start}"
                return
            first, last, commit, own = row
            named = f"row {commit.decode(errors='replace')!a} of the table of commits"
            if end is None:
                yield f"{named} is of no commit of the tree"
                return
            if (first, last) != (start, end - 1):
                yield f"{named} does not say the events {start} to {end - 1}"
                return
            if own is not None and own != commit:
                yield f"{named} has not the commit_id of event {start}"
            start = end

    def rail_faults(self) -> Iterator[str]:
        """Yield which of the triggers that refuse changes are missing or another, and which are none of them."""
        with _readable(self._path):
            rows = [tuple(part.decode(errors="replace") for part in row) for row in self._connection.execute(_TRIGGERS)]
        found = {name: (table, sql) for name, table, sql in rows}
        due = guard_rails()
        for name in sorted(due.keys() | found.keys()):
            if name not in found:
                yield f"the trigger {name} is missing, which keeps its table append-only"
            elif name not in due:
                yield f"the trigger {name!a} on {found[name][0]!a} is not the ledger's: it can refuse or change commits"
            elif found[name][1] != due[name]:
                yield f"the trigger {name} does not do what it did"

    def versions_before(self, start: int) -> Mapping[bytes, int] | None:
        """Return the last version of each stream before leaf *start*."""
        with _readable(self._path):
            return dict(self._connection.execute(_HELD_VERSIONS, (start,)).fetchall())

    def _number(self, statement: str) -> int:
        with _readable(self._path):
            number: int = self._connection.execute(statement).fetchone()[0]
            return number


@contextmanager
def open_source(path: Path, *, shared: bool = False) -> Iterator[SqliteSource]:
    """Give the ledger in the file *path*, to be read only.

    Raises: PartMissingError where it cannot be read as a ledger; TemporaryPlaceError where it cannot be copied.
    """
    with ExitStack() as opened:
        with _readable(path):
            before = _state_of(path)
            if shared or any(_size_of(_beside(path, suffix)) for suffix in _BESIDE):
                before = None
                live = shared or _beside(path, "-shm").exists()
                connection = (_connect_shared if live else _connect_copy)(path, opened)
            else:
                connection = _connect(path, "mode=ro&immutable=1")
        opened.enter_context(closing(connection))
        with _readable(path):
            _check_kind(connection, path)
        yield SqliteSource(connection, path=path, before=before)


def _connect_shared(path: Path, opened: ExitStack) -> sqlite3.Connection:
    try:
        connection = _connect(path, "mode=ro")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        return _connect_copy(path, opened)
    return connection


def _connect_copy(path: Path, opened: ExitStack) -> sqlite3.Connection:
    copy = opened.enter_context(temporary_folder("release-ledger-verify-")) / "ledger.db"
    for suffix in ("", *_BESIDE):
        found = _beside(path, suffix)
        if found.exists():
            shutil.copyfile(found, _beside(copy, suffix))
    return _connect(copy, "mode=rw")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    connection.text_factory = bytes
    connection.execute("PRAGMA query_only = ON")
    connection.execute("BEGIN")
    return connection


def _check_kind(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID or version != SCHEMA_VERSION:
        raise PartMissingError(str(path), fact=f"it is no ledger with tables of version {SCHEMA_VERSION}")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise PartMissingError(str(path), fact=f"the store says: {exc}") from exc
    except UnicodeDecodeError as exc:  # of what SQLite says of a damaged schema
        raise PartMissingError(str(path), fact="the store says that its schema is damaged, and not in UTF-8") from exc


def _state_of(path: Path) -> tuple[object, ...] | None:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
