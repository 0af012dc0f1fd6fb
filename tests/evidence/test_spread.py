"""A log walked in ranges says what one pass says, word for word, whatever was done to it."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from ledger.adapters.audit_sqlite import open_source
from ledger.adapters.audit_workers import Workers, workers_for
from ledger.application.audit import Asked, audit
from ledger.application.audit_report import AuditReport, Verdict
from ledger.application.audit_source import LogSource, PartMissingError
from ledger.application.audit_spread import Segment, WalkRange
from ledger.application.leaf_form import LeafReader

from .ledgers import Case, alter, build, copy_case, edit_state, redo

EVENTS, COMMIT = 600, 7
FORKS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@dataclass
class OneProcess:
    """Ranges walked one after the other (an ``audit_spread.Spread``); remembers what came out."""

    open_record: Callable[[], AbstractContextManager[LogSource]]
    each: int = 256

    def __post_init__(self) -> None:
        self.segments: list[Segment | None] = []

    def over(self, ranges: Sequence[tuple[int, int]], walk: WalkRange) -> Iterator[Segment | None]:
        for between in ranges:
            with self.open_record() as source:
                self.segments.append(walk(source, between))
            yield self.segments[-1]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("ledger") / "ledger", events=EVENTS, commit=COMMIT)


def both(case: Case, each: int = 256) -> tuple[AuditReport, AuditReport, list[Segment | None]]:
    """Return the reports of one pass and of ranges, and the ranges."""
    spread = OneProcess(partial(open_source, case.database), each)
    with open_source(case.database) as source:
        alone = audit(source, trust=case.trust, read=LeafReader())
        apart = audit(source, trust=case.trust, read=LeafReader(), asked=Asked(spread=spread))
    return alone, apart, spread.segments


@pytest.mark.parametrize("each", [1, 7, 100, 256, 300, 512, 599, 600, 1000])
def test_ranges_of_a_sound_log_are_joined_wherever_they_meet(each: int, ledger: Case) -> None:
    """Borders inside a commit, between two, inside a tile, and at the end of one."""
    alone, apart, segments = both(ledger, each)

    assert alone.verdict is Verdict.VERIFIED
    assert apart == alone
    assert [segment.start for segment in segments if segment] == list(range(0, EVENTS, each))


@pytest.mark.parametrize("index", [0, 255, 256, 511, 599])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET state = CAST(replace(state, 'CVE', 'cve') AS BLOB) WHERE rowid = {0} + 1",
        "UPDATE stored_events SET topic = 'x.v1' WHERE rowid = {0} + 1",
        "UPDATE log_leaf SET leaf_hash = zeroblob(32) WHERE idx = {0}",
        "DELETE FROM log_leaf WHERE idx = {0}",
        "DELETE FROM stored_events WHERE rowid = {0} + 1",
        "DELETE FROM log_checkpoint WHERE size = {0} / 7 * 7",
        "DELETE FROM log_tile WHERE level = 0 AND n = {0} / 256",
        "UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND n = {0} / 256",
        "UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE level = 1",
        "DELETE FROM log_leaf WHERE idx >= {0}",
    ],
)
def test_what_is_wrong_is_named_alike(index: int, statement: str, ledger: Case, tmp_path: Path) -> None:
    case = copy_case(ledger, tmp_path / "ledger")
    alter(case.database, statement.format(index))

    alone, apart, _ = both(case)

    assert apart == alone


@pytest.mark.parametrize("index", [3, 256, 400])
@pytest.mark.parametrize("member", [b'"version":', b'"event_id":"0', b'"commit_id":"0', b'"ledger":"b', b'"v":1'])
def test_a_forger_with_the_key_is_named_alike(index: int, member: bytes, ledger: Case, tmp_path: Path) -> None:
    """Every hash and signature redone around the change, so that only the form can tell."""
    case = copy_case(ledger, tmp_path / "ledger")
    edit_state(
        case.database,
        index + 1,
        lambda state: state.replace(member, member[:-1] + b"9" if member[-1:] != b":" else member + b"9", 1),
    )
    redo(case.database, key=case.key)

    alone, apart, _ = both(case)

    assert apart == alone
    assert alone.verdict is not Verdict.VERIFIED or member.startswith((b'"event_id', b'"commit_id'))


@pytest.mark.parametrize(("first", "second"), [(3, 15), (250, 270), (3, 599)])
@pytest.mark.parametrize("member", ["event_id", "commit_id"])
def test_an_identifier_that_stands_twice_is_found_over_any_distance(
    member: str, first: int, second: int, ledger: Case, tmp_path: Path
) -> None:
    """evidence.md 1.3 (8)."""
    case = copy_case(ledger, tmp_path / "ledger")
    states = [state_of(case, index) for index in (first, second)]
    one, two = (state.split(f'"{member}":"'.encode())[1][:36] for state in states)
    statement = "UPDATE stored_events SET state = CAST(replace(state, ?, ?) AS BLOB)"
    alter(case.database, (statement, (two.decode(), one.decode())))
    redo(case.database, key=case.key)

    alone, apart, _ = both(case)

    assert apart == alone
    assert alone.reason is not None
    assert alone.reason.what.startswith(f"its {member} is that of an earlier")


def state_of(case: Case, index: int) -> bytes:
    with closing(sqlite3.connect(case.database)) as connection:
        state: bytes = connection.execute("SELECT state FROM stored_events WHERE rowid = ?", (index + 1,)).fetchone()[0]
        return state


def test_without_a_key_ranges_leave_it_as_undecided_as_one_pass(ledger: Case) -> None:
    spread = OneProcess(partial(open_source, ledger.database))
    trust = replace(ledger.trust, policy=None)
    with open_source(ledger.database) as source:
        alone = audit(source, trust=trust, read=LeafReader())
        apart = audit(source, trust=trust, read=LeafReader(), asked=Asked(spread=spread))

    assert apart == alone
    assert alone.verdict is Verdict.UNDECIDED


@FORKS
def test_processes_say_what_one_says_and_progress_is_told(ledger: Case) -> None:
    told: list[tuple[int, int]] = []
    workers = Workers(partial(open_source, ledger.database), 2, each=100)
    with open_source(ledger.database) as source:
        alone = audit(source, trust=ledger.trust, read=LeafReader())
        asked = Asked(spread=workers, progress=lambda done, size: told.append((done, size)))
        apart = audit(source, trust=ledger.trust, read=LeafReader(), asked=asked)

    assert apart == alone
    assert told == [(done, EVENTS) for done in range(100, EVENTS + 1, 100)]


def dies(database: Path, parent: int) -> AbstractContextManager[LogSource]:
    if os.getpid() != parent:
        os._exit(9)
    return open_source(database)


def unreadable(database: Path, parent: int) -> AbstractContextManager[LogSource]:
    if os.getpid() != parent:
        raise PartMissingError(str(database))
    return open_source(database)


@FORKS
@pytest.mark.parametrize("fault", [dies, unreadable])
def test_a_process_that_goes_away_changes_no_verdict(
    fault: Callable[[Path, int], AbstractContextManager[LogSource]], ledger: Case
) -> None:
    """What a process did not tell counts for nothing: all is read again by one."""
    workers = Workers(partial(fault, ledger.database, os.getpid()), 2, each=100)
    with open_source(ledger.database) as source:
        alone = audit(source, trust=ledger.trust, read=LeafReader())
        apart = audit(source, trust=ledger.trust, read=LeafReader(), asked=Asked(spread=workers))

    assert apart == alone


def test_a_small_ledger_stays_in_one_process(ledger: Case) -> None:
    assert workers_for(partial(open_source, ledger.database), size=EVENTS) is None
