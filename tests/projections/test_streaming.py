"""Lines that are read slowly: whoever writes meanwhile is not kept waiting, and the reader misses nothing."""

import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from projections.catch_up import ListBrokenOffError, read_folder, streamed_folder
from projections.history import HistoryFilter
from tests.projections.histories import Move, played
from tests.projections.ledgers import append, make_ledger
from tests.projections.test_read import as_nobody, open_folder

__all__ = ["open_folder"]  # a fixture is found by its name in this module
LOG = played([Move(0, n % 10, n % 4, n % 6, 1_000_000) for n in range(120)])
EVERY = HistoryFilter()


def numbers_of(folder: Path) -> list[int]:
    return read_folder(folder, lambda view, _: [line.number for line in view.lines(EVERY)])


def test_a_reader_between_two_lines_locks_neither_view_nor_ledger(tmp_path: Path) -> None:
    """Somebody leaves a pager open over the weekend: commands go on recording, and other readers reading."""
    folder = make_ledger(tmp_path / "ledger", LOG[:-9])

    with streamed_folder(folder, lambda view, _: view.lines(EVERY)) as lines:
        first = [line.number for line in islice(lines, 30)]
        append(folder, LOG[-9:])
        with closing(sqlite3.connect(folder / "views.db", timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
        meanwhile = numbers_of(folder)
        rest = [line.number for line in lines]

    assert [*first, *rest] == list(reversed(range(len(LOG) - 9)))
    assert meanwhile == list(reversed(range(len(LOG))))


def test_a_view_that_is_deleted_meanwhile_is_read_to_its_end(tmp_path: Path) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG)

    with streamed_folder(folder, lambda view, _: view.lines(EVERY)) as lines:
        first = [line.number for line in islice(lines, 30)]
        (folder / "views.db").unlink()
        rest = [line.number for line in lines]

    assert [*first, *rest] == list(reversed(range(len(LOG))))


@pytest.mark.parametrize(
    "harm", ["DROP TABLE history", "DELETE FROM history; UPDATE tracking SET size = 0"], ids=["damaged", "folded anew"]
)
def test_a_list_that_cannot_go_on_says_so_and_the_next_one_is_whole(tmp_path: Path, harm: str) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG)

    with pytest.raises(ListBrokenOffError, match="not whole"):
        _read_while(folder, harm)

    assert numbers_of(folder) == list(reversed(range(len(LOG))))


def test_a_reader_who_may_not_write_reads_a_current_view_where_it_lies(open_folder: Path) -> None:
    """Members of the group of a ledger: a copy of the view for each command would be as large as the history."""
    folder = make_ledger(open_folder / "ledger", LOG)
    read_folder(folder, lambda view, _: view.size())
    (folder / "views.db").chmod(0o444)
    (folder / "ledger.db").chmod(0o444)
    folder.chmod(0o555)

    with as_nobody():
        files = read_folder(folder, lambda view, _: view._views.execute("PRAGMA database_list").fetchall())

    folder.chmod(0o755)
    assert [name for _, _, name in files] == [str(folder / "views.db")]


def _read_while(folder: Path, harm: str) -> None:
    with streamed_folder(folder, lambda view, _: view.lines(EVERY)) as lines:
        next(lines)
        with closing(sqlite3.connect(folder / "views.db")) as other:
            other.executescript(harm)
        list(lines)
