"""Tables of a ledger in SQLite (evidence.md 5.1), with the triggers that keep them append-only.

The triggers are guard rails: whoever may write the file can drop them, and the tree still tells.
``UPDATE`` and ``DELETE`` are refused; ``INSERT OR REPLACE`` deletes without firing a DELETE
trigger, so an insert over an existing key is refused as well (RULINGS 7). ``disclosure`` is the
only table with a delete path; a row of ``log_tile`` may only grow.
"""

from collections.abc import Mapping

APPLICATION_ID = 0x52_4C_47_52
"""In the header of the file: tells a ledger from any other database of SQLite."""

SCHEMA_VERSION = 1

REFUSED = " is append-only"
"""How what a trigger says ends; a table's name stands before it."""

_TABLES = (
    """CREATE TABLE stored_events (originator_id TEXT NOT NULL, originator_version INTEGER NOT NULL,
       topic TEXT NOT NULL, state BLOB NOT NULL, PRIMARY KEY (originator_id, originator_version))""",
    "CREATE TABLE log_lock (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL)",
    "INSERT INTO log_lock VALUES (1, 0)",
    """CREATE TABLE log_leaf (idx INTEGER PRIMARY KEY, originator_id TEXT NOT NULL,
       originator_version INTEGER NOT NULL, leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
       UNIQUE (originator_id, originator_version))""",
    """CREATE TABLE log_commit (commit_id TEXT PRIMARY KEY, first_idx INTEGER NOT NULL,
       last_idx INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE log_tile (level INTEGER NOT NULL, n INTEGER NOT NULL, hashes BLOB NOT NULL,
       PRIMARY KEY (level, n)) WITHOUT ROWID""",
    "CREATE TABLE log_checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL)",
    """CREATE TABLE anchor (size INTEGER NOT NULL, sink TEXT NOT NULL, proof BLOB NOT NULL,
       at TEXT NOT NULL, PRIMARY KEY (size, sink)) WITHOUT ROWID""",
    """CREATE TABLE disclosure (commitment TEXT PRIMARY KEY, salt BLOB NOT NULL,
       value BLOB NOT NULL) WITHOUT ROWID""",
)

# Every key by which REPLACE could push a row out; a rowid that is not given is none of them.
_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "stored_events": (("originator_id", "originator_version"), ("rowid",)),
    "log_lock": (("id",),),
    "log_leaf": (("idx",), ("originator_id", "originator_version")),
    "log_commit": (("commit_id",),),
    "log_tile": (("level", "n"),),
    "log_checkpoint": (("size",),),
    "anchor": (("size", "sink"),),
    "disclosure": (("commitment",),),
}
_SHRINKS = (
    "WHEN substr(NEW.hashes, 1, length(OLD.hashes)) IS NOT OLD.hashes OR NEW.level <> OLD.level OR NEW.n <> OLD.n"
)
_UPDATE_WHEN = {"log_lock": "WHEN NEW.id <> OLD.id OR NEW.n <= OLD.n", "log_tile": _SHRINKS}
_DELETE_PATH = frozenset({"disclosure"})


def create_statements() -> tuple[str, ...]:
    """Return the statements that make an empty database a ledger, in one transaction."""
    return (
        *_TABLES,
        *(trigger for table in _KEYS for trigger in _triggers(table)),
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {SCHEMA_VERSION}",
    )


def tables() -> Mapping[str, str]:
    """Return the tables of a ledger, each by its name as the statement that makes it."""
    return {sql.split()[2]: sql for sql in _TABLES if sql.startswith("CREATE TABLE")}


def guard_rails() -> Mapping[str, str]:
    """Return the triggers of a ledger, each by its name as the statement that makes it."""
    return {sql.split()[2]: sql for table in _KEYS for sql in _triggers(table)}


def _triggers(table: str) -> tuple[str, ...]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table}{REFUSED}'); END"
    taken = " OR ".join(_exists(table, key) for key in _KEYS[table])
    update = f"CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} {_UPDATE_WHEN.get(table, '')} {refuse}"
    insert = f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} WHEN {taken} {refuse}"
    if table in _DELETE_PATH:
        return (update, insert)
    return (update, insert, f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} {refuse}")


def _exists(table: str, key: tuple[str, ...]) -> str:
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    return f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 # names from the table above
