"""Many writers, readers between them, and a server without room (issue 9, item 6).

``RELEASE_LEDGER_ALL_FAULTS`` asks for the whole fleet of the issue: 1,000 nodes with 100 events each, by 8
processes. Otherwise a sample of it runs.
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier, Event

import psycopg
import pytest

from ledger.adapters.audit_postgres import open_served
from ledger.adapters.postgres import LedgerDatastore, LedgerRecorder
from ledger.adapters.postgres_errors import ServerSpaceError
from ledger.adapters.postgres_place import HostPlace
from ledger.adapters.postgres_server import create_ledger
from ledger.application.release_ledger import StreamConflictError
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.tree_builder import TreeBuilder
from tests.cli.lab import STATED, make_lab
from tests.fakes.recording import ORIGIN, STREAM, installed
from tests.faults.settings import EVERY
from tests.postgres.hosts import Host, checkpoints, guarded, host_at
from tests.postgres.server import Server

_SECONDS = 120
PROCESSES, NODES, EVENTS, AT_ONCE = (8, 1000, 100, 10) if EVERY else (4, 16, 20, 5)


@pytest.fixture
def hosts(server: Server, database: str, tmp_path: Path) -> list[Host]:
    """Give as many hosts of one ledger as there are processes."""
    create_ledger(server.url(database), origin=ORIGIN)
    return [guarded(host_at(tmp_path / f"h{number}", server.url(database))) for number in range(PROCESSES)]


@contextmanager
def disk_full(server: Server, database: str, table: str) -> Iterator[None]:
    """Let *table*, which has no row yet, lie on a disk without room: the system's own ``/dev/full``."""
    ((path,),) = server.execute(f"SELECT pg_relation_filepath('ledger.{table}')", database=database)
    file = server.data / path
    assert file.stat().st_size == 0
    file.rename(file.with_suffix(".kept"))
    file.symlink_to("/dev/full")
    try:
        yield
    finally:
        file.with_suffix(".kept").rename(file)


def require_whole(*hosts: Host) -> list[str]:
    """Require a dense log whose every checkpoint is signed over its own leaves; return the stream of each event."""
    builder, streams, places = TreeBuilder(), list[str](), dict[str, int]()
    with hosts[0].ledger() as ledger:
        events = ledger.history()
        for checkpoint in checkpoints(hosts[0].address, *hosts):
            for index in range(builder.size, checkpoint.size):
                event = next(events)
                places[event.stream] = places.get(event.stream, 0) + 1
                assert (event.index, event.version) == (index, places[event.stream])
                builder.extend([hash_leaf(event.state)])
                streams.append(event.stream)
            assert builder.root() == checkpoint.root
        assert next(events, None) is None
    return streams


