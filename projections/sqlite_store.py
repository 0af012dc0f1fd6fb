"""Views in SQLite: a file ``views.db`` beside the ledger, readable by its owner, and by a group that may read both.

========== =====================================================================
versions   the table of now: ``(stream, position, vsn, status)``
node       one row a node: root, kind, what booted, what boots next, open attempt
state      the table of a node after each event that changed it: ``--at`` is one
           look-up, however long the history is
history    a line for each event; ``late`` marks a time below an earlier one. An imported
           event takes no part in that order: it counts from ``counts_at`` on, the
           earliest time of it and of all that followed it in the log it comes from
concerns   which event concerns which version
attempt    a row for each attempt
origin     a row for each log that events were imported from, with their clock
stretch    where the events of a node go on from another log, or from this one again
tracking   one row: how many events are folded, the leaf hash of the last one, its
           clock and the latest time so far; written with the rows it speaks of
========== =====================================================================

The file is disposable. Another schema, another program's file or a damaged one is unlinked and
folded afresh; there are no migrations. The rollback journal is used, not WAL: a reader needs
no right to write in the folder. Whoever can write this file can make a reader see anything;
``replay`` and ``verify`` do not read it.
"""

import os
import sqlite3
import stat
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from projections.attempts import Attempt
from projections.history import Clock, Line
from projections.nodes import NodeTable

VIEWS_NAME = "views.db"
APPLICATION_ID = 0x52_4C_56_57
"""In the header of the file: tells a view from any other database of SQLite."""

SCHEMA_VERSION = 5
BUSY_SECONDS = 30.0
# SQLite's own: in memory, on a nameless file once it is large.
_OWN = ""
_MADE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

CREATE = """
CREATE TABLE tracking (id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, leaf_hash BLOB,
    recorded_at TEXT, boot_id TEXT, monotonic_us INTEGER, latest_at TEXT);
CREATE TABLE node (stream TEXT PRIMARY KEY, node TEXT NOT NULL, root TEXT NOT NULL, kind TEXT NOT NULL, running TEXT,
    booted TEXT NOT NULL, boots_next TEXT, open_attempt TEXT, last_event INTEGER NOT NULL, fold TEXT NOT NULL,
    origin TEXT)
    WITHOUT ROWID;
CREATE TABLE versions (stream TEXT, position INTEGER, vsn TEXT NOT NULL, status TEXT NOT NULL,
    PRIMARY KEY (stream, position)) WITHOUT ROWID;
CREATE TABLE state (stream TEXT, idx INTEGER, rows TEXT NOT NULL, PRIMARY KEY (stream, idx)) WITHOUT ROWID;
CREATE TABLE history (idx INTEGER PRIMARY KEY, recorded_at TEXT NOT NULL, stream TEXT NOT NULL, node TEXT,
    type TEXT NOT NULL, topic TEXT NOT NULL, event_id TEXT NOT NULL, attempt TEXT, verb TEXT, vsn TEXT,
    vsns TEXT NOT NULL, actor TEXT NOT NULL, driver TEXT, ticket TEXT, reason TEXT, words TEXT NOT NULL,
    failed BOOLEAN NOT NULL, clock_fell BOOLEAN NOT NULL, noted TEXT, plan TEXT, imported TEXT,
    imported_index INTEGER, late BOOLEAN, counts_at TEXT);
CREATE INDEX history_event_id ON history (event_id);
CREATE INDEX history_attempt ON history (attempt) WHERE attempt IS NOT NULL;
CREATE INDEX history_ticket ON history (ticket) WHERE ticket IS NOT NULL;
CREATE INDEX history_noted ON history (idx) WHERE noted IS NOT NULL;
CREATE INDEX history_failed ON history (idx) WHERE failed;
CREATE INDEX history_time ON history (recorded_at) WHERE NOT late;
CREATE INDEX history_seen ON history (stream, idx) WHERE driver IS NOT NULL;
CREATE INDEX history_plan ON history (plan, idx) WHERE plan IS NOT NULL;
CREATE INDEX history_plans ON history (idx) WHERE type = 'fleet_planned';
CREATE INDEX history_late ON history (recorded_at) WHERE late;
CREATE INDEX history_imported ON history (imported, idx) WHERE imported IS NOT NULL;
CREATE INDEX history_counts ON history (imported, counts_at) WHERE imported IS NOT NULL;
CREATE INDEX history_ahead ON history (counts_at) WHERE recorded_at > counts_at;
CREATE TABLE concerns (vsn TEXT, idx INTEGER, PRIMARY KEY (vsn, idx)) WITHOUT ROWID;
CREATE TABLE attempt (attempt TEXT PRIMARY KEY, stream TEXT NOT NULL, node TEXT, verb TEXT, vsn TEXT,
    outcome TEXT NOT NULL, first_event INTEGER NOT NULL, last_event INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE origin (origin TEXT PRIMARY KEY, first_event INTEGER NOT NULL, last_event INTEGER NOT NULL,
    last_index INTEGER NOT NULL, recorded_at TEXT NOT NULL, boot_id TEXT NOT NULL, monotonic_us INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE stretch (stream TEXT, first_event INTEGER, origin TEXT, PRIMARY KEY (stream, first_event)) WITHOUT ROWID;
CREATE INDEX attempt_vsn ON attempt (vsn, first_event) WHERE vsn IS NOT NULL;
INSERT INTO tracking (id, size) VALUES (1, 0)
"""
FOLDED = ("node", "versions", "state", "history", "concerns", "attempt", "origin", "stretch")
"""The tables whose rows ``tracking`` speaks of."""

