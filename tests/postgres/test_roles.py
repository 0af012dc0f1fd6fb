"""What each role may do, and that it may do nothing else: every role tries every statement (issue 9)."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import errors

from ledger.adapters.postgres_schema import AUDITOR, OWNER, TABLES, WRITER
from ledger.adapters.postgres_server import connect, create_ledger
from tests.fakes.recording import ORIGIN
from tests.postgres.server import Server

ROWS = {
    "stored_events": "('release:a', 1, 'topic', 'x')",
    "log_leaf": "(0, 'release:a', 1, sha256('x'))",
    "log_commit": "('c', 0, 0)",
    "log_node": "(1, 0, sha256('x'))",
    "log_checkpoint": "(1, 'x')",
    "anchor": "(1, 'file', 'x', 'now')",
    "disclosure": "('c', 'x', 'x')",
}
SETTINGS = {"log_ledger": "(1, 1, 'other')", "log_key": "('k', 'i', 'host', 'now')", "log_lock": "(1)"}
COLUMNS = {
    "stored_events": "topic",
    "log_leaf": "leaf_hash",
    "log_commit": "last_idx",
    "log_node": "hash",
    "log_checkpoint": "note",
    "anchor": "proof",
    "disclosure": "value",
    "log_ledger": "origin",
    "log_key": "host",
    "log_lock": "id",
}
LOGINS = {"host": WRITER, "auditor": AUDITOR, "keeper": OWNER}
REFUSED = pytest.raises(errors.InsufficientPrivilege)


@pytest.fixture(scope="module")
def address(server: Server) -> Iterator[str]:
    """Give a ledger with a row in each table; nothing that is tried changes it."""
    server.execute("CREATE DATABASE roles")
    create_ledger(server.url("roles"), origin=ORIGIN)
    for name, role in LOGINS.items():
        server.execute(f"CREATE ROLE {name} LOGIN IN ROLE {role}")
    with closing(connect(server.url("roles"), role=WRITER)) as connection:
        for table, row in ROWS.items():
            run(connection, "INSERT INTO", table, "VALUES", row)
    with closing(connect(server.url("roles"), role=OWNER)) as connection:
        run(connection, "INSERT INTO log_key VALUES", SETTINGS["log_key"])
    yield server.url("roles")
    server.execute("DROP DATABASE roles WITH (FORCE)", *(f"DROP ROLE {name}" for name in LOGINS))


def as_user(address: str, user: str) -> "psycopg.Connection[tuple[object, ...]]":
    """Return a connection of *user*, with the rights that come with the login alone."""
    options = "-c search_path=ledger,views"
    return psycopg.connect(address.replace("postgres@", f"{user}@"), options=options, autocommit=True)


def run(connection: psycopg.Connection[Any], *words: str) -> list[tuple[object, ...]]:
    """Run one statement and return what it finds."""
    cursor = connection.execute(" ".join(words))
    return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("user", LOGINS)
@pytest.mark.parametrize("table", TABLES)
def test_nobody_changes_or_takes_back_a_row(address: str, user: str, table: str) -> None:
    """By grants for hosts and auditors, by triggers for the owner too; ``disclosure`` has a path for the owner."""
    column, row = COLUMNS[table], ROWS.get(table) or SETTINGS[table]
    change = f"SET {column} = {column}"
    over = f"ON CONFLICT ON CONSTRAINT {table}_pkey DO UPDATE SET {column} = excluded.{column}"
    statements: list[tuple[str, ...]] = [
        ("UPDATE", table, change),
        ("UPDATE", table, change, "WHERE false"),
        ("DELETE FROM", table),
        ("TRUNCATE", table, "CASCADE"),
        ("INSERT INTO", table, "VALUES", row, over),
        ("MERGE INTO", table, "USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE"),
    ]
    if (user, table) == ("keeper", "disclosure"):
        statements = [words for words in statements if "DELETE" not in " ".join(words)]
    with closing(as_user(address, user)) as connection:
        for words in statements:
            with REFUSED:
                run(connection, *words)


@pytest.mark.parametrize("table", ROWS)
def test_an_insert_over_a_row_is_refused(address: str, table: str) -> None:
    with closing(as_user(address, "host")) as connection, pytest.raises(errors.UniqueViolation):
        run(connection, "INSERT INTO", table, "VALUES", ROWS[table])


@pytest.mark.parametrize("table", TABLES)
def test_an_auditor_inserts_nowhere(address: str, table: str) -> None:
    with closing(as_user(address, "auditor")) as connection, REFUSED:
        run(connection, "INSERT INTO", table, "VALUES", ROWS.get(table) or SETTINGS[table])


@pytest.mark.parametrize("table", SETTINGS)
def test_a_host_enrols_no_key_and_names_no_ledger(address: str, table: str) -> None:
    """A stolen login must not be able to bring a key of its own."""
    with closing(as_user(address, "host")) as connection, REFUSED:
        run(connection, "INSERT INTO", table, "VALUES", SETTINGS[table])


@pytest.mark.parametrize("user", ["host", "auditor"])
def test_nobody_but_the_owner_takes_the_guard_rails_away(address: str, user: str) -> None:
    statements = (
        "ALTER TABLE stored_events DISABLE TRIGGER ALL",
        "DROP TRIGGER stored_events_keeps ON stored_events",
        "CREATE OR REPLACE FUNCTION ledger.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP TABLE stored_events",
        "ALTER TABLE stored_events ADD COLUMN more text",
        "CREATE TABLE ledger.more (x int)",
        f"SET ROLE {OWNER}",
        "SET session_replication_role = replica",
        "BEGIN; LOCK TABLE stored_events IN EXCLUSIVE MODE",
    )
    with closing(as_user(address, user)) as connection:
        for statement in statements:
            with REFUSED:
                connection.execute(statement)


def test_an_auditor_cannot_hold_up_the_writers(address: str) -> None:
    with closing(as_user(address, "auditor")) as connection, REFUSED:
        connection.execute("SELECT id FROM log_lock FOR UPDATE")


def test_an_auditor_reads_every_table(address: str) -> None:
    with closing(as_user(address, "auditor")) as connection:
        for table in (*TABLES, "log_tile"):
            assert run(connection, "SELECT count(*) FROM", table)


def test_the_owner_erases_a_personal_value(address: str) -> None:
    """evidence.md 5.1: the only table with a delete path."""
    with closing(as_user(address, "keeper")) as connection, connection.transaction(force_rollback=True):
        assert connection.execute("DELETE FROM disclosure").rowcount == 1


def test_a_superuser_records_with_the_rights_of_a_writer_only(address: str) -> None:
    with closing(connect(address, role=WRITER)) as connection, REFUSED:
        connection.execute("DELETE FROM disclosure")
