"""Reading the record: in order, in part, and saying what is wrong."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.envelope import UnknownEnvelopeError
from projections.read import (
    EntryError,
    LedgerNotFoundError,
    LedgerUnreadableError,
    NotALedgerError,
    leaf_hash_at,
    log_size,
    open_ledger,
    read_events,
    root_at,
)
from tests.projections.histories import Move, played
from tests.projections.ledgers import append, forge, make_ledger

LOG = played([Move(n % 2, n % 10, n % 4, n % 6, 1_000_000) for n in range(14)])
NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Lose the rights of root where the tests have them."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that everybody may enter; pytest's own are private."""
    folder = Path(mkdtemp(prefix="ledger-test-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_events_come_in_the_order_of_the_log(tmp_path: Path) -> None:
    make_ledger(tmp_path, LOG)

    with open_ledger(tmp_path) as ledger:
        events = tuple(read_events(ledger))

    assert [event.number for event in events] == list(range(len(LOG)))
    assert [event.state for event in events] == [leaf.state for leaf in LOG]
    assert [event.leaf_hash for event in events] == [leaf.leaf_hash for leaf in LOG]


@settings(max_examples=30)
@given(start=st.integers(0, 40), stop=st.none() | st.integers(0, 40), stream=st.sampled_from((None, LOG[0].stream)))
def test_a_part_is_the_slice_of_the_whole(start: int, stop: int | None, stream: str | None) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as ledger:
        ledger.execute("CREATE TABLE stored_events (originator_id, originator_version, topic, state)")
        ledger.execute("CREATE TABLE log_leaf (idx INTEGER PRIMARY KEY, originator_id, originator_version, leaf_hash)")
        for number, leaf in enumerate(LOG):
            ledger.execute("INSERT INTO stored_events VALUES (?, ?, ?, ?)", leaf)
            ledger.execute("INSERT INTO log_leaf VALUES (?, ?, ?, ?)", (number, *leaf[:2], leaf.leaf_hash))

        part = [event.number for event in read_events(ledger, start=start, stop=stop, stream=stream)]

    whole = [number for number, leaf in enumerate(LOG) if stream in {None, leaf.stream}]
    assert part == [n for n in whole if n >= start and (stop is None or n < stop)]


def test_size_and_leaf_hashes_are_told(tmp_path: Path) -> None:
    make_ledger(tmp_path, LOG)

    with open_ledger(tmp_path) as ledger:
        assert log_size(ledger) == len(LOG)
        assert leaf_hash_at(ledger, 3) == LOG[3].leaf_hash
        assert leaf_hash_at(ledger, len(LOG)) is None


def test_the_root_is_that_of_the_checkpoint_of_this_size(tmp_path: Path) -> None:
    """evidence.md 3.3: origin, size and root hash are the first three lines."""
    make_ledger(tmp_path, LOG)
    forge(
        tmp_path,
        "INSERT INTO log_checkpoint VALUES (4, ?)",
        b"example.com/log\n4\nqqq=\n\n\xe2\x80\x94 example.com/log x\n",
    )
    forge(tmp_path, "INSERT INTO log_checkpoint VALUES (5, ?)", b"short")

    with open_ledger(tmp_path) as ledger:
        assert root_at(ledger, 4) == "qqq="
        assert root_at(ledger, 3) is None
        assert root_at(ledger, 5) is None


def test_reading_changes_nothing(tmp_path: Path) -> None:
    make_ledger(tmp_path, LOG)

    with open_ledger(tmp_path) as ledger, pytest.raises(sqlite3.OperationalError, match="readonly"):
        ledger.execute("DELETE FROM log_leaf")


def test_no_ledger_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(LedgerNotFoundError) as caught, open_ledger(tmp_path / "nowhere"):
        pass

    assert "nowhere" in str(caught.value)
    assert "init" in caught.value.hint


def test_a_file_in_the_place_of_the_folder_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")

    with pytest.raises(LedgerNotFoundError), open_ledger(tmp_path / "ledger"):
        pass


def test_a_folder_in_the_place_of_the_ledger_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()

    with pytest.raises(LedgerUnreadableError), open_ledger(tmp_path):
        pass


def test_a_ledger_without_the_right_to_read_is_unreadable(open_folder: Path) -> None:
    """RULINGS 8: there but unreadable is exit 1 with a hint, never another ledger."""
    make_ledger(open_folder, LOG)
    open_folder.chmod(0o755)
    (open_folder / "ledger.db").chmod(0)

    with as_nobody(), pytest.raises(LedgerUnreadableError) as caught, open_ledger(open_folder):
        pass

    assert "sudo" in caught.value.hint
    assert caught.value.code == 1


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\x00" + b"\xff" * 600])
def test_a_foreign_file_is_not_a_ledger(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger.db").write_bytes(content)

    with pytest.raises(NotALedgerError), open_ledger(tmp_path):
        pass


def test_a_database_of_another_program_is_not_a_ledger(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
        other.execute("CREATE TABLE recipes (name)")

    with pytest.raises(NotALedgerError, match="is not a ledger"), open_ledger(tmp_path):
        pass


@pytest.mark.parametrize("writer_is_open", [False, True])
def test_a_wal_ledger_in_a_folder_that_may_not_be_written_is_read_from_a_copy(
    open_folder: Path, *, writer_is_open: bool
) -> None:
    """evidence.md 8: copy it, with its -wal, and open the copy."""
    make_ledger(open_folder, LOG[:5])
    with closing(sqlite3.connect(open_folder / "ledger.db")) as writer:
        if writer_is_open:
            writer.execute("SELECT count(*) FROM log_leaf").fetchone()
            append(open_folder, LOG[5:])
            (open_folder / "ledger.db-shm").chmod(0)
        for name in ("ledger.db", "ledger.db-wal"):
            if (open_folder / name).exists():
                (open_folder / name).chmod(0o444)
        open_folder.chmod(0o555)

        with as_nobody(), open_ledger(open_folder) as ledger:
            size = log_size(ledger)

    assert size == (len(LOG) if writer_is_open else 5)
    assert stat.S_IMODE(open_folder.stat().st_mode) == 0o555


def test_a_missing_event_is_named(tmp_path: Path) -> None:
    make_ledger(tmp_path, LOG)
    forge(tmp_path, "DELETE FROM stored_events WHERE topic = ? AND originator_id = ?", LOG[4].topic, LOG[4].stream)

    with open_ledger(tmp_path) as ledger, pytest.raises(EntryError) as caught:
        tuple(read_events(ledger))

    assert caught.value.number <= 4
    assert caught.value.code == 6


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"data":[]}',
        b"[" * 100_000,
        LOG[2].state.replace(b'"version":', b'"version":9'),
        LOG[2].state.replace(b'"stream":"', b'"stream":"x'),
    ],
)
def test_an_entry_that_cannot_be_read_is_named(tmp_path: Path, state: bytes) -> None:
    make_ledger(tmp_path, LOG)
    forge(tmp_path, "UPDATE stored_events SET state = ? WHERE state = ?", state, LOG[2].state)

    with open_ledger(tmp_path) as ledger, pytest.raises(EntryError) as caught:
        tuple(read_events(ledger))

    assert caught.value.number == 2
    assert "verify" in caught.value.hint


def test_an_envelope_of_a_later_version_is_undecided(tmp_path: Path) -> None:
    """evidence.md 1.2: a reader that meets another number says undecided, never fine."""
    make_ledger(tmp_path, LOG)
    later = LOG[2].state.replace(b'"v":1', b'"v":2')
    forge(tmp_path, "UPDATE stored_events SET state = ? WHERE state = ?", later, LOG[2].state)

    with open_ledger(tmp_path) as ledger, pytest.raises(UnknownEnvelopeError) as caught:
        tuple(read_events(ledger))

    assert caught.value.kind == "undecided"


def test_a_ledger_damaged_inside_is_an_error_of_evidence(tmp_path: Path) -> None:
    make_ledger(tmp_path, LOG)
    forge(tmp_path, "PRAGMA wal_checkpoint(TRUNCATE)")
    with open_ledger(tmp_path) as ledger:
        ledger.execute("SELECT count(*) FROM log_leaf").fetchone()
        forge(tmp_path, "ALTER TABLE log_leaf RENAME TO lost")

        with pytest.raises(EntryError):
            log_size(ledger)
        with pytest.raises(EntryError):
            tuple(read_events(ledger))
