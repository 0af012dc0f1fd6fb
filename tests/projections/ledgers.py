"""Ledgers on disk for readers: the tables of the SQLite adapter, filled leaf by leaf."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ledger.adapters.sqlite_schema import create_statements
from tests.projections.histories import Leaf


def make_ledger(folder: Path, leaves: Sequence[Leaf] = ()) -> Path:
    """Make a ledger in *folder* that holds *leaves*, in WAL mode as the adapter does."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("PRAGMA journal_mode = WAL")
        ledger.execute("BEGIN")
        for statement in create_statements():
            ledger.execute(statement)
        ledger.execute("COMMIT")
    append(folder, leaves)
    return folder


def append(folder: Path, leaves: Sequence[Leaf]) -> None:
    """Append *leaves* to the ledger in *folder*, in one transaction."""
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as ledger:
        insert(ledger, leaves)


def insert(ledger: sqlite3.Connection, leaves: Sequence[Leaf]) -> None:
    """Append *leaves* to a ledger in one transaction."""
    ledger.execute("BEGIN IMMEDIATE")
    (size,) = ledger.execute("SELECT count(*) FROM log_leaf").fetchone()
    for number, leaf in enumerate(leaves, size):
        ledger.execute("INSERT INTO stored_events VALUES (?, ?, ?, ?)", leaf)
        ledger.execute("INSERT INTO log_leaf VALUES (?, ?, ?, ?)", (number, *leaf[:2], leaf.leaf_hash))
    ledger.execute("COMMIT")


def forge(folder: Path, statement: str, *parameters: object) -> None:
    """Run *statement* on the ledger in *folder* as someone who dropped the triggers first."""
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as ledger:
        for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            ledger.execute(f"DROP TRIGGER {name}")
        ledger.execute(statement, parameters)