LINE_COLUMNS = ", ".join(("idx", *Line._fields[1:]))


# Plain tuples: making a class of them would cost every start of a reader.
NodeRow = tuple[NodeTable, str, int, str | None]
"""The newest table of a node, its suspended fold, its last event, and the log that this one comes from."""

OriginRow = tuple[str, int, int, int, Clock]
"""How far a log was imported: its first and last event here, the index and the clock of the last one there."""


class Tracking(NamedTuple):
    """How far the view is: *leaf_hash* is that of event ``size - 1``, None of an empty view."""

    size: int
    leaf_hash: bytes | None
    clock: Clock | None
    latest_at: str


class DamagedViewError(Exception):
    """The file is no view of this schema; never shown, because the view is folded afresh."""


def create_views(path: Path) -> sqlite3.Connection:
    """Open the view at *path*, and make it where there is none.

    Raises: DamagedViewError for a file that is no view of this schema; sqlite3.OperationalError
    or OSError where the file or its folder may not be written.
    """
    # SQLite would make it readable by all; whoever may list the folder may read what lies in it.
    shared = path.parent.stat().st_mode & 0o050 == 0o050  # noqa: PLR2004 # group, read and search
    descriptor = os.open(_own_link(path), _MADE, 0o640 if shared else 0o600)
    try:
        _hand_to_owner(descriptor, path.parent.stat())
    finally:
        os.close(descriptor)
    return _opened(sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS))


def views_in_memory(path: Path | None = None) -> sqlite3.Connection:
    """Return a view of this process alone: a copy of that at *path*, an empty one where none can be read."""
    if path is not None:
        copy = sqlite3.connect(_OWN, isolation_level=None)
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as stored:
                stored.backup(copy)
            return _opened(copy)
        except (sqlite3.Error, DamagedViewError):
            copy.close()
    return _opened(sqlite3.connect(_OWN, isolation_level=None))


def stored_views(path: Path) -> sqlite3.Connection:
    """Open the view at *path* for reading alone.

    Raises: DamagedViewError; sqlite3.Error where it cannot be read.
    """
    return _opened(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None))


