"""The view in the database of a ledger passes the suite of every view, and is what each reader rests on."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from psycopg import errors

from ledger.adapters.postgres_server import connect, create_ledger
from projections import postgres_views
from projections.catch_up import catch_up, read_folder
from projections.history import HistoryFilter
from projections.postgres import ServedLedger
from projections.postgres_views import TABLES, make_views, served_views
from projections.sqlite import SqliteView
from projections.sqlite_store import SCHEMA_VERSION
from tests.contracts.view import KeptView, ViewContract
from tests.fakes.recording import ORIGIN
from tests.postgres.hosts import change
from tests.postgres.server import Server, running_server
from tests.projections.histories import Leaf, Move, played

if TYPE_CHECKING:
    import sqlite3

MORE = played([Move(0, n % 10, n % 4, n % 6, 1_000_000) for n in range(40)])
LOG = MORE[:60]
FREE = list["KeptInDatabase"]()
LOGINS = {"view_host": "ledger_writer", "view_auditor": "ledger_auditor"}


def insert(connection: "psycopg.Connection[Any]", leaves: Sequence[Leaf]) -> None:
    """Append *leaves* to a ledger in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        ((size,),) = cursor.execute("SELECT count(*) FROM ledger.log_leaf").fetchall()
        cursor.executemany("INSERT INTO ledger.stored_events VALUES (%s, %s, %s, %s)", leaves)
        rows = [(number, *leaf[:2], leaf.leaf_hash) for number, leaf in enumerate(leaves, size)]
        cursor.executemany("INSERT INTO ledger.log_leaf VALUES (%s, %s, %s, %s)", rows)


