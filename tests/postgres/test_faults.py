"""Broken wires, restarts and a failover: what was acknowledged is there, once, and signed (issue 9, evidence.md 7)."""

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.adapters.audit_postgres import open_served
from ledger.adapters.postgres_errors import ServerLostError
from ledger.adapters.postgres_server import create_ledger
from ledger.application.audit_source import PartMissingError
from ledger.dataclass import replace
from ledger.errors import LedgerError
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.tree_builder import TreeBuilder
from tests.fakes.recording import ORIGIN, installed
from tests.places import short_folder
from tests.postgres.hosts import Host, checkpoints, guarded, host_at
from tests.postgres.server import OWNER, Server, as_owner, binaries, run, running_server
from tests.postgres.wire import wire

_SECONDS = 120


@pytest.fixture
def host(server: Server, database: str, tmp_path: Path) -> Host:
    create_ledger(server.url(database), origin=ORIGIN)
    return guarded(host_at(tmp_path / "one", server.url(database)))


@pytest.fixture
def short() -> Iterator[Path]:
    """Give a folder whose path fits into the address of a socket."""
    with short_folder("rl-wire-") as folder:
        yield folder


def record(host: Host, number: int) -> None:
    with host.ledger() as ledger:
        ledger.record([installed(1, stream=f"release:n@{number}"), installed(2, stream=f"release:n@{number}")])


def require_whole(host: Host, *others: Host) -> list[str]:
    """Require a dense log whose every checkpoint is signed over its own leaves; return its streams in order."""
    with host.ledger() as ledger:
        ledger.verify_tail()
        events = list(ledger.history())
    assert [event.index for event in events] == list(range(len(events)))
    found = checkpoints(host.address, host, *others)
    assert [checkpoint.size for checkpoint in found] == list(range(2, len(events) + 1, 2))
    builder = TreeBuilder()
    for checkpoint in found:
        builder.extend([hash_leaf(event.state) for event in events[builder.size : checkpoint.size]])
        assert builder.root() == checkpoint.root
    return [event.stream for event in events[::2]]


@pytest.mark.parametrize("late", [False, True], ids=["lost on its way", "answer lost"])
def test_a_wire_that_is_cut_at_any_message_records_once(host: Host, server: Server, short: Path, late: bool) -> None:  # noqa: FBT001 # a parameter
    """COMMIT among them: a lost answer is told from a conflict by the commit id."""
    socket = server.folder / f".s.PGSQL.{server.port}"
    address = host.address.replace(f"host={server.folder}", f"host={short}")
    at = cuts = 0
    while True:
        at += 1
        with wire(socket, short, at=at, late=late) as broken:
            record(replace(host, address=address), at)
        if not broken.cut:
            break
        cuts += 1

    assert cuts > 12  # connecting, the lock, the rows, the tree, the checkpoint, COMMIT
    assert require_whole(host) == [f"release:n@{number}" for number in range(1, at + 1)]


def test_a_server_that_restarts_between_two_commits_is_found_again(host: Host, server: Server) -> None:
    with host.ledger() as ledger:
        ledger.record([installed(1), installed(2)])
        for how in (signal.SIGINT, signal.SIGKILL):
            server.stop(how)
            server.start()
            version = ledger.version(installed(1).originator_id)
            ledger.record([installed(version + 1), installed(version + 2)])

    assert len(require_whole(host)) == 3


def test_a_server_that_stays_away_is_said_and_nothing_is_half_recorded(host: Host, server: Server) -> None:
    with host.ledger() as ledger:
        ledger._log._pauses = (0.1,)  # type: ignore[attr-defined] # a test does not wait for a failover
        server.stop()
        try:
            with pytest.raises(ServerLostError):
                ledger.record([installed(1), installed(2)])
        finally:
            server.start()

    assert require_whole(host) == []


def test_a_check_whose_server_went_away_is_undecided_and_says_why(host: Host, server: Server) -> None:
    record(host, 1)
    with open_served(host.address) as source:
        notes = source.checkpoints(-1)
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
        )
        with pytest.raises(PartMissingError) as caught:
            list(notes)

    assert caught.value.fact.startswith("the connection broke: ")
    assert "the connection is closed" not in caught.value.fact
    assert "verify again" in caught.value.hint


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    """Give a primary that waits for its standby at each commit, and the standby."""
    with (
        running_server(synchronous_standby_names="*", wal_level="replica") as primary,
        short_folder("rl-pg-") as folder,
    ):
        standby = Server(folder, {"synchronous_standby_names": "", "hot_standby": "on"})
        try:
            if as_owner():
                shutil.chown(folder, OWNER, OWNER)
            source = f"host={primary.folder} port={primary.port} user={OWNER}"
            run(
                [binaries() / "pg_basebackup", "-D", standby.data, "-R", "-X", "stream", "-c", "fast", "-d", source],
                folder,
            )
            standby.start()
            yield primary, standby
        finally:
            standby.stop()


def test_no_acknowledged_event_is_lost_when_the_primary_dies(pair: tuple[Server, Server], tmp_path: Path) -> None:
    """Under load: kill -9, promote the standby, verify."""
    primary, standby = pair
    primary.execute("CREATE DATABASE fleet")
    create_ledger(primary.url("fleet"), origin=ORIGIN)
    both = f"postgresql://{OWNER}@/fleet?host={primary.folder},{standby.folder}&port={primary.port},{standby.port}"
    hosts = [guarded(host_at(tmp_path / name, f"{both}&target_session_attrs=read-write")) for name in "abcd"]
    acknowledged: list[str] = []
    stop = threading.Event()

    def work(place: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            name = place * 100_000 + number
            try:
                record(hosts[place], name)
            except LedgerError:
                continue
            acknowledged.append(f"release:n@{name}")

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(hosts))]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(acknowledged) > 10)
        primary.stop(signal.SIGKILL)
        before = len(acknowledged)
        standby.execute("SELECT pg_promote()")
        until(lambda: len(acknowledged) > before + 10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    found = require_whole(*hosts)
    assert set(acknowledged) <= set(found)
    assert len(set(found)) == len(found)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.05)
