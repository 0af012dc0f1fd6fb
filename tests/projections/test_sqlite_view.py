"""The view in SQLite passes the suite of every view."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import count

import pytest

from ledger.adapters.sqlite_schema import create_statements
from projections.catch_up import catch_up
from projections.history import HistoryFilter
from projections.sqlite import SqliteView
from projections.sqlite_store import views_in_memory
from tests.contracts.view import KeptView, ViewContract
from tests.projections.histories import START, Leaf, Move, played, time_of
from tests.projections.ledgers import insert


class KeptInMemory:
    """A view and its log, both in memory."""

    def __init__(self, views: sqlite3.Connection, ledger: sqlite3.Connection) -> None:
        self.view = SqliteView(views)
        self._views = views
        self._ledger = ledger

    def append(self, leaves: Sequence[Leaf]) -> None:
        insert(self._ledger, leaves)

    def replace(self, leaves: Sequence[Leaf]) -> None:
        for (name,) in self._ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            self._ledger.execute(f"DROP TRIGGER {name}")
        self._ledger.execute("DELETE FROM stored_events")
        self._ledger.execute("DELETE FROM log_leaf")
        insert(self._ledger, leaves)

    def catch_up(self, *, batch: int = 1000) -> None:
        catch_up(self._views, self._ledger, batch=batch)

    def rows(self) -> object:
        return list(self._views.iterdump())


class TestSqliteView(ViewContract):
    def opened(self) -> AbstractContextManager[KeptView]:
        return _opened()


@contextmanager
def _opened() -> Iterator[KeptView]:
    with closing(views_in_memory()) as views, closing(sqlite3.connect(":memory:", isolation_level=None)) as ledger:
        for statement in create_statements():
            ledger.execute(statement)
        yield KeptInMemory(views, ledger)


@pytest.mark.parametrize(
    "ask",
    [
        lambda view: view.nodes(at=3),
        lambda view: view.nodes(),
        lambda view: view.seen(at=3),
        lambda view: view.seen(),
        lambda view: view.position_at(time_of(START + 5_000_000)),
        lambda view: tuple(view.lines(HistoryFilter(limit=5))),
        lambda view: tuple(view.lines(HistoryFilter(limit=5), oldest_first=True)),
        lambda view: next(view.lines(HistoryFilter())),
        lambda view: view.ids_starting("0193"),
    ],
    ids=[
        "table at an event",
        "table of now",
        "seen then",
        "seen now",
        "event at a time",
        "newest lines",
        "the same upwards",
        "a first line",
        "id",
    ],
)
def test_an_answer_does_not_grow_with_the_history(ask: Callable[[SqliteView], object]) -> None:
    """The states after each change are kept, so that ``--at`` is a look-up and not a fold."""
    moves = [Move(0, n % 10, n % 4, n % 6, 1_000_000) for n in range(400)]

    short, long = (_steps_of(ask, played(moves[:length])) for length in (20, 400))

    assert long < 2 * short


def _steps_of(ask: Callable[[SqliteView], object], log: tuple[Leaf, ...]) -> int:
    with closing(views_in_memory()) as views, closing(sqlite3.connect(":memory:", isolation_level=None)) as ledger:
        for statement in create_statements():
            ledger.execute(statement)
        insert(ledger, log)
        catch_up(views, ledger)
        steps = count()
        views.set_progress_handler(lambda: next(steps) < 0, 1)
        ask(SqliteView(views))
        return next(steps)
