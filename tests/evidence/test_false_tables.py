"""Tables that show a verifier something else than other readers: made by whoever may write the file, without the key.

Each leaves every row of the ledger as it was signed, for whoever reads it as the verifier does.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.audit_place import Task, verify_path
from ledger.adapters.sqlite_schema import tables
from ledger.application.audit_report import AuditReport, Verdict
from ledger.application.audit_source import PartMissingError, PartWrongError

from .ledgers import Case, alter, build

# The verifier sets this pragma, so that nothing of its own can write; others do not.
_VERIFIER = "(SELECT query_only FROM pragma_query_only)"


@pytest.fixture
def ledger(tmp_path: Path) -> Case:
    return build(tmp_path / "ledger", events=7)


def verify(ledger: Case) -> AuditReport:
    return verify_path(Task(path=ledger.database, trust=ledger.trust))


def view(name: str, columns: str) -> tuple[str, ...]:
    """Return what puts a view in the place of a table: sound for the verifier, empty for others."""
    return (
        f"ALTER TABLE {name} RENAME TO sound",
        f"CREATE VIEW {name} AS SELECT {columns} FROM sound WHERE {_VERIFIER}",  # noqa: S608 # names from below
    )


ANOTHER = {
    "stored_events": "originator_id, originator_version, topic, state",
    "log_leaf": "idx, originator_id, originator_version, leaf_hash",
    "log_commit": "commit_id, first_idx, last_idx",
    "log_tile": "level, n, hashes",
    "log_checkpoint": "size, note",
    "anchor": "size, sink, proof, at",
    "disclosure": "commitment, salt, value",
}


@pytest.mark.parametrize("name", ANOTHER)
def test_a_view_in_the_place_of_a_table_is_refused(name: str, ledger: Case) -> None:
    alter(ledger.database, *view(name, ANOTHER[name]))
    with closing(sqlite3.connect(ledger.database)) as others:
        seen = others.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608 # a name from above

    report = verify(ledger)

    assert seen == (0,)
    assert report.verdict is Verdict.FAILED
    assert f"the table {name} is not declared as that of a ledger" in report.words


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE stored_events ADD COLUMN rowid",),
        ("ALTER TABLE log_leaf RENAME TO sound", "CREATE TABLE log_leaf AS SELECT * FROM sound"),
        ("DROP TABLE log_lock",),
    ],
)
def test_a_table_that_is_declared_otherwise_is_refused(statements: tuple[str, ...], ledger: Case) -> None:
    alter(ledger.database, *statements)

    report = verify(ledger)

    assert report.verdict is Verdict.FAILED
    assert "is not declared as that of a ledger" in report.words


def unindexed(database: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    """Make *change* while the file declares no index of the two tables, and declare them again behind it."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        rows = connection.execute(
            "SELECT rowid, type, name, tbl_name, rootpage, sql FROM sqlite_master "
            "WHERE tbl_name IN ('stored_events', 'log_leaf')"
        ).fetchall()
        _declare(connection, "DELETE FROM sqlite_master WHERE type <> 'table' AND tbl_name IN (?, ?)", [_TABLES])
        keyless = ((row[5].replace(*_KEYS[row[2]]), row[0]) for row in rows if row[1] == "table")
        _declare(connection, "UPDATE sqlite_master SET sql = ? WHERE rowid = ?", list(keyless))
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        change(connection)
        whole = [row for row in rows if row[1] != "table"]
        _declare(
            connection,
            "INSERT INTO sqlite_master(rowid, type, name, tbl_name, rootpage, sql) VALUES (?,?,?,?,?,?)",
            whole,
        )
        again = [(row[5], row[0]) for row in rows if row[1] == "table"]
        _declare(connection, "UPDATE sqlite_master SET sql = ? WHERE rowid = ?", again)


_TABLES = ("stored_events", "log_leaf")
_KEYS = {
    "stored_events": (", PRIMARY KEY (originator_id, originator_version)", ""),
    "log_leaf": ("UNIQUE (originator_id, originator_version)", "CHECK (1)"),
}