def test_a_fleet_of_processes_leaves_a_dense_signed_log_without_a_deadlock(
    hosts: list[Host], server: Server, database: str
) -> None:
    """Issue 9: 1,000 nodes with 100 events each, by 8 processes."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_nodes, args=(host, at)) for at, host in enumerate(hosts)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * PROCESSES
    streams = require_whole(*hosts)
    assert len(streams) == NODES * EVENTS
    assert {streams.count(stream) for stream in set(streams[:50])} == {EVENTS}
    with open_served(server.url(database)) as source:
        assert list(source.surplus(len(streams))) == []
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert server.execute(deadlocks, database=database) == [(0,)]


def write_nodes(host: Host, first: int) -> None:
    """Record all events of every node whose turn it is for this process, a commit a node and round."""
    with host.ledger() as ledger:
        for start in range(1, EVENTS + 1, AT_ONCE):
            for node in range(first, NODES, PROCESSES):
                stream = f"release:emqx@10.0.{node // 250}.{node % 250}"
                ledger.record([installed(version, stream=stream) for version in range(start, start + AT_ONCE)])


def test_16_writers_on_one_stream_take_their_turns_by_conflicts(hosts: list[Host]) -> None:
    """The loser of a race hears of it with exit code 75, and nothing of its commit is there."""
    lost: list[StreamConflictError] = []
    ready = Barrier(16)

    def write(number: int) -> None:
        done = 0
        with hosts[number % PROCESSES].ledger() as ledger:
            next_version = ledger.version(STREAM) + 1
            ready.wait(_SECONDS)  # so that fifteen have looked before another's commit
            while done < 3:
                try:
                    ledger.record([installed(next_version), installed(next_version + 1)])
                    done += 1
                except StreamConflictError as exc:
                    lost.append(exc)
                next_version = ledger.version(STREAM) + 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))

    assert require_whole(*hosts) == [STREAM] * 96
    assert len(lost) >= 15
    assert [size for size in (c.size for c in checkpoints(hosts[0].address, *hosts)) if size % 2] == []


def test_a_reader_during_writes_sees_whole_commits_only(hosts: list[Host], server: Server, database: str) -> None:
    done = Event()
    seen_by: tuple[set[int], ...] = (set(), set())

    def write(host: Host) -> None:
        version = 1
        with host.ledger() as ledger:
            while version < 60 or not (done.is_set() or all(len(sizes) > 3 for sizes in seen_by)):
                ledger.record([installed(version + at, stream=f"release:{host.place.path}") for at in (0, 1)])
                version += 2

    def read(sizes: set[int]) -> None:
        with closing(LedgerDatastore(server.url(database))) as datastore:
            recorder = LedgerRecorder(datastore)
            while not done.is_set():
                seen = recorder.select_notifications(None, 1000)
                assert [event.id for event in seen] == list(range(1, len(seen) + 1))
                assert len(seen) % 2 == 0
                with open_served(server.url(database)) as source:
                    size = source.size()
                    assert [found for found, _ in source.checkpoints(size - 1)] == ([size] if size else [])
                    assert list(source.surplus(size)) == []
                sizes.add(size)

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read, sizes) for sizes in seen_by]
        for reader in readers:
            reader.add_done_callback(lambda _: done.set())  # where one fails, nobody writes for ever
        try:
            list(pool.map(write, hosts[:4]))
        finally:
            done.set()

    for reader in readers:
        reader.result()
    assert all(len(sizes) > 3 for sizes in seen_by)


def test_a_full_disk_of_the_server_records_nothing_and_goes_on_with_room(
    hosts: list[Host], server: Server, database: str
) -> None:
    """At the 256th leaf the tree has its first row above the leaves: the commit fails far behind its insert."""
    with hosts[0].ledger() as ledger:
        ledger.record([installed(version) for version in range(1, 255)])
    before = hosts[0].place.guard.read()

    with disk_full(server, database, "log_node"), hosts[0].ledger() as ledger:
        with pytest.raises(ServerSpaceError) as caught:
            ledger.record([installed(255), installed(256)])
        assert ledger.tree_size() == 254

    assert "No space left on device" in caught.value.fact
    assert hosts[0].place.guard.read() == before
    with hosts[0].ledger() as ledger:
        ledger.record([installed(255), installed(256)])
    assert len(require_whole(*hosts)) == 256


def test_a_command_on_a_server_without_room_changes_nothing_and_says_so(
    server: Server, database: str, tmp_path: Path
) -> None:
    lab = make_lab(tmp_path / "host").having(
        RELEASE_LEDGER=server.url(database), RELEASE_LEDGER_TIP_GUARD=str(tmp_path / "places")
    )
    assert lab.init(*STATED).code == 0
    lab.offer("4.4.1")
    (path,) = (tmp_path / "places").glob("*/tip")
    place = HostPlace(path.parent, server.url(database))
    with Host(server.url(database), place, place.read_signer()).ledger() as ledger:
        ledger.record([installed(version, stream="note:other") for version in range(1, 255)])
    tree = sorted(os.listdir(lab.root / "releases"))  # noqa: PTH208 # names only

    with disk_full(server, database, "log_node"):
        refused = lab.run("unpack", "4.4.1")

    assert refused.code == 1, refused.out + refused.err
    assert "cannot be written" in refused.err
    assert "make room on the server" in refused.err
    assert sorted(os.listdir(lab.root / "releases")) == tree  # noqa: PTH208 # names only
    assert lab.run("unpack", "4.4.1").code == 0
    assert lab.run("verify").code == 0


def test_a_server_that_takes_no_more_connections_is_busy_and_not_away(server: Server, tmp_path: Path) -> None:
    """A wave of more hosts than ``max_connections``: later, exit 75."""
    server.execute("CREATE DATABASE narrow CONNECTION LIMIT 0", "CREATE ROLE waiting LOGIN")
    lab = make_lab(tmp_path / "host").having(
        RELEASE_LEDGER=server.url("narrow"), RELEASE_LEDGER_TIP_GUARD=str(tmp_path / "places")
    )
    try:
        assert lab.init(*STATED).code == 0
        server.execute("GRANT ledger_writer TO waiting")
        lab.offer("4.4.1")
        waiting = lab.having(RELEASE_LEDGER=server.url("narrow", user="waiting"))
        for words in (("versions",), ("unpack", "4.4.1"), ("verify",)):
            busy = waiting.run(*words)
            assert (busy.code, "takes no more connections" in busy.err) == (75, True), busy.err
            assert "max_connections" in busy.err
            assert "spool" not in busy.err
        server.execute("ALTER DATABASE narrow CONNECTION LIMIT -1")
        assert waiting.run("unpack", "4.4.1").code == 0
    finally:
        server.execute("DROP DATABASE narrow WITH (FORCE)", "DROP ROLE waiting")


def test_psycopg_speaks_of_no_notice_when_a_pipeline_breaks(
    hosts: list[Host], capfd: pytest.CaptureFixture[str]
) -> None:
    """Psycopg logs what fails behind the first error; a command says the error and nothing else."""
    with hosts[0].ledger() as ledger:
        ledger.record([installed(1)])
        with pytest.raises(StreamConflictError):
            ledger.record([installed(1)])
        with psycopg.connect(hosts[0].address, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        ledger.record([installed(2)])

    assert capfd.readouterr().err == ""