def remove_views(path: Path) -> None:
    """Unlink the view at *path* with its journals, so that it is folded afresh."""
    # The file first: SQLite drops a journal that has no database, but would play an old one into a new one.
    for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def clear_views(views: sqlite3.Connection) -> None:
    """Forget all that is folded, inside the transaction of the caller."""
    for table in FOLDED:
        views.execute(f"DELETE FROM {table}")  # noqa: S608 # our own names
    # Its row stays, for others may wait for it.
    views.execute(
        "UPDATE tracking SET size = 0, leaf_hash = NULL, latest_at = NULL, recorded_at = NULL, boot_id = NULL,"
        " monotonic_us = NULL"
    )


def tracking_of(views: sqlite3.Connection) -> Tracking:
    """Return how far the view is."""
    size, leaf_hash, latest_at, *clock = views.execute(
        "SELECT size, leaf_hash, latest_at, recorded_at, boot_id, monotonic_us FROM tracking"
    ).fetchone()
    return Tracking(size, leaf_hash, None if clock[0] is None else Clock(*clock), latest_at or "")


def store_tracking(views: sqlite3.Connection, tracking: Tracking) -> None:
    """Store how far the view is, inside the transaction of the rows it speaks of."""
    clock = tracking.clock or (None, None, None)
    views.execute(
        "UPDATE tracking SET size = ?, leaf_hash = ?, latest_at = ?, recorded_at = ?, boot_id = ?, monotonic_us = ?",
        (tracking.size, tracking.leaf_hash, tracking.latest_at, *clock),
    )


def fold_of(views: sqlite3.Connection, stream: str) -> NodeRow | None:
    """Return the newest table of a node and its suspended fold, None before its registration."""
    row = views.execute(
        "SELECT (SELECT rows FROM state WHERE state.stream = node.stream ORDER BY idx DESC LIMIT 1), fold, last_event,"
        " origin FROM node WHERE stream = ?",
        (stream,),
    ).fetchone()
    return None if row is None else (NodeTable.from_text(row[0]), *row[1:])


def store_nodes(views: sqlite3.Connection, nodes: Sequence[NodeRow]) -> None:
    """Store the newest row of each node."""
    views.executemany(
        "INSERT INTO node VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream) DO UPDATE SET"
        " node = excluded.node, root = excluded.root, kind = excluded.kind, running = excluded.running,"
        " booted = excluded.booted, boots_next = excluded.boots_next, open_attempt = excluded.open_attempt,"
        " last_event = excluded.last_event, fold = excluded.fold, origin = excluded.origin",
        (_node_row(*node) for node in nodes),
    )
    tables = [table for table, *_ in nodes]
    views.executemany("DELETE FROM versions WHERE stream = ?", ((table.stream,) for table in tables))
    views.executemany(
        "INSERT INTO versions VALUES (?, ?, ?, ?)",
        (
            (table.stream, position, *release)
            for table in tables
            if table.registered
            for position, release in enumerate(table.releases)
        ),
    )


def store_states(views: sqlite3.Connection, tables: Iterable[NodeTable]) -> None:
    """Store tables as they were after their last event."""
    views.executemany("INSERT INTO state VALUES (?, ?, ?)", ((t.stream, t.last_change, t.to_text()) for t in tables))


def store_lines(views: sqlite3.Connection, lines: Sequence[tuple[Line, bool | None]]) -> None:
    """Store lines, each with its *late*: None of an imported event, which counts from its own time on."""
    marks = ", ".join("?" * (len(Line._fields) + 2))
    views.executemany(
        f"INSERT INTO history ({LINE_COLUMNS}, late, counts_at) VALUES ({marks})",  # noqa: S608 # our own names
        (
            (*line._replace(vsns=" ".join(line.vsns)), late, line.recorded_at if late is None else None)  # type: ignore[arg-type] # a row of SQLite has no tuple
            for line, late in lines
        ),
    )
    views.executemany(
        "INSERT INTO concerns VALUES (?, ?)", ((vsn, line.number) for line, _ in lines for vsn in line.vsns)
    )


