"""A host's ledger goes on in PostgreSQL: nothing is lost, both verify, and a break at any point is finished."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from ledger.adapters.postgres_server import create_ledger
from tests.cli.lab import PROJECT, STATED, Lab, make_lab
from tests.cli.schemas import schema_of
from tests.fakes.recording import ORIGIN, installed
from tests.postgres.hosts import guarded, host_at
from tests.postgres.server import Server
from tests.postgres.test_load import disk_full

# Kills itself at the n-th of the steps that write something durable: commits, and files of the host.
DYING = """
import os, signal, sys
from ledger.application import importing
from ledger.application.release_ledger import ReleaseLedger
from ledger.adapters import fleet_entry, postgres_server
from cli import drivers
from cli.app import main
importing.BATCH = 3
left = [int(sys.argv[1])]
def dying(real):
    def call(*given, **named):
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*given, **named)
    return call
ReleaseLedger.record = dying(ReleaseLedger.record)
fleet_entry.create_ledger = dying(fleet_entry.create_ledger)
fleet_entry.enrol = dying(fleet_entry.enrol)
drivers.mark_installation = dying(drivers.mark_installation)
main(sys.argv[2:])
"""


# Kills itself when an upgrade has recorded its intent and its first step.
BROKEN = """
import os, signal, sys
from cli.bootstrap import RecordOfCommand
from cli.app import main
left, record = [2], RecordOfCommand.record
def dying(self, *events, **more):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return record(self, *events, **more)
RecordOfCommand.record = dying
main(sys.argv[1:])
"""


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return a host with a ledger in a folder, and an upgrade in it."""
    lab = make_lab(tmp_path_factory.mktemp("pattern"))
    lab.offer("4.4.1", "4.4.16")
    return lab


@pytest.fixture
def host(pattern: Lab, tmp_path: Path) -> Lab:
    places = {"RELEASE_LEDGER_TIP_GUARD": str(tmp_path / "places"), "RELEASE_LEDGER_NODE": "emqx@host"}
    lab = pattern.copied(tmp_path / "host").having(**places)
    assert lab.init(*STATED).code == 0
    assert lab.run("upgrade", "4.4.16", "--yes").code == 0
    return lab


def there(host: Lab, address: str) -> Lab:
    """Return the host as it goes on."""
    return host.having(RELEASE_LEDGER=address)


def test_a_host_goes_on_in_postgresql_and_both_verify(host: Lab, server: Server, database: str) -> None:
    address = server.url(database)
    before = host.run("versions", "--json").json
    events = len(host.run("log", "--json").out.splitlines())
    at = json.loads(host.run("log", "--json", "-n", "1").out)["recorded_at"]

    moved = host.run("move", "--to", address, "--reason", "the fleet has a server", "--json")

    assert moved.code == 0, moved.err
    jsonschema.validate(moved.json, schema_of("move"))
    assert (moved.json["imported"], moved.json["tree_size"]) == (events + 1, events + 1)
    new = there(host, address)
    assert new.run("versions", "--json").json["releases"] == before["releases"]
    down = new.run("downgrade", "4.4.0", "--yes")
    assert down.code == 0, down.err
    assert new.run("versions", "--json", "--at", at).json["releases"] == before["releases"]
    for lab in (host, new):
        verified = lab.run("verify")
        assert verified.code == 0, verified.out + verified.err
    assert "the ledger moved: it goes on as" in host.run("verify").out
    assert f"{events + 1} events of {moved.json['origin']} (move, " in new.run("verify").out


def test_the_old_ledger_takes_no_change_and_says_where_it_went_on(host: Lab, server: Server, database: str) -> None:
    address = server.url(database)
    assert host.run("move", "--to", address).code == 0

    for refused in (host.run("upgrade", "4.4.1", "--yes"), host.run("note", "0", "x"), host.run("downgrade", "4.4.0")):
        assert refused.code == 2
        assert "this ledger has moved" in refused.err
        assert f"--ledger {address}" in refused.err
    assert host.run("log").code == host.run("versions").code == 0
    bundle = host.folder / "old.zip"
    exported = host.run("export", "-o", str(bundle), "--json")
    assert (exported.code, exported.json["export_recorded"]) == (0, False)
    again = host.run("move", "--to", address, "--json")
    assert (again.code, again.json["imported"]) == (0, 0)


