"""Rows 17 and 19 of evidence.md 7 at the writer: recorded once, taken or refused whole, and verified after."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from ledger.application.audit_report import Verdict
from ledger.application.leaf_form import read_leaf
from ledger.application.release_ledger import ReleaseLedger
from ledger.domain.canonical import CanonicalError
from ledger.domain.envelope import EnvelopeSizeError
from ledger.domain.events import AnyReleaseEvent, NoteAdded
from tests.fakes.recording import CONTEXT, STREAM, open_ledger, recording

from .ledgers import Case, build, upgrades

COMMIT = "0190d1ab-1234-7abc-8def-00000000ffff"


def opened(case: Case) -> ReleaseLedger:
    how = replace(recording(turn=lambda: case.folder.turn.hold("record", wait=10)), signer=case.key)
    return open_ledger(case.database, replace(how, guard=case.folder.guard))


def rows(case: Case) -> tuple[int, ...]:
    tables = ("stored_events", "log_leaf", "log_commit", "log_checkpoint")
    with closing(sqlite3.connect(case.database)) as connection:
        return tuple(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables)  # noqa: S608 # names from above


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return build(tmp_path / "ledger", events=6, commit=1)


def following(count: int) -> list[AnyReleaseEvent]:
    return list(islice(upgrades(), 6, 6 + count))


def test_a_commit_that_is_sent_twice_is_recorded_once(case: Case) -> None:
    """Row 17."""
    with closing(opened(case)) as ledger:
        first = ledger.record(following(2), commit_id=COMMIT)
        second = ledger.record(following(2), commit_id=COMMIT)

    assert first == second == (6, 7)
    assert case.verify().verdict is Verdict.VERIFIED


class _LostAnswerError(Exception):
    """The connection broke after COMMIT."""


def test_an_answer_that_was_lost_after_the_commit_doubles_nothing(case: Case) -> None:
    """Row 17: the guard is swapped behind the COMMIT, so breaking there is a lost answer."""

    class LosingGuard:
        def read(self) -> bytes | None:
            return case.folder.guard.read()

        def advance(self, note: bytes) -> None:
            case.folder.guard.advance(note)

        def pass_over(self, note: bytes) -> None:
            case.folder.guard.pass_over(note)

        def swap(self, note: bytes) -> None:
            raise _LostAnswerError(note)

    how = replace(recording(), signer=case.key, guard=LosingGuard())
    with closing(open_ledger(case.database, how)) as ledger, pytest.raises(_LostAnswerError):
        ledger.record(following(2), commit_id=COMMIT)

    with closing(opened(case)) as ledger:
        again = ledger.record(following(2), commit_id=COMMIT)

    assert again == (6, 7)
    assert rows(case) == (8, 8, 7, 7)
    assert case.verify().verdict is Verdict.VERIFIED


def test_two_writers_at_once_share_one_dense_log(case: Case) -> None:
    """Row 17: no false conflict, since each writes a stream of its own."""

    def write(stream: str) -> None:
        with closing(opened(case)) as ledger:
            for version in range(1, 11):
                event = NoteAdded(
                    originator_id=stream,
                    originator_version=version,
                    context=CONTEXT,
                    event_id=COMMIT,
                    kind="note",
                    text=("seen",),
                )
                ledger.record([event])

    writers = [threading.Thread(target=write, args=(f"release:emqx@{name}",)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert rows(case) == (26, 26, 26, 26)
    report = case.verify()
    assert report.size == 26
    assert not [finding for finding in report.findings if finding.level.name != "MEANING"]


def note_of(size: int) -> Callable[[AnyReleaseEvent], AnyReleaseEvent]:
    """Return what makes an event whose leaf has *size* bytes: a note of many lines."""

    def change(event: AnyReleaseEvent) -> AnyReleaseEvent:
        note = NoteAdded(
            originator_id=STREAM,
            originator_version=event.originator_version,
            context=CONTEXT,
            event_id=COMMIT,
            kind="note",
            text=("x" * 4096,) * 15,
        )
        return replace(note, text=(*note.text, "y" * (size - BASE)))

    return change


# Bytes of such a leaf without its last line, found out once: names and values of one width.
BASE = 15 * 4099 + 1000


def leaf_of(case: Case) -> bytes:
    with closing(sqlite3.connect(case.database)) as connection:
        leaf: bytes = connection.execute("SELECT state FROM stored_events ORDER BY rowid DESC LIMIT 1").fetchone()[0]
        return leaf


def test_a_leaf_of_65535_bytes_is_taken_and_one_more_is_refused(case: Case) -> None:
    """Row 19; the length prefix of an entry bundle has two bytes."""
    (event,) = following(1)
    with closing(opened(case)) as ledger:
        ledger.record([note_of(BASE + 100)(event)])
        longer = BASE + 100 + 65_535 - len(leaf_of(case))
        before = rows(case)
        largest = replace(note_of(longer)(event), originator_version=8)
        with pytest.raises(EnvelopeSizeError):
            ledger.record([replace(note_of(longer + 1)(event), originator_version=8)])
        assert rows(case) == before
        ledger.record([largest])

    assert len(leaf_of(case)) == 65_535
    assert read_leaf(leaf_of(case)).version == b"8"
    assert not [finding for finding in case.verify().findings if finding.level.name != "MEANING"]


@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\0b", "a\tb", "e\u0301", "a\u202eb", "a\u200bb", "\ufeffa", "a\ud800", "\U000e0041", "x" * 4097, ""],
)
@pytest.mark.parametrize("member", ["reason", "ticket", "actor"])
def test_a_text_that_may_deceive_is_refused_and_nothing_is_written(member: str, text: str, case: Case) -> None:
    """Row 19: line feed, NUL, tab, not NFC, bidirectional, zero width, surrogate, tag, too long, empty."""
    (event,) = following(1)
    context = event.context
    altered = (
        replace(context, actor=replace(context.actor, id=text))
        if member == "actor"
        else replace(context, **{member: text})  # type: ignore[arg-type] # a text, by its name
    )
    before, guard = rows(case), case.folder.guard.read()

    with closing(opened(case)) as ledger, pytest.raises(CanonicalError):
        ledger.record([replace(event, context=altered)])

    assert (rows(case), case.folder.guard.read()) == (before, guard)
    assert case.verify().verdict is Verdict.VERIFIED


@pytest.mark.parametrize(("number", "taken"), [(2**53 - 1, True), (2**53, False), (1.5, False), (float("nan"), False)])
def test_a_number_that_not_every_reader_reads_alike_is_refused(number: float, *, taken: bool, case: Case) -> None:
    """Row 19."""
    (event,) = following(1)
    actor = replace(event.context.actor, login_uid=number)  # type: ignore[arg-type] # what the types already forbid
    altered = replace(event, context=replace(event.context, actor=actor))
    before = rows(case)

    with closing(opened(case)) as ledger:
        if taken:
            ledger.record([altered])
        else:
            with pytest.raises(CanonicalError):
                ledger.record([altered])

    assert (rows(case) != before) is taken
    assert case.verify().verdict is Verdict.VERIFIED
