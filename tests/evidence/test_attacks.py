"""The attack x holder table of evidence.md 7: each attack done on the real database file.

A column is what the verifier has besides the database: nothing, the host's tip guard, the
auditor's own state, a witness's note; each with those before it. The notes of the holders cover
all events unless the test says otherwise.
"""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.application.audit_report import AuditReport, Level, Verdict
from ledger.application.audit_source import HeldNote
from ledger.application.audit_trust import Guard

from .ledgers import (
    STRANGER,
    Case,
    alter,
    build,
    copy_case,
    cosigned,
    edit_state,
    newest,
    record,
    redo,
    upgrades,
)

HOLDERS = ("database only", "tip guard", "auditor's state", "witness")
Attack = Callable[[Path, Case], None]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("ledger") / "ledger")


def with_holder(case: Case, holder: str, *, of: Case | None = None) -> Case:
    """Return *case* with what *holder* and those before it hold, of another state of the ledger where *of* says so."""
    at = HOLDERS.index(holder)
    note = newest((of or case).database)
    guard = Guard(name="the tip guard", data=(of or case).folder.guard.read()) if at else None
    notes = (HeldNote("the auditor's state", note), HeldNote("the witness", cosigned(note)))
    return replace(case, guard=guard, held=notes[: max(0, at - 1)], witness=at > 2)


def where(report: AuditReport) -> str:
    assert report.reason is not None
    return report.reason.where


def change_byte(path: Path, _case: Case) -> None:
    edit_state(path, 8, lambda state: state.replace(b"CVE fix", b"CVE fiX"))


def change_column(column: str, value: object) -> Attack:
    def attack(path: Path, _case: Case) -> None:
        place = "UPDATE {0} SET {1} = ? WHERE {2}".format
        alter(path, (place("stored_events", column, "originator_version = 8"), (value,)))
        if column != "topic":
            alter(path, (place("log_leaf", column, "idx = 7"), (value,)))

    return attack


def delete_row(path: Path, _case: Case) -> None:
    alter(path, "DELETE FROM stored_events WHERE originator_version = 8")


def delete_leaf(path: Path, _case: Case) -> None:
    alter(path, "DELETE FROM log_leaf WHERE idx = 7")


def add_row(path: Path, _case: Case) -> None:
    alter(path, "INSERT INTO stored_events SELECT originator_id, 99, topic, state FROM stored_events LIMIT 1")


def swap_rows(path: Path, _case: Case) -> None:
    place = "UPDATE stored_events SET state = (SELECT state FROM temp.kept WHERE originator_version = {0}) "
    alter(
        path,
        "CREATE TEMP TABLE kept AS SELECT originator_version, state FROM stored_events",
        (place.format(9) + "WHERE originator_version = 8"),
        (place.format(8) + "WHERE originator_version = 9"),
    )


def flip_tile(path: Path, _case: Case) -> None:
    alter(path, "UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0")


def flip_leaf_hash(path: Path, _case: Case) -> None:
    alter(path, "UPDATE log_leaf SET leaf_hash = zeroblob(32) WHERE idx = 7")


def redo_without_key(path: Path, case: Case) -> None:
    change_byte(path, case)
    redo(path, key=None)


