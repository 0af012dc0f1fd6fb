"""Rows that were recorded stay, as far as triggers can hold them (RULINGS 7)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.sqlite import create_database

ROWS = {
    "stored_events": "('release:a', 1, 'topic', x'00')",
    "log_leaf": f"(0, 'release:a', 1, x'{'00' * 32}')",
    "log_commit": "('c', 0, 0)",
    "log_tile": "(0, 0, x'0011')",
    "log_checkpoint": "(1, x'00')",
    "anchor": "(1, 'file', x'00', 'now')",
    "disclosure": "('c', x'00', x'00')",
}
CHANGES = {
    "stored_events": "state = x'01'",
    "log_leaf": f"leaf_hash = x'{'01' * 32}'",
    "log_commit": "last_idx = 9",
    "log_tile": "hashes = x'0022'",
    "log_checkpoint": "note = x'01'",
    "anchor": "proof = x'01'",
    "disclosure": "value = x'01'",
}


def run(connection: sqlite3.Connection, *words: str) -> list[tuple[object, ...]]:
    return connection.execute(" ".join(words)).fetchall()


REFUSED = pytest.raises(sqlite3.IntegrityError, match="append-only")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    create_database(tmp_path / "ledger.db")
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as made:
        for table, row in ROWS.items():
            run(made, "INSERT INTO", table, "VALUES", row)
        yield made


@pytest.mark.parametrize("table", ROWS)
def test_an_update_is_refused(connection: sqlite3.Connection, table: str) -> None:
    with REFUSED:
        run(connection, "UPDATE", table, "SET", CHANGES[table])


@pytest.mark.parametrize("table", [table for table in ROWS if table != "disclosure"])
def test_a_delete_is_refused(connection: sqlite3.Connection, table: str) -> None:
    with REFUSED:
        run(connection, "DELETE FROM", table)


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.parametrize("way", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"])
def test_an_insert_over_a_row_is_refused(connection: sqlite3.Connection, table: str, way: str) -> None:
    """RULINGS 7: INSERT OR REPLACE deletes without firing a DELETE trigger."""
    before = run(connection, "SELECT * FROM", table)

    with REFUSED:
        run(connection, way, "INTO", table, "VALUES", ROWS[table])

    assert run(connection, "SELECT * FROM", table) == before


def test_a_leaf_cannot_take_the_place_of_another_through_its_second_key(connection: sqlite3.Connection) -> None:
    """log_leaf has two keys: the index, and stream with version."""
    with pytest.raises(sqlite3.IntegrityError):
        run(connection, "REPLACE INTO log_leaf VALUES (7, 'release:a', 1, zeroblob(32))")

    assert connection.execute("SELECT idx FROM log_leaf").fetchall() == [(0,)]


def test_an_event_cannot_take_the_place_of_another_through_its_rowid(connection: sqlite3.Connection) -> None:
    (before,) = run(connection, "SELECT rowid, * FROM stored_events")

    with REFUSED:
        run(
            connection,
            "REPLACE INTO stored_events (rowid, originator_id, originator_version, topic, state)",
            f"VALUES ({before[0]}, 'release:b', 1, 'topic', x'01')",
        )

    assert run(connection, "SELECT rowid, * FROM stored_events") == [before]


def test_a_disclosure_can_be_erased(connection: sqlite3.Connection) -> None:
    """evidence.md 5.1: the only table with a delete path."""
    connection.execute("DELETE FROM disclosure")

    assert connection.execute("SELECT * FROM disclosure").fetchall() == []


def test_a_tile_may_grow_and_nothing_else(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE log_tile SET hashes = x'001122'")

    with REFUSED:
        connection.execute("UPDATE log_tile SET hashes = x'0011'")
    with REFUSED:
        connection.execute("UPDATE log_tile SET n = 1")


def test_the_lock_row_counts_up_and_stays(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE log_lock SET n = n + 1")

    for change in ("UPDATE log_lock SET n = n - 1", "DELETE FROM log_lock", "REPLACE INTO log_lock VALUES (1, 0)"):
        with REFUSED:
            connection.execute(change)


def test_a_leaf_hash_has_32_bytes(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO log_leaf VALUES (1, 'release:a', 2, x'00')")