def test_a_move_to_a_server_without_room_says_what_finishes_it(host: Lab, server: Server, database: str) -> None:
    """The old ledger is closed by then; nothing is lost, and the same command goes on."""
    address = server.url(database)
    create_ledger(address, origin=ORIGIN)
    with guarded(host_at(host.folder / "other", address)).ledger() as ledger:
        ledger.record([installed(version, stream="note:other") for version in range(1, 255)])

    with disk_full(server, database, "log_node"):
        broken = host.run("move", "--to", address)
        closed = host.run("note", "0", "x")
    finished = host.run("move", "--to", address)

    assert (broken.code, "make room on the server" in broken.err) == (1, True), broken.err
    assert "takes no changes any more; the same command finishes the move" in broken.err
    assert closed.code == 2
    assert finished.code == 0, finished.err
    for lab in (host, there(host, address)):
        verified = lab.run("verify")
        assert verified.code == 0, verified.out + verified.err


def test_a_ledger_that_moved_joins_no_second_database(
    host: Lab, server: Server, database: str, second_database: str, tmp_path: Path
) -> None:
    """Neither one that is a ledger of others, nor one that is empty yet."""
    assert host.run("move", "--to", server.url(database), "--yes").code == 0
    places = sorted(path.name for path in (tmp_path / "places").iterdir())

    empty = host.run("move", "--to", server.url(second_database), "--yes")
    tables = server.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'ledger'", database=second_database)
    create_ledger(server.url(second_database), origin="other.example.com/release-ledger/1")
    taken = host.run("move", "--to", server.url(second_database), "--yes")

    assert [each.code for each in (empty, taken)] == [2, 2]
    assert "this ledger has moved already" in empty.err
    assert "this ledger has moved already" in taken.err
    assert tables == [(0,)]
    assert sorted(path.name for path in (tmp_path / "places").iterdir()) == places
    assert server.execute("SELECT * FROM ledger.log_key", database=second_database) == []


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 6])
def test_a_move_that_is_killed_is_finished_by_moving_again(
    host: Lab, server: Server, database: str, steps: int
) -> None:
    """Killed before the ledger is made, the key enrolled, the old ledger closed, the commits, the mark in the root."""
    address = server.url(database)
    command = [sys.executable, "-c", DYING, str(steps), "move", "--to", address]
    died = subprocess.run(command, env=host.variables, cwd=PROJECT, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()

    moved = host.run("move", "--to", address, "--json")

    assert moved.code == 0, moved.err
    new = there(host, address)
    topics = [
        json.loads(line)["topic"] for line in new.having(RELEASE_LEDGER_NODE="").run("log", "--json").out.splitlines()
    ]
    assert topics.count("emqx.ledger.ledger_imported.v1") == 1
    for lab in (host, new):
        assert lab.run("verify").code == 0
    assert new.run("downgrade", "4.4.0", "--yes").code == 0


def test_an_open_attempt_goes_along_and_is_closed_there(host: Lab, server: Server, database: str) -> None:
    command = [sys.executable, "-c", BROKEN, "downgrade", "4.4.1", "--yes"]
    died = subprocess.run(command, env=host.variables, cwd=PROJECT, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert host.run("downgrade", "4.4.1", "--yes").code == 5

    assert host.run("move", "--to", server.url(database)).code == 0

    new = there(host, server.url(database))
    assert new.run("downgrade", "4.4.1", "--yes").code == 5
    assert new.run("recover", "--yes").code == 0
    assert new.run("downgrade", "4.4.1", "--yes").code == 0
    for lab in (host, new):
        assert lab.run("verify").code == 0


def test_imports_at_once_come_in_whole_and_once(host: Lab, server: Server, database: str, tmp_path: Path) -> None:
    """Each has to write into the stream of the ledger itself, where the others do; two bring the same source."""
    sources = [
        host.having(RELEASE_LEDGER=str(tmp_path / f"source{n}"), RELEASE_LEDGER_NODE=f"emqx@n{n}") for n in "123"
    ]
    for source in sources:
        assert source.init(*STATED).code == 0
        for text in ("one", "two", "three"):
            assert source.run("note", "0", text).code == 0
        assert source.run("export", "-o", str(tmp_path / f"{source.variables['RELEASE_LEDGER']}.zip")).code == 0
    target = there(host, server.url(database))
    assert target.init(*STATED).code == 0
    names = [source.variables["RELEASE_LEDGER"] for source in (*sources, sources[0])]

    started = [
        target.start("import", name, "--vkey", Path(name, "log.vkey").read_text(encoding="utf-8").strip())
        for name in names
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]

    assert [code for _, code in ended] == [0] * len(names), ended
    verified = target.run("verify")
    assert verified.code == 0, verified.out
    assert verified.out.count("5 events of ") == len(sources)