def rows_of(server: Server, database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the view in a database."""
    return {table: server.execute(_every_row(table), database=database) for table in TABLES}


def _every_row(table: str) -> str:
    return f"SELECT * FROM views.{table} ORDER BY 1, 2"  # noqa: S608 # our own names


class KeptInDatabase:
    """A view and its log, both in one database."""

    def __init__(self, ledger: ServedLedger, administrator: "psycopg.Connection[Any]") -> None:
        self._ledger = cast("sqlite3.Connection", ledger)  # as ``open_ledger`` gives it
        self._views = cast("sqlite3.Connection", served_views(ledger))
        self._administrator = administrator
        self.view = SqliteView(self._views)

    def append(self, leaves: Sequence[Leaf]) -> None:
        insert(self._administrator, leaves)

    def replace(self, leaves: Sequence[Leaf]) -> None:
        self._administrator.execute("DELETE FROM ledger.log_leaf; DELETE FROM ledger.stored_events")
        insert(self._administrator, leaves)

    def catch_up(self, *, batch: int = 1000) -> None:
        catch_up(self._views, self._ledger, batch=batch)

    def rows(self) -> object:
        return [self._administrator.execute(_every_row(table).encode()).fetchall() for table in TABLES]

    def empty(self) -> None:
        """Forget the log and the view."""
        self._administrator.execute("DELETE FROM ledger.log_leaf; DELETE FROM ledger.stored_events")
        for table in TABLES:
            self._administrator.execute(f"DELETE FROM views.{table}")  # noqa: S608 # our own names
        self._administrator.execute("INSERT INTO views.tracking (id, size) VALUES (1, 0)")


@pytest.fixture(scope="module")
def databases(server: Server) -> Iterator[None]:
    """Put two databases where the suite takes them; it has at most two views at once."""
    names = ("view1", "view2")
    with ExitStack() as stack:
        for name in names:
            server.execute(f"CREATE DATABASE {name}")
            create_ledger(server.url(name), origin=ORIGIN)
            make_views(server.url(name))
            change(server.url(name))
            # What is checked here is not what a crash leaves.
            server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
            administrator = stack.enter_context(closing(psycopg.connect(server.url(name), autocommit=True)))
            ledger = stack.enter_context(closing(ServedLedger(connect(server.url(name)))))
            FREE.append(KeptInDatabase(ledger, administrator))
        yield
        FREE.clear()
    server.execute(*(f"DROP DATABASE {name} WITH (FORCE)" for name in names))


@pytest.mark.usefixtures("databases")
class TestViewInDatabase(ViewContract):
    def opened(self) -> AbstractContextManager[KeptView]:
        return self._opened()

    @contextmanager
    def _opened(self) -> Iterator[KeptView]:
        kept = FREE.pop()
        try:
            kept.empty()
            yield kept
        finally:
            FREE.append(kept)


@pytest.fixture
def shared(server: Server, database: str, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Give the folders in which a host and an auditor find one ledger, which has its tables and no event."""
    create_ledger(server.url(database), origin=ORIGIN)
    make_views(server.url(database))
    folders = dict[str, Path]()
    for login, role in LOGINS.items():
        server.execute(f"CREATE ROLE {login} LOGIN IN ROLE {role}")
        folders[login] = tmp_path / login
        folders[login].mkdir()
        (folders[login] / "address").write_text(f"{server.url(database, user=login)}\n", encoding="utf-8")
    yield folders
    server.execute(*(f"DROP ROLE {login}" for login in LOGINS))


def record(server: Server, database: str, leaves: Sequence[Leaf]) -> None:
    """Append *leaves* to the ledger in a database."""
    with closing(psycopg.connect(server.url(database), autocommit=True)) as connection:
        insert(connection, leaves)


def words_in(folder: Path) -> list[str]:
    """Return what a reader in *folder* is told, oldest first."""
    return read_folder(folder, lambda view, _: [line.words for line in view.lines(HistoryFilter(), oldest_first=True)])


def test_a_host_folds_for_everybody(server: Server, database: str, shared: dict[str, Path]) -> None:
    """Issue 9: the view is maintained by whoever writes; an auditor finds it made, and nobody keeps a file."""
    record(server, database, LOG)
    told = words_in(shared["view_host"])
    server.execute("UPDATE views.history SET words = 'as stored'", database=database)

    assert len(told) == len(LOG)
    assert words_in(shared["view_auditor"]) == ["as stored"] * len(LOG)
    assert not [*shared["view_host"].glob("views.db*"), *shared["view_auditor"].glob("views.db*")]


def test_who_may_only_read_folds_what_is_missing_on_top_of_what_is_there(
    server: Server, database: str, shared: dict[str, Path]
) -> None:
    record(server, database, LOG[:20])
    words_in(shared["view_host"])
    server.execute("UPDATE views.history SET words = 'as stored' WHERE idx < 20", database=database)
    before = rows_of(server, database)

    record(server, database, LOG[20:])
    told = words_in(shared["view_auditor"])

    assert told[:20] == ["as stored"] * 20
    assert rows_of(server, database) == before
    assert told[20:] == words_in(shared["view_host"])[20:]
    assert rows_of(server, database)["tracking"][0][1] == len(LOG)


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("version", [0, SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
def test_a_view_of_another_version_is_neither_read_nor_written(
    server: Server, database: str, shared: dict[str, Path], login: str, version: int
) -> None:
    record(server, database, LOG)
    told = words_in(shared["view_host"])
    stated = f"'release-ledger views, version {version}'" if version else "NULL"
    falsified = "UPDATE views.history SET words = 'of another program'"
    server.execute(f"COMMENT ON SCHEMA views IS {stated}", falsified, database=database)
    record(server, database, MORE[len(LOG) :])
    before = rows_of(server, database)

    assert words_in(shared[login])[: len(LOG)] == told
    assert rows_of(server, database) == before


@pytest.mark.parametrize(("version", "kept"), [(0, False), (SCHEMA_VERSION - 1, False), (SCHEMA_VERSION + 1, True)])
def test_init_makes_an_older_view_anew_and_lets_a_newer_one_be(
    server: Server, database: str, shared: dict[str, Path], version: int, *, kept: bool
) -> None:
    """Views are rebuilt and never migrated."""
    record(server, database, LOG)
    told = words_in(shared["view_host"])
    server.execute(f"COMMENT ON SCHEMA views IS 'release-ledger views, version {version}'", database=database)

    make_views(server.url(database))

    assert rows_of(server, database)["tracking"][0][1] == (len(LOG) if kept else 0)
    assert words_in(shared["view_host"]) == told
    assert rows_of(server, database)["tracking"][0][1] == len(LOG)


def test_a_login_that_may_not_make_tables_changes_nothing(
    server: Server, database: str, shared: dict[str, Path]
) -> None:
    record(server, database, LOG)
    words_in(shared["view_host"])
    server.execute("COMMENT ON SCHEMA views IS NULL", database=database)

    make_views(server.url(database, user="view_host"))

    assert len(rows_of(server, database)["history"]) == len(LOG)


def test_a_view_that_cannot_be_read_is_not_gone_by(server: Server, database: str, shared: dict[str, Path]) -> None:
    """Nothing in it is evidence, and every host can write it."""
    record(server, database, LOG)
    told = read_folder(shared["view_host"], lambda view, _: view.nodes())
    server.execute("UPDATE views.state SET rows = 'x'", database=database)

    for folder in shared.values():
        assert read_folder(folder, lambda view, _: view.nodes()) == told


def test_a_view_whose_last_leaf_is_not_that_of_the_log_is_folded_afresh(
    server: Server, database: str, shared: dict[str, Path]
) -> None:
    """``docs/postgresql.md`` names the statement for an administrator who does not trust its rows."""
    record(server, database, LOG)
    told = words_in(shared["view_host"])
    server.execute(
        "UPDATE views.history SET words = 'false'", "UPDATE views.tracking SET leaf_hash = ''", database=database
    )

    assert words_in(shared["view_auditor"]) == told
    assert words_in(shared["view_host"]) == told
    assert {row[15] for row in rows_of(server, database)["history"]} == set(told)


def test_hosts_that_catch_up_at_once_fold_every_event_once(
    server: Server, database: str, shared: dict[str, Path]
) -> None:
    record(server, database, LOG)
    ready = Barrier(6)
    again = "UPDATE views.tracking SET leaf_hash = ''"

    def folded(_: int) -> None:
        address = (shared["view_host"] / "address").read_text(encoding="utf-8").strip()
        with closing(ServedLedger(connect(address))) as ledger:
            views = served_views(ledger)
            ready.wait(120)
            catch_up(cast("sqlite3.Connection", views), cast("sqlite3.Connection", ledger), batch=3)

    with ThreadPoolExecutor(6) as hosts:
        list(hosts.map(folded, range(6)))
        at_once = rows_of(server, database)
        server.execute(again, database=database)
        list(hosts.map(folded, range(6)))
        cleared_at_once = rows_of(server, database)
    server.execute(again, database=database)
    words_in(shared["view_host"])

    assert at_once == cleared_at_once == rows_of(server, database)


def test_a_host_that_waits_for_the_view_in_vain_folds_for_itself(
    server: Server, database: str, shared: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen host holds nobody up for ever."""
    record(server, database, LOG)
    in_time = "BEGIN READ WRITE; SET LOCAL lock_timeout = '50ms'; SELECT FROM tracking FOR UPDATE"
    monkeypatch.setitem(postgres_views._BEGIN, "BEGIN IMMEDIATE", in_time)  # the real one waits for 30 seconds
    with closing(psycopg.connect(server.url(database))) as frozen:
        frozen.execute("SELECT FROM views.tracking FOR UPDATE")

        assert len(words_in(shared["view_host"])) == len(LOG)


def test_roles_write_rows_or_read_them_and_make_nothing(server: Server, database: str, shared: dict[str, Path]) -> None:
    """What a host could make there would run with the rights of whoever reads."""
    assert shared
    writes = [f"DELETE FROM views.{table}" for table in TABLES]  # noqa: S608 # our own names
    makes = (
        "CREATE TABLE views.more (x int)",
        "CREATE VIEW views.more AS SELECT 1",
        "CREATE FUNCTION views.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE RULE more AS ON UPDATE TO views.node DO INSTEAD NOTHING",
        "ALTER TABLE views.node ADD COLUMN more text",
        "DROP TABLE views.node",
        "TRUNCATE views.node",
        "COMMENT ON SCHEMA views IS 'release-ledger views, version 99'",
    )
    for login, refused in (("view_host", makes), ("view_auditor", (*makes, *writes))):
        for statement in refused:
            with pytest.raises(errors.InsufficientPrivilege):
                server.execute(statement, database=database, user=login)
        for table in TABLES:
            server.execute(_every_row(table), database=database, user=login)
    server.execute(*writes, database=database, user="view_host")


def test_a_question_that_a_change_relies_on_is_not_answered_from_rows_that_other_hosts_can_write(
    server: Server, database: str, shared: dict[str, Path]
) -> None:
    """Decision 23: a stolen login must not move another host's turn without an event that says so."""
    record(server, database, LOG)
    told = words_in(shared["view_host"])
    server.execute("UPDATE views.history SET words = 'false'", database=database)

    def words(view: SqliteView, _: object) -> list[str]:
        return [line.words for line in view.lines(HistoryFilter(), oldest_first=True)]

    assert read_folder(shared["view_host"], words, shared=False) == told
    assert read_folder(shared["view_host"], words) == ["false"] * len(LOG)


def test_over_a_standby_a_host_folds_what_is_missing_for_itself(tmp_path: Path) -> None:
    with running_server() as server:
        server.execute("CREATE DATABASE fleet")
        create_ledger(server.url("fleet"), origin=ORIGIN)
        make_views(server.url("fleet"))
        (tmp_path / "address").write_text(f"{server.url('fleet')}\n", encoding="utf-8")
        record(server, "fleet", LOG)
        words_in(tmp_path)
        record(server, "fleet", MORE[len(LOG) :])
        server.stop()
        (server.data / "standby.signal").touch()
        server.start()

        told = words_in(tmp_path)

        assert len(told) == len(MORE)
        assert rows_of(server, "fleet")["tracking"][0][1] == len(LOG)