def store_falls(views: sqlite3.Connection, falls: Iterable[Line]) -> None:
    """Let what was imported before each of these lines count from its time on: it is below theirs."""
    views.executemany(
        "UPDATE history SET counts_at = ? WHERE imported = ? AND counts_at > ? AND idx < ?",
        ((line.recorded_at, line.imported, line.recorded_at, line.number) for line in falls),
    )


def origin_of(views: sqlite3.Connection, origin: str) -> OriginRow | None:
    """Return how far the log *origin* was imported, None where nothing was."""
    row = views.execute("SELECT * FROM origin WHERE origin = ?", (origin,)).fetchone()
    if row is None:
        return None
    name, first_event, last_event, last_index, *clock = row
    return name, first_event, last_event, last_index, Clock(*clock)


def store_origins(views: sqlite3.Connection, origins: Iterable[OriginRow]) -> None:
    """Store how far logs were imported."""
    views.executemany(
        "INSERT INTO origin VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE SET"
        " last_event = excluded.last_event, last_index = excluded.last_index, recorded_at = excluded.recorded_at,"
        " boot_id = excluded.boot_id, monotonic_us = excluded.monotonic_us",
        ((*row[:4], *row[4]) for row in origins),
    )


def store_stretches(views: sqlite3.Connection, stretches: Iterable[tuple[str, int, str | None]]) -> None:
    """Store where events of a node begin to come from another log: stream, first event, log; None is this one."""
    views.executemany("INSERT INTO stretch VALUES (?, ?, ?)", stretches)


def store_attempts(views: sqlite3.Connection, attempts: Iterable[Attempt]) -> None:
    """Store the newest rows of attempts."""
    views.executemany(
        "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (attempt) DO UPDATE SET"
        " stream = excluded.stream, node = excluded.node, verb = excluded.verb, vsn = excluded.vsn,"
        " outcome = excluded.outcome, first_event = excluded.first_event, last_event = excluded.last_event",
        attempts,
    )


def attempt_of(views: sqlite3.Connection, attempt: str) -> Attempt | None:
    """Return an attempt by its id."""
    row = views.execute("SELECT * FROM attempt WHERE attempt = ?", (attempt,)).fetchone()
    return None if row is None else Attempt(*row)


def _node_row(table: NodeTable, fold: str, last_event: int, origin: str | None) -> tuple[object, ...]:
    intent = None if table.open_attempt is None else table.open_attempt.attempt
    return (*table[:4], table.running, table.booted, table.boots_next, intent, last_event, fold, origin)


def _opened(views: sqlite3.Connection) -> sqlite3.Connection:
    try:
        views.execute("PRAGMA synchronous = NORMAL")
        if _header(views) == (0, 0):
            _create(views)
        ours = _header(views) == (APPLICATION_ID, SCHEMA_VERSION)
    except BaseException:
        views.close()
        raise
    if not ours:
        views.close()
        raise DamagedViewError
    return views


def _create(views: sqlite3.Connection) -> None:
    views.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made it while this one waited; a foreign file has tables already.
        if _header(views) == (0, 0) and views.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            for statement in CREATE.split(";"):
                views.execute(statement)
            views.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            views.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        views.execute("COMMIT")
    except BaseException:
        views.execute("ROLLBACK")
        raise


def _header(views: sqlite3.Connection) -> tuple[int, int]:
    (application,) = views.execute("PRAGMA application_id").fetchone()
    (schema,) = views.execute("PRAGMA user_version").fetchone()
    return application, schema


def _own_link(path: Path) -> Path:
    """Return what *path* leads to where it is a link of this user's own: anybody else's may lead anywhere."""
    return path.parent / path.readlink() if path.is_symlink() and path.lstat().st_uid == os.geteuid() else path


def _hand_to_owner(descriptor: int, folder: os.stat_result) -> None:
    found = os.fstat(descriptor)
    # A second name may be that of a file which the owner of the folder must not get.
    if os.geteuid() == 0 and stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        # Else root's look at a user's ledger would leave a file that its owner cannot use.
        os.chown(descriptor, folder.st_uid, folder.st_gid)
