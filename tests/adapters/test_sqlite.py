"""The recorder in SQLite: contract, the library's suite, and what is SQLite's own."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from eventsourcing.utils import Environment

from ledger.adapters.sqlite import (
    DurabilityError,
    LedgerDatastore,
    LedgerFactory,
    LedgerRecorder,
    NotALedgerError,
    UnknownSchemaError,
    connect,
    create_database,
)
from ledger.adapters.sqlite_errors import (
    LedgerAccessError,
    LedgerBusyError,
    LedgerDamagedError,
    LedgerSpaceError,
    StoreError,
)
from ledger.errors import EvidenceError, LockedError, UsageError
from tests.contracts.recorder import LibraryRecorderSuite, RecorderContract, stored


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    create_database(path)
    return path


@pytest.fixture
def recorder(database: Path) -> Iterator[LedgerRecorder]:
    with closing(LedgerDatastore(database)) as datastore:
        yield LedgerRecorder(datastore)


class TestSQLiteRecorder(RecorderContract):
    @pytest.fixture(autouse=True)
    def _database(self, database: Path) -> None:
        self._path = database

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(statement).fetchall()


class TestLibrarySuiteOnSQLite(LibraryRecorderSuite):
    def setUp(self) -> None:
        super().setUp()
        self._folder = TemporaryDirectory()
        self._path = Path(self._folder.name) / "ledger.db"
        create_database(self._path)
        self._datastore = LedgerDatastore(self._path)

    def tearDown(self) -> None:
        super().tearDown()
        self._datastore.close()
        self._folder.cleanup()

    def create_recorder(self) -> LedgerRecorder:
        return LedgerRecorder(self._datastore)


# Importing it would run it without a database.
del LibraryRecorderSuite


def test_the_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    """evidence.md 5.3; SQLite creates 0644 by itself, and gives -wal and -shm the mode of the file."""
    before = os.umask(0)
    try:
        create_database(tmp_path / "ledger.db")
        with closing(connect(tmp_path / "ledger.db")) as connection:
            connection.execute("UPDATE log_lock SET n = n + 1")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


def test_an_existing_file_is_never_made_into_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"something")

    with pytest.raises(FileExistsError):
        create_database(tmp_path / "ledger.db")

    assert (tmp_path / "ledger.db").read_bytes() == b"something"


def test_opening_never_creates_a_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerAccessError):
        connect(tmp_path / "ledger.db")

    assert list(tmp_path.iterdir()) == []


def test_every_connection_waits_for_the_disk(recorder: LedgerRecorder) -> None:
    """evidence.md 5.3: with NORMAL a power cut loses commits that the tip guard has."""
    with recorder.datastore.transaction(commit=False) as first, recorder.datastore.transaction(commit=False) as second:
        for cursor in (first, second):
            cursor.execute("PRAGMA synchronous")
            assert cursor.fetchone()[0] == 2
            cursor.execute("PRAGMA journal_mode")
            assert cursor.fetchone()[0] == "wal"


def test_a_connection_keeps_its_statements(recorder: LedgerRecorder) -> None:
    """ARCHITECTURE 6: the library's ``cached_statements=True`` means one."""
    seen: list[int] = []

    def look(action: int, *_: str | None) -> int:
        seen.append(action)
        return sqlite3.SQLITE_OK

    with recorder.datastore.get_connection(commit=True) as connection:
        raw = connection._sqlite_conn
        raw.set_authorizer(look)
        for _ in range(3):
            for statement in ("SELECT MAX(idx) FROM log_leaf", "SELECT MAX(size) FROM log_checkpoint"):
                raw.execute(statement).fetchall()
        prepared = len(seen)
        raw.execute("SELECT MAX(idx) FROM log_leaf").fetchall()

    assert len(seen) == prepared


def test_a_database_without_write_ahead_log_is_refused(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")

    with pytest.raises(DurabilityError):
        connect(database)


def test_another_database_is_no_ledger(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE t (x)")

    with pytest.raises(NotALedgerError):
        connect(tmp_path / "other.db")


def test_tables_of_a_later_version_are_undecided(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 9")

    with pytest.raises(UnknownSchemaError) as caught:
        connect(database)

    assert caught.value.kind == "undecided"


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database, but long enough to look at" * 100)

    with pytest.raises(LedgerDamagedError) as caught:
        connect(tmp_path / "ledger.db")

    assert isinstance(caught.value, EvidenceError)


def test_a_writer_that_waits_too_long_is_told_that_the_ledger_is_busy(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other, closing(LedgerDatastore(database)) as store:
        store.pool.lock_timeout = 1
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(LedgerBusyError) as caught:
            LedgerRecorder(store).insert_events([stored(1)])

    assert isinstance(caught.value, LockedError)
    assert caught.value.hint


def test_an_append_waits_for_another_writer(database: Path, recorder: LedgerRecorder) -> None:
    """evidence.md 8: a transaction that reads first fails at once, whatever the timeout; ours writes first."""
    code = (
        "import sqlite3, sys, time\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE'); c.execute('UPDATE log_lock SET n = n + 1')\n"
        "print('held', flush=True); time.sleep(0.5); c.execute('COMMIT')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, database], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"

        ids = recorder.insert_events([stored(1)])

    assert list(ids or ()) == [1]


def test_a_full_disk_records_nothing(recorder: LedgerRecorder) -> None:
    """evidence.md 7, row 18."""
    recorder.insert_events([stored(1)])
    with recorder.datastore.get_connection(commit=True) as connection:
        pages = connection._sqlite_conn.execute("PRAGMA page_count").fetchone()[0]
        connection._sqlite_conn.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(LedgerSpaceError) as caught:
        recorder.insert_events([stored(2, state=b"x" * 60_000)])

    assert isinstance(caught.value, UsageError)
    assert [event.originator_version for event in recorder.select_events("release:a")] == [1]
    assert recorder.max_notification_id() == 1


def test_a_read_only_database_is_said_to_be_read_only(recorder: LedgerRecorder) -> None:
    with recorder.datastore.get_connection(commit=True) as connection:
        connection._sqlite_conn.execute("PRAGMA query_only = ON")

    with pytest.raises(LedgerAccessError, match="cannot be used"):
        recorder.insert_events([stored(1)])


def test_a_missing_table_is_an_error_of_the_store(recorder: LedgerRecorder, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE log_leaf")

    with pytest.raises(StoreError) as caught:
        recorder.insert_events([stored(1)])

    assert "log_leaf" in caught.value.fact


def test_the_factory_never_creates_a_table(tmp_path: Path) -> None:
    """evidence.md 8: ``CREATE_TABLE=yes`` at every start races; here it has no effect."""
    path = tmp_path / "ledger.db"
    create_database(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE stored_events")
    env = Environment("ledger", {"SQLITE_DBNAME": str(path), "CREATE_TABLE": "yes"})

    with closing(LedgerFactory(env)) as factory:
        factory.application_recorder()

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'stored_events'").fetchall() == []


def test_a_strange_path_is_opened_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "a b?mode=memory#%41 é"
    folder.mkdir()
    create_database(folder / "ledger.db")

    with closing(LedgerDatastore(folder / "ledger.db")) as datastore:
        LedgerRecorder(datastore).insert_events([stored(1)])

    with closing(connect(folder / "ledger.db")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM log_leaf").fetchone()[0] == 1