FOUND_ALWAYS: dict[str, tuple[Attack, str]] = {
    "1 a byte of a state": (change_byte, r"event 7"),
    "2 the stream column": (change_column("originator_id", "release:other"), r"event 7"),
    "2 the version column": (change_column("originator_version", 98), r"event 7"),
    "2 the topic column": (change_column("topic", "emqx.release.uninstalled.v1"), r"event 7"),
    "3 an event deleted": (delete_row, r"event 7"),
    "3 a leaf deleted": (delete_leaf, r"event (7|18)"),
    "3 a row outside the tree": (add_row, r"the record"),
    "3 two rows swapped": (swap_rows, r"event 7"),
    "4 a tile": (flip_tile, r"tile/0/000\.p/19"),
    "4 a leaf hash": (flip_leaf_hash, r"event 7"),
    "5 all redone without the key": (redo_without_key, r"checkpoint 8"),
    "15 a checkpoint dropped": (
        lambda path, _: alter(path, "DELETE FROM log_checkpoint WHERE size = 8"),
        "checkpoint 8",
    ),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("attack", FOUND_ALWAYS)
def test_an_attack_without_the_key_is_found_and_its_place_named(
    attack: str, holder: str, ledger: Case, tmp_path: Path
) -> None:
    """Rows 1 to 5 and 15: F in every column."""
    case = with_holder(copy_case(ledger, tmp_path / "ledger"), holder, of=ledger)
    act, place = FOUND_ALWAYS[attack]

    act(case.database, case)
    report = case.verify()

    assert report.verdict is Verdict.FAILED
    assert re.fullmatch(place, where(report))


def rewrite(path: Path, case: Case) -> None:
    change_byte(path, case)
    redo(path, key=case.key)


def rewrite_shorter(path: Path, case: Case) -> None:
    alter(
        path,
        "DELETE FROM stored_events WHERE originator_version > 17",
        "DELETE FROM log_leaf WHERE idx >= 17",
        "UPDATE log_commit SET last_idx = 16 WHERE last_idx = 17",
        "DELETE FROM log_commit WHERE first_idx > 16",
    )
    redo(path, key=case.key)


def cut_tail(path: Path, _case: Case) -> None:
    alter(
        path,
        "DELETE FROM stored_events WHERE originator_version > 16",
        "DELETE FROM log_leaf WHERE idx >= 16",
        "DELETE FROM log_commit WHERE first_idx >= 16",
        "DELETE FROM log_checkpoint WHERE size > 16",
        "UPDATE log_tile SET hashes = substr(hashes, 1, 16 * 32)",
    )


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("attack", [rewrite, rewrite_shorter, cut_tail])
def test_an_attack_with_the_key_is_found_by_who_holds_a_note(
    attack: Attack, holder: str, ledger: Case, tmp_path: Path
) -> None:
    """Rows 6 to 8: the database alone cannot tell; then the report counts what nobody holds."""
    case = with_holder(copy_case(ledger, tmp_path / "ledger"), holder, of=ledger)

    attack(case.database, case)
    report = case.verify(level=Level.OUTSIDE if holder == "witness" else None)

    if holder == "database only":
        assert report.verdict is Verdict.VERIFIED
        assert report.level is Level.SIGNATURE
        assert report.unheld == report.size
    else:
        assert report.verdict is Verdict.FAILED
        assert where(report) in {"the tip guard", "the auditor's state", "the witness"}


def test_what_is_cut_from_the_end_is_named(ledger: Case, tmp_path: Path) -> None:
    case = with_holder(copy_case(ledger, tmp_path / "ledger"), "tip guard", of=ledger)

    cut_tail(case.database, case)
    report = case.verify()

    assert "events 16 to 18 are lost" in report.words


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_old_backup_with_its_old_guard_that_was_appended_to(holder: str, ledger: Case, tmp_path: Path) -> None:
    """Row 9: guard and database agree again; only who holds a note outside the host can tell."""
    case = build(tmp_path / "ledger", events=9)
    history = list(zip(range(15), upgrades(), strict=False))
    record(case.folder, [event for number, event in history if number >= 9], commit=2)
    held = with_holder(case, holder, of=ledger)
    own = Guard(name="the tip guard", data=case.folder.guard.read())
    case = replace(held, guard=own if held.guard else None)

    report = case.verify(level=Level.OUTSIDE if holder == "witness" else None)

    expected = Verdict.VERIFIED if holder in HOLDERS[:2] else Verdict.FAILED
    assert report.verdict is expected
    assert report.unheld == (15 if expected is Verdict.VERIFIED else report.unheld)


def test_two_copies_that_both_append_are_told_once_they_are_met(ledger: Case, tmp_path: Path) -> None:
    """Row 10: each branch is sound; the auditor who saw one refuses the other."""
    first, second = (build(tmp_path / name, events=9) for name in ("first", "second"))
    history = [event for _, event in zip(range(15), upgrades(), strict=False)]
    record(first.folder, history[9:13], commit=2)
    record(second.folder, history[9:15], commit=3)

    alone = [with_holder(case, "tip guard").verify().verdict for case in (first, second)]
    met = replace(second, held=(HeldNote("the auditor's state", newest(first.database)),)).verify()

    assert alone == [Verdict.VERIFIED, Verdict.VERIFIED]
    assert met.verdict is Verdict.FAILED
    assert where(met) == "the auditor's state"
    assert ledger.key == first.key


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_guard_that_was_deleted_leaves_it_undecided_where_one_is_expected(
    holder: str, ledger: Case, tmp_path: Path
) -> None:
    """Row 11."""
    case = with_holder(copy_case(ledger, tmp_path / "ledger"), holder)
    if case.guard is not None:
        case = replace(case, guard=replace(case.guard, data=None))

    report = case.verify()

    assert report.verdict is (Verdict.UNDECIDED if case.guard else Verdict.VERIFIED)


def test_a_note_of_another_log_is_refused(ledger: Case, tmp_path: Path) -> None:
    """Row 12: two ledgers of one origin and different keys."""
    other = build(tmp_path / "other", seed=2)

    report = replace(ledger, held=(HeldNote("the auditor's state", newest(other.database)),)).verify()

    assert report.verdict is Verdict.FAILED
    assert where(report) == "the auditor's state"


def test_a_ledger_of_another_key_is_refused(ledger: Case, tmp_path: Path) -> None:
    """Row 13: everything is signed anew, with a key that nobody trusts."""
    other = build(tmp_path / "other", seed=2)

    report = replace(ledger, folder=other.folder).verify()

    assert report.verdict is Verdict.FAILED
    assert "no line of the note is by a known key" in report.words


@pytest.mark.parametrize("damaged", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_cosignature_that_is_damaged_counts_only_where_its_witness_is_known(
    *, known: bool, damaged: bool, ledger: Case
) -> None:
    """Row 16."""
    note = cosigned(newest(ledger.database)) if known else cosigned(newest(ledger.database), STRANGER)
    note = note[:-8] + (b"AAAAAAA\n" if damaged and not note.endswith(b"AAAAAAA\n") else note[-8:])
    case = replace(ledger, witness=True, held=(HeldNote("an anchor", note),))

    report = case.verify()

    expected = Verdict.FAILED if damaged else Verdict.VERIFIED
    assert report.verdict is (expected if known else Verdict.UNDECIDED)


def test_a_guard_one_commit_behind_is_a_crash_and_two_are_not(ledger: Case) -> None:
    """evidence.md 5.4: between the commit and the swap of the guard."""
    with closing(sqlite3.connect(ledger.database)) as connection:
        notes = [row[0] for row in connection.execute("SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 3")]

    one, two = (replace(ledger, guard=Guard(name="g", data=note)).verify() for note in notes[1:])

    assert one.verdict is Verdict.VERIFIED
    assert any("one commit behind" in remark for remark in one.remarks)
    assert two.verdict is Verdict.UNDECIDED


def test_the_report_counts_what_nobody_outside_holds(ledger: Case) -> None:
    """PRODUCT section 8."""
    with closing(sqlite3.connect(ledger.database)) as connection:
        (note,) = connection.execute("SELECT note FROM log_checkpoint WHERE size = 16").fetchone()
    case = replace(ledger, witness=True, held=(HeldNote("the witness", cosigned(note)),))

    report = case.verify()

    assert report.words.startswith("ok: 19 events, root ")
    assert report.words.endswith("held outside: 16 of 19 (last 3 only on this host)")
    assert report.unheld_since == "2026-03-01T12:00:00.000000Z"
    assert report.level is Level.OUTSIDE


COMMITS_CHANGED = {
    "missing": ("DELETE FROM log_commit WHERE first_idx = 8", "does not say the events 8 to 9"),
    "missing at the end": ("DELETE FROM log_commit WHERE first_idx = 18", "no row for the commit of event 18"),
    "extra": ("INSERT INTO log_commit VALUES ('other', 19, 20)", "row 'other' .* is of no commit of the tree"),
    "twice": ("INSERT INTO log_commit VALUES ('other', 8, 9)", "does not say the events 10 to 11"),
    "below": ("INSERT INTO log_commit VALUES ('other', -5, -1)", "row 'other' .* does not say the events 0 to 1"),
    "no number": ("INSERT INTO log_commit VALUES ('other', 'x', 'y')", "row 'other' .* is of no commit"),
    "named anew": ("UPDATE log_commit SET commit_id = 'other' WHERE first_idx = 8", "row 'other' .* of event 8"),
    "no text": ("UPDATE log_commit SET commit_id = x'ff' WHERE first_idx = 8", "of event 8"),
    "longer": ("UPDATE log_commit SET last_idx = 10 WHERE first_idx = 8", "does not say the events 8 to 9"),
    "all gone": ("DELETE FROM log_commit", "no row for the commit of event 0"),
}


@pytest.mark.parametrize("change", COMMITS_CHANGED)
def test_the_table_of_commits_is_that_of_the_events(change: str, ledger: Case, tmp_path: Path) -> None:
    """Level 0: by this table a retry after a lost answer learns what was recorded (evidence.md 8)."""
    case = copy_case(ledger, tmp_path / "ledger")
    statement, words = COMMITS_CHANGED[change]

    alter(case.database, statement)
    report = case.verify()

    assert report.verdict is Verdict.FAILED
    assert report.reason is not None
    assert (report.reason.level, report.reason.where) == (Level.FORM, "the record")
    assert re.search(words, report.words)
