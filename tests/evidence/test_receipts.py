"""Receipts of witnesses: a ledger has one for every commit and witness, and a verifier reads them one by one."""

import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.application.audit_report import Level, Verdict
from ledger.application.audit_source import HeldNote
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.note import sign_note
from ledger.tlog.tree_builder import TreeBuilder
from tests.fakes.recording import ORIGIN

from .bundles import leaves_of
from .ledgers import Case, alter, build, copy_case, cosigned, edit_state, redo

EVENTS = 40
MANY = 2_000


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("ledger") / "ledger", events=EVENTS)


@pytest.fixture
def case(alone: Case, tmp_path: Path) -> Case:
    """Return a ledger whose witness cosigned every commit."""
    case = replace(copy_case(alone, tmp_path / "ledger"), witness=True)
    keep(case, [(size, "w", cosigned(note)) for size, note in notes_of(case)])
    return case


def notes_of(case: Case) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(case.database)) as connection:
        return connection.execute("SELECT size, note FROM log_checkpoint ORDER BY size").fetchall()


def keep(case: Case, receipts: list[tuple[int, str, bytes]]) -> None:
    alter(case.database, *(("INSERT INTO anchor VALUES (?, ?, ?, 'then')", receipt) for receipt in receipts))


def test_every_receipt_counts_for_its_witness(case: Case) -> None:
    report = case.verify(level=Level.OUTSIDE)

    assert Level.OUTSIDE in report.holding
    assert (report.held, report.held_by) == (EVENTS, ("w",))


def test_many_receipts_take_no_more_memory_than_a_few(case: Case) -> None:
    """PRODUCT section 13: 200 MiB for a million events, and each may have a receipt of every witness."""
    size, note = notes_of(case)[-1]
    with_all = replace(case, folder=copy_case(case, case.folder.path.with_name("many")).folder)
    keep(with_all, [(size, f"w{n}", cosigned(note)) for n in range(MANY)])

    few, many = peak_of(case), peak_of(with_all)

    assert many - few < 500_000  # bytes; they were five million


def peak_of(case: Case) -> int:
    case.verify()  # what is loaded once is loaded
    tracemalloc.start()
    try:
        assert case.verify().held == EVENTS
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_of_many_receipts_of_another_history_the_first_are_named_and_the_others_counted(case: Case) -> None:
    """evidence.md 7, attack 6: the holder of the key redoes everything, and the receipts stay what they were."""
    edit_state(case.database, 5, lambda state: state.replace(b"CVE", b"cve"))
    redo(case.database, key=case.key)

    report = case.verify()

    wrong = [found for found in report.findings if found.level is Level.OUTSIDE and found.verdict is Verdict.FAILED]
    assert [found.where for found in wrong] == [f"anchor {size} of 'w'" for size in (6, 8, 10)] + [
        "the receipts of others"
    ]
    assert wrong[0].what == "it holds another history up to size 6"
    assert wrong[3].what == f"{(EVENTS - 4) // 2 - 3} more of them are wrong, too"
    assert report.verdict is Verdict.FAILED


@pytest.mark.parametrize("since", [0, 7, 20, 38])
def test_receipts_of_sizes_without_a_checkpoint_are_held_against_the_tiles(case: Case, since: int) -> None:
    """Also those before the size at which an incremental audit begins."""
    twin = copy_case(case, case.folder.path.with_name("twin"))
    keep(case, [(size, "x", cosigned(checkpoint_of(case, size))) for size in (3, 13, 21, 39)])
    keep(twin, [(13, "x", cosigned(signed(case, 13, bytes(32))))])
    begun = HeldNote("mine", checkpoint_of(case, since)) if since else None

    good, bad = case.verify(since=begun), twin.verify(since=begun)

    assert not good.findings, good.findings
    assert [(found.where, found.what) for found in bad.findings] == [
        ("anchor 13 of 'x'", "it holds another history up to size 13")
    ]


def checkpoint_of(case: Case, size: int) -> bytes:
    """Return what the log would have signed at a size at which no commit ended."""
    built = TreeBuilder()
    built.extend(list(map(hash_leaf, leaves_of(case)[:size])))
    return signed(case, size, built.root())


def signed(case: Case, size: int, root: bytes) -> bytes:
    return sign_note(Checkpoint(ORIGIN, size, root).encode(), signers=(case.key,))


def test_receipts_that_count_for_nothing_are_counted_behind_the_first(case: Case) -> None:
    size, note = notes_of(case)[-1]
    keep(case, [(size, f"s{n}", b"a line for a log") for n in range(5)])
    keep(case, [(size, f"t{n}", note) for n in range(4)])

    remarks = case.verify().remarks

    assert len([told for told in remarks if told.startswith(f"anchor {size} of ")]) == 6
    assert "2 more receipts of others count for nothing: it was not checked" in remarks
    assert "1 more receipts of others count for nothing: no known witness vouches for it" in remarks


def test_a_tree_that_was_not_built_to_its_end_has_no_holders(case: Case) -> None:
    edit_state(case.database, 30, lambda state: state.replace(b"CVE", b"cve"))

    report = case.verify()

    assert (report.verdict, report.held) == (Verdict.FAILED, 0)
    assert report.reason is not None
    assert report.reason.where == "event 29"


def test_a_receipt_beyond_the_end_says_what_is_lost(case: Case) -> None:
    """evidence.md 7, attack 7: the tail is cut, and the witness has it."""
    keep(case, [(EVENTS + 2, "w", cosigned(signed(case, EVENTS + 2, bytes(32))))])

    report = case.verify()

    assert report.reason is not None
    assert report.reason.what == "it holds size 42, the record ends at 40: events 40 to 41 are lost"
