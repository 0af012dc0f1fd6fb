"""A rollback journal beside a ledger: what counts is what SQLite makes of both (it writes none in the mode we use)."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.audit_place import Task, verify_path
from ledger.application.audit_report import AuditReport, Verdict

from .ledgers import Case, alter, build

_FORGE = "UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT), 'CVE', 'cve') AS BLOB) WHERE rowid = 5"
_BACK = "UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT), 'cve', 'CVE') AS BLOB) WHERE rowid = 5"
_SPILL = (
    "CREATE TABLE much (x)",
    "INSERT INTO much SELECT zeroblob(4000) FROM stored_events, stored_events, stored_events",
)


@pytest.fixture
def ledger(tmp_path: Path) -> Case:
    """Return a ledger that is not in the mode that keeps a log file."""
    case = build(tmp_path / "ledger", events=9)
    alter(case.database, "PRAGMA journal_mode = DELETE")
    return case


def broken_off(database: Path, place: Path, statement: str) -> Path:
    """Return a copy of *database* as a crash leaves it in the middle of *statement*, and its journal."""
    place.mkdir()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        for each in (statement, *_SPILL):  # more than the cache takes, so that the file itself is written
            connection.execute(each)
        for suffix in ("", "-journal"):
            shutil.copyfile(f"{database}{suffix}", place / f"ledger.db{suffix}")
        connection.execute("ROLLBACK")
    return place / "ledger.db"


def verify(path: Path, ledger: Case) -> AuditReport:
    return verify_path(Task(path=path, trust=ledger.trust))


def test_what_a_crash_left_half_done_is_no_forgery(ledger: Case, tmp_path: Path) -> None:
    path = broken_off(ledger.database, tmp_path / "copy", _FORGE)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}

    report = verify(path, ledger)

    assert report.verdict is Verdict.VERIFIED
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before
    (path.parent / "ledger.db-journal").unlink()
    assert verify(path, ledger).verdict is Verdict.FAILED


def test_a_journal_that_brings_a_forgery_back_does_not_pass(ledger: Case, tmp_path: Path) -> None:
    """The file alone is as it was signed, and the next program that writes would make it another one."""
    alter(ledger.database, _FORGE)
    path = broken_off(ledger.database, tmp_path / "copy", _BACK)

    report = verify(path, ledger)

    assert (report.verdict, report.reason.where if report.reason else "") == (Verdict.FAILED, "event 4")
