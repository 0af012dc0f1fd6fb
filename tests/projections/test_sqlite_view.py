"""The view in SQLite passes the suite of every view."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager

from ledger.adapters.sqlite_schema import create_statements
from projections.catch_up import catch_up
from projections.sqlite import SqliteView
from projections.sqlite_store import views_in_memory
from tests.contracts.view import KeptView, ViewContract
from tests.projections.histories import Leaf
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