def _declare(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    (version,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    connection.executemany(statement, rows)
    connection.execute(f"PRAGMA schema_version = {version + 1}")
    connection.execute("PRAGMA writable_schema = OFF")


_EVENT = (
    "INSERT INTO stored_events(rowid, originator_id, originator_version, topic, state) "
    "VALUES (?, 'x', 1, 'x.v1', x'7b7d')"
)
_LEAF = "INSERT INTO log_leaf VALUES (?, 'x', 1, zeroblob(32))"


@pytest.mark.parametrize("rowid", [0, 8, 9999])
def test_an_event_that_no_index_counts_is_found(rowid: int, ledger: Case) -> None:
    unindexed(ledger.database, lambda connection: connection.execute(_EVENT, (rowid,)))
    with closing(sqlite3.connect(ledger.database)) as connection:
        counted = connection.execute("SELECT count(*) FROM stored_events").fetchone()

    report = verify(ledger)

    assert counted == (7,)
    assert report.words == "failed: the record: an event lies outside the tree: version 1 of 'x'"


@pytest.mark.parametrize(
    ("index", "told"),
    [(7, "event 7"), (9999, "event 9999"), (-1, "the tree has leaves before event 0")],
)
def test_a_leaf_that_no_index_counts_is_found(index: int, told: str, ledger: Case) -> None:
    unindexed(ledger.database, lambda connection: connection.execute(_LEAF, (index,)))
    with closing(sqlite3.connect(ledger.database)) as connection:
        counted = connection.execute("SELECT count(*) FROM log_leaf").fetchone()

    report = verify(ledger)

    assert counted == (7,)
    assert report.verdict is Verdict.FAILED
    assert told in report.words


@pytest.mark.parametrize(
    ("change", "event"),
    [
        ("UPDATE stored_events SET originator_id = 'other' WHERE rowid = 3", "event 2"),
        ("UPDATE stored_events SET originator_version = 77 WHERE rowid = 7", "event 6"),
        ("UPDATE log_leaf SET originator_id = 'other' WHERE idx = 4", "event 4"),
    ],
)
def test_a_column_that_only_the_table_says_otherwise_is_found(change: str, event: str, ledger: Case) -> None:
    """Row 2, where the index still has what was signed: who reads the table reads another stream or version."""
    unindexed(ledger.database, lambda connection: connection.execute(change))

    report = verify(ledger)

    assert (report.verdict, report.reason.where if report.reason else "") == (Verdict.FAILED, event)


def rows_of(path: Path) -> list[object]:
    """Return every row, read from the tables and not from an index."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        connection.text_factory = bytes
        return [
            connection.execute(f"SELECT * FROM {name} {how} ORDER BY 1, 2").fetchall()  # noqa: S608 # names from above
            for name, how in zip(ANOTHER, ("NOT INDEXED",) * 2 + ("",) * 5, strict=True)
        ]


def test_a_byte_that_changes_anywhere_in_the_file_is_found_or_changes_nothing(ledger: Case, tmp_path: Path) -> None:
    """Row 1, on the file itself; what is damaged so that it cannot be read is undecided, and never breaks off."""
    with closing(sqlite3.connect(ledger.database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    sound, rows = ledger.database.read_bytes(), rows_of(ledger.database)
    path, verdicts = tmp_path / "damaged.db", set()

    for at in (*range(20, 4096, 11), *range(4096, len(sound), 241)):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 0xFF]) + sound[at + 1 :])
        try:
            verdict = verify_path(Task(path=path, trust=ledger.trust)).verdict
        except PartMissingError:
            verdict = Verdict.UNDECIDED
        except PartWrongError:
            verdict = Verdict.FAILED
        assert verdict is not Verdict.VERIFIED or rows_of(path) == rows, at
        verdicts.add(verdict)

    assert verdicts == set(Verdict)


def test_a_ledger_whose_rows_were_numbered_anew_verifies(ledger: Case) -> None:
    """As after a dump and its reading: the number of a row proves nothing."""
    alter(ledger.database, "UPDATE stored_events SET rowid = rowid + 100")

    assert verify(ledger).verdict is Verdict.VERIFIED


def test_a_ledger_that_was_dumped_and_read_again_verifies(ledger: Case, tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(ledger.database)) as connection,
        closing(sqlite3.connect(tmp_path / "again.db")) as again,
    ):
        again.executescript("\n".join(connection.iterdump()))
        for pragma in ("application_id", "user_version"):
            (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
            again.execute(f"PRAGMA {pragma} = {value}")
        again.execute("VACUUM")

    assert verify_path(Task(path=tmp_path / "again.db", trust=ledger.trust)).verdict is Verdict.VERIFIED


def test_every_table_of_a_ledger_is_looked_at() -> None:
    assert tables().keys() == {*ANOTHER, "log_lock"}
