"""The recorder in PostgreSQL: contract, the library's suite, and what is PostgreSQL's own."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from eventsourcing.utils import Environment

from ledger.adapters.postgres import LedgerDatastore, LedgerFactory, LedgerRecorder
from ledger.adapters.postgres_errors import NoTablesError, ServerLostError
from ledger.adapters.postgres_server import AddressError, PasswordInAddressError, connect, create_ledger
from ledger.adapters.sqlite import DurabilityError
from ledger.adapters.sqlite_errors import LedgerBusyError, StoreError
from ledger.application.release_ledger import ReleaseLedger
from tests.contracts.recorder import LibraryRecorderSuite, RecorderContract, stored
from tests.contracts.release_record import ReleaseRecordContract
from tests.fakes.recording import ORIGIN, recording
from tests.postgres.server import Server


@pytest.fixture
def address(server: Server, database: str) -> str:
    """Give the address of an empty ledger."""
    create_ledger(server.url(database), origin=ORIGIN)
    return server.url(database)


@pytest.fixture
def recorder(address: str) -> Iterator[LedgerRecorder]:
    with closing(LedgerDatastore(address)) as datastore:
        yield LedgerRecorder(datastore, pauses=(0.1,))


class TestPostgresRecorder(RecorderContract):
    @pytest.fixture(autouse=True)
    def _database(self, address: str) -> None:
        self._address = address

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with closing(psycopg.connect(self._address, options="-c search_path=ledger")) as connection:
            return connection.execute(statement).fetchall()


class TestLibrarySuiteOnPostgres(LibraryRecorderSuite):
    @pytest.fixture(autouse=True)
    def _database(self, server: Server, database: str) -> Iterator[None]:
        create_ledger(server.url(database), origin=ORIGIN)
        with closing(LedgerDatastore(server.url(database))) as self._datastore:
            yield

    def create_recorder(self) -> LedgerRecorder:
        return LedgerRecorder(self._datastore)


# Importing it would run it without a database.
del LibraryRecorderSuite


class TestReleaseLedgerOnPostgres(ReleaseRecordContract):
    @pytest.fixture
    def release_record(self, address: str) -> Iterator[ReleaseLedger]:
        env = {"PERSISTENCE_MODULE": "ledger.adapters.postgres:LedgerFactory", "POSTGRES_LEDGER_ADDRESS": address}
        with ReleaseLedger(env, recording=recording()) as ledger:
            yield ledger


def test_the_factory_never_creates_a_table_and_never_goes_by_a_function(server: Server, database: str) -> None:
    """ARCHITECTURE 6: ``CREATE_TABLE=yes`` races, and ``POSTGRES_ENABLE_DB_FUNCTIONS`` goes past hook and lock."""
    address = server.url(database)
    create_ledger(address, origin=ORIGIN)
    env = Environment(
        "ledger",
        {"POSTGRES_LEDGER_ADDRESS": address, "CREATE_TABLE": "yes", "POSTGRES_ENABLE_DB_FUNCTIONS": "yes"},
    )

    with closing(LedgerFactory(env)) as factory, closing(factory.datastore):
        recorder = factory.application_recorder()
        recorder.insert_events([stored(1)])

    names = server.execute("SELECT relname FROM pg_class WHERE relname LIKE '%\\_events'", database=database)
    assert names == [("stored_events",)]
    assert server.execute("SELECT idx FROM ledger.log_leaf", database=database) == [(0,)]


def test_a_database_without_a_ledger_is_told_apart(server: Server, database: str) -> None:
    with closing(LedgerDatastore(server.url(database))) as datastore, pytest.raises(NoTablesError):
        LedgerRecorder(datastore).insert_events([stored(1)])


def test_a_server_that_is_not_there_is_said_within_seconds(tmp_path: Path) -> None:
    address = f"postgresql://nobody@/none?host={tmp_path}"
    with closing(LedgerDatastore(address)) as datastore, pytest.raises(ServerLostError) as caught:
        LedgerRecorder(datastore, pauses=(0.1,)).insert_events([stored(1)])

    assert address in str(caught.value)


def test_a_ledger_is_made_once_however_many_make_it_at_once(server: Server, database: str) -> None:
    """evidence.md 8: the library's ``CREATE TABLE IF NOT EXISTS`` fails with ``tuple concurrently updated``."""

    def make(_: int) -> str:
        try:
            create_ledger(server.url(database), origin=ORIGIN)
        except StoreError:
            return "refused"
        return "made"

    with ThreadPoolExecutor(4) as pool:
        done = sorted(pool.map(make, range(4)))

    assert done == ["made", "refused", "refused", "refused"]


def test_a_writer_that_waits_too_long_is_told_that_the_ledger_is_busy(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.adapters.postgres_append.LOCK_SECONDS", 1)
    with closing(psycopg.connect(address)) as other, closing(LedgerDatastore(address)) as datastore:
        other.execute("SELECT id FROM ledger.log_lock FOR UPDATE")

        with pytest.raises(LedgerBusyError):
            LedgerRecorder(datastore).insert_events([stored(1)])


@pytest.mark.parametrize("setting", ["fsync=off", "synchronous_commit=off"])
def test_a_commit_is_durable_whatever_the_server_was_told(server: Server, address: str, setting: str) -> None:
    """evidence.md 5.3: fsync is the server's; how long a commit waits is asked for by each connection."""
    name, _, value = setting.partition("=")
    server.execute(f"ALTER SYSTEM SET {name} = {value}", "SELECT pg_reload_conf()")
    try:
        _await(lambda: server.execute(f"SHOW {name}") == [(value,)])
        if name == "fsync":
            with pytest.raises(DurabilityError):
                connect(address)
        else:
            with closing(connect(address)) as connection:
                assert connection.execute("SHOW synchronous_commit").fetchall() == [("on",)]
    finally:
        server.execute(f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
        _await(lambda: server.execute(f"SHOW {name}") == [("on",)])


def test_no_password_is_taken_from_an_address_or_told() -> None:
    """A command line can be read by every user of the host."""
    for address in ("postgresql://u:geheim@/x", "postgresql://u@/x?password=geheim", "postgresql://u:geheim%zz@/x"):
        with pytest.raises((PasswordInAddressError, AddressError)) as caught:
            connect(address)

        assert "geheim" not in f"{caught.value} {caught.value.fact} {caught.value.hint}"


def _await(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.05)
