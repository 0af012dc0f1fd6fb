"""A host whose server is out of reach, by the policy ``offline = "spool"``: nothing is lost, nothing is doubled."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest

from ledger.adapters.spool_place import SpoolPlace
from tests.cli.lab import STATED, Lab, make_lab
from tests.cli.schemas import schema_of
from tests.postgres.server import Server

LOGINS = ("host1", "host2")
POLICY = '[fleet]\noffline = "spool"\n'


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_lab(tmp_path_factory.mktemp("pattern"))


@pytest.fixture
def hosts(pattern: Lab, server: Server, database: str, tmp_path: Path) -> Iterator[tuple[Lab, Lab]]:
    """Give two hosts that joined one ledger, record alone where the server is away, and were checked before."""
    made = list[Lab]()
    for name in LOGINS:
        lab = pattern.copied(tmp_path / name)
        own = {"RELEASE_LEDGER_TIP_GUARD": str(tmp_path / f"{name}-places"), "RELEASE_LEDGER_NODE": f"emqx@{name}"}
        assert lab.having(RELEASE_LEDGER=server.url(database), **own).init(*STATED).code == 0
        if not made:
            server.execute(*(f"CREATE ROLE {login} LOGIN IN ROLE ledger_writer" for login in LOGINS))
        lab.offer("4.4.1", "4.4.16")
        host = lab.having(RELEASE_LEDGER=server.url(database, user=name), **own)
        (place_of(host) / "config.toml").write_text(POLICY)
        made.append(host)
    yield made[0], made[1]
    server.execute(*(f"DROP ROLE {login}" for login in LOGINS))


@pytest.fixture
def host(hosts: tuple[Lab, Lab]) -> Lab:
    """Give a host that has checked its installation once."""
    return checked(hosts[0])


def checked(lab: Lab) -> Lab:
    """Return *lab* after a check; its guard may be behind what others recorded, which it then says."""
    assert lab.run("check").code in {0, 7}
    return lab


def place_of(lab: Lab) -> Path:
    (address,) = Path(lab.variables["RELEASE_LEDGER_TIP_GUARD"]).glob("*/address")
    return address.parent


def spool_of(lab: Lab) -> Path:
    return place_of(lab) / "spool" / "ledger"


@contextmanager
def cut_off(server: Server) -> Iterator[None]:
    """Let nobody reach the server: its socket has another name."""
    socket = server.folder / f".s.PGSQL.{server.port}"
    away = socket.rename(server.folder / "away")
    try:
        yield
    finally:
        away.rename(socket)


def log_of(lab: Lab, *arguments: str) -> list[dict[str, Any]]:
    done = lab.run("log", "--json", *arguments)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def carried_in(server: Server, database: str) -> int:
    """Return how many events in the ledger are of another log."""
    ((count,),) = server.execute(
        "SELECT count(*) FROM ledger.stored_events WHERE topic LIKE '%.event_imported.v1'", database=database
    )
    return int(count)


def test_a_change_goes_on_without_its_server_and_the_next_one_joins_it(
    hosts: tuple[Lab, Lab], server: Server, database: str
) -> None:
    """Issue 9, item 6: recorded locally, and joined later with its own proof; a note in between is no hindrance."""
    one, two = hosts
    assert one.run("unpack", "4.4.1").code == 0
    server.stop()

    changed = one.run("upgrade", "4.4.1", "--yes")
    status = one.run("spool", "status", "--json")
    proof = one.run("verify", "--ledger", str(spool_of(one)))
    seen = one.run("versions")
    server.start()
    noted = two.run("note", "4", "seen by another host")
    told = one.run("versions")
    joined = one.run("upgrade", "4.4.16", "--yes")

    assert (changed.code, noted.code, joined.code, proof.code) == (0, 0, 0, 0)
    assert "out of reach" in changed.err
    assert "5 events since" in changed.err
    assert status.code == 7
    jsonschema.validate(status.json, schema_of("spool"))
    assert (status.json["waiting"], status.json["verdict"]) == (5, "verified")
    assert "4.4.1\tpermanent" in seen.out
    assert "out of reach" in seen.err
    assert "4.4.1\tunpacked" in told.out
    assert "5 events" in told.err
    assert "are in the ledger now" in joined.err
    assert not (place_of(one) / "spool").exists()
    assert carried_in(server, database) == 5
    assert one.rows() == {"4.4.16": "permanent", "4.4.1": "old", "4.4.0": "old"}
    assert one.run("verify").code == 0
    assert one.run("replay").code == 0


@pytest.mark.parametrize("change", [("upgrade", "4.4.0", "--yes"), ("check", "--record"), ("uninstall", "4.4.9")])
def test_what_records_nothing_begins_no_spool(host: Lab, server: Server, change: tuple[str, ...]) -> None:
    """A change that is done already, asked for again by a timer while the server is away."""
    with cut_off(server):
        done = host.run(*change)
        again = host.run(*change)
        status = host.run("spool", "status", "--json")

    assert {done.code, again.code} <= {0, 7}
    assert "this command recorded nothing on this host" in done.err
    assert (status.code, status.json["waiting"]) == (0, 0)
    assert not (place_of(host) / "spool").exists()
    assert "are in the ledger now" not in host.run("unpack", "4.4.1").err


def test_two_hosts_are_joined_one_after_the_other(hosts: tuple[Lab, Lab], server: Server, database: str) -> None:
    for lab in hosts:
        checked(lab)
    with cut_off(server):
        assert [lab.run("upgrade", "4.4.1", "--yes").code for lab in hosts] == [0, 0]

    joined = [lab.run("spool", "join", "--json") for lab in hosts]

    for done in joined:
        assert done.code == 0, done.err
        jsonschema.validate(done.json, schema_of("joined"))
    assert [done.json["joined"] for done in joined] == [6, 6]
    assert hosts[0].run("spool", "join").out == "Joined: nothing, for nothing waits on this host\n"
    assert carried_in(server, database) == 12
    assert hosts[1].run("verify").code == 0
    rows = hosts[0].having(RELEASE_LEDGER_NODE="").run("versions", "--status", "permanent").out
    assert rows.count("4.4.1\tpermanent") == 2


@contextmanager
def held_up(server: Server, database: str, *, index: int) -> "Iterator[psycopg.Connection[Any]]":
    """Let every commit from event *index* on wait, before it is recorded, until the block ends."""
    with closing(psycopg.connect(server.url(database), autocommit=True)) as connection:
        connection.execute(
            "CREATE FUNCTION ledger.wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END'"
        )
        connection.execute(
            "CREATE TRIGGER wait BEFORE INSERT ON ledger.log_commit FOR EACH ROW"
            f" WHEN (NEW.last_idx >= {index}) EXECUTE FUNCTION ledger.wait()"
        )
        connection.execute("SELECT pg_advisory_lock(7)")
        yield connection


def await_waiter(server: Server, process: Any) -> None:  # noqa: ANN401 # a process of Popen
    """Wait until a commit waits."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while server.execute(waiting) == [(0,)]:
        assert process.poll() is None, process.communicate()


def test_a_join_that_is_killed_before_or_behind_its_commit_is_done_once(
    host: Lab, server: Server, database: str, tmp_path: Path
) -> None:
    with cut_off(server):
        assert host.run("upgrade", "4.4.1", "--yes").code == 0
    shutil.copytree(place_of(host) / "spool", tmp_path / "copy")
    with held_up(server, database, index=2), host.start("spool", "join") as killed:
        await_waiter(server, killed)
        killed.send_signal(signal.SIGKILL)
    server.execute("DROP TRIGGER wait ON ledger.log_commit", database=database)
    assert carried_in(server, database) == 0

    assert host.run("spool", "join").code == 0
    shutil.copytree(tmp_path / "copy", place_of(host) / "spool")  # as if the kill came before it was taken away
    with cut_off(server):
        assert host.run("unpack", "4.4.16").code == 0
    again = host.run("spool", "join")

    assert again.code == 0, again.err
    assert carried_in(server, database) == 9
    assert host.run("verify").code == 0
    assert host.rows() == {"4.4.16": "unpacked", "4.4.1": "permanent", "4.4.0": "old"}


def drop_waiters(connection: "psycopg.Connection[Any]") -> None:
    """End the connections whose commit waits."""
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def test_an_attempt_that_lost_its_server_is_closed_without_it(host: Lab, server: Server, database: str) -> None:
    """The step was done on the node and could not be recorded; the host knows what was."""
    assert host.run("unpack", "4.4.1").code == 0
    with held_up(server, database, index=6) as connection, host.start("upgrade", "4.4.1", "--yes") as broken:
        await_waiter(server, broken)
        with cut_off(server):
            drop_waiters(connection)
            _, err = broken.communicate(timeout=600)
            closed = host.run("recover", "--yes")
    server.execute("DROP TRIGGER wait ON ledger.log_commit", database=database)

    joined = host.run("spool", "join")

    assert broken.returncode == 4, err
    assert closed.code == 0, closed.err
    assert "Recovered" in closed.out
    assert joined.code == 0, joined.err
    assert log_of(host, "-n", "1")[0]["type"] == "operation_recovered"
    assert host.run("verify").code == 0


def test_a_host_that_does_not_know_what_became_of_its_commit_waits_for_the_server(
    host: Lab, server: Server, database: str
) -> None:
    """Killed while the commit was on its way: two histories of one installation could not be joined."""
    assert host.run("unpack", "4.4.1").code == 0
    with held_up(server, database, index=6), host.start("upgrade", "4.4.1", "--yes") as killed:
        await_waiter(server, killed)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    server.execute("DROP TRIGGER wait ON ledger.log_commit", database=database)

    with cut_off(server):
        refused = host.run("recover", "--yes")
        status = host.run("spool", "status")
    recovered = host.run("recover", "--yes")

    assert refused.code == 1
    assert "may hold more of emqx@host1 than this host knows" in refused.err
    assert "(unsure)" in status.out
    assert recovered.code == 0, recovered.err
    with cut_off(server):
        assert host.run("permanent", "4.4.1").code == 0


def test_a_spool_whose_installation_went_on_otherwise_is_refused_and_kept(
    host: Lab, server: Server, database: str, tmp_path: Path
) -> None:
    with cut_off(server):
        assert host.run("upgrade", "4.4.1", "--yes").code == 0
    spool = place_of(host) / "spool"
    hidden = spool.rename(tmp_path / "hidden")
    assert host.run("check", "--record").code in {0, 7}  # drift: the record knows nothing of the upgrade
    hidden.rename(spool)

    refused = host.run("unpack", "4.4.16")

    assert refused.code == 2
    assert "drift observed" in refused.err
    assert "spool status" in refused.err
    assert carried_in(server, database) == 0
    assert host.run("verify", "--ledger", str(spool_of(host))).code == 0


def test_a_damaged_spool_is_told_and_hides_nothing_of_the_ledger(host: Lab, server: Server, tmp_path: Path) -> None:
    with cut_off(server):
        assert host.run("upgrade", "4.4.1", "--yes").code == 0
    os.truncate(spool_of(host) / "ledger.db", 20_000)

    seen, asked = host.run("versions"), host.run("check")
    refused = [host.run("unpack", "4.4.16"), host.run("spool", "status"), host.run("spool", "join")]

    assert (seen.code, seen.out.count("permanent")) == (0, 1)
    assert "damaged, and is not in this answer" in seen.err
    assert "what this host recorded alone is damaged" in asked.out
    assert [done.code for done in refused] == [6, 6, 6]
    assert all("as evidence" in done.err for done in refused)
    (place_of(host) / "spool").rename(tmp_path / "evidence")
    assert host.run("unpack", "4.4.16").code == 0


def test_a_spool_that_lost_its_events_is_kept(host: Lab, server: Server, tmp_path: Path) -> None:
    """Its guard knows of them: what is gone is a finding, and no reason to take the rest away."""
    with cut_off(server):
        assert host.run("upgrade", "4.4.1", "--yes").code == 0
    guard = spool_of(host).with_name("ledger.tip")
    kept = shutil.copytree(guard, tmp_path / "guard")
    shutil.rmtree(spool_of(host).parent)
    spool = SpoolPlace(place_of(host))
    spool.make("example.com/spool")
    shutil.rmtree(guard)
    shutil.copytree(kept, guard)

    refused = host.run("spool", "join")

    assert refused.code == 6, refused.err
    assert (guard / "tip").is_file()


def test_what_cannot_be_done_without_the_server_is_said(host: Lab, server: Server) -> None:
    config = place_of(host) / "config.toml"
    with cut_off(server):
        planned = host.run("upgrade", "4.4.1", "--plan", "last", "--yes")
        noted = host.run("note", "0", "x")
        other = host.having(RELEASE_LEDGER_NODE="emqx@host2").run("upgrade", "4.4.1", "--yes")
        config.write_text(f"{POLICY}[policy]\nholders = 1\n")
        unheld = host.run("unpack", "4.4.1")
        config.write_text("")
        refused = host.run("unpack", "4.4.1")

    assert [done.code for done in (planned, noted, other, unheld, refused)] == [2, 1, 1, 2, 1]
    assert "leave --plan away" in planned.err
    assert "cannot be reached" in noted.err
    assert "has kept nothing of emqx@host2" in other.err
    assert "holders = 1" in unheld.err
    assert 'offline = "spool"' in refused.err
    assert not (place_of(host) / "spool").exists()


def test_what_leaves_the_ledger_is_joined_before(host: Lab, server: Server, database: str) -> None:
    """An installation that leaves with events still waiting here could not take them along any more."""
    with cut_off(server):
        assert host.run("unpack", "4.4.1").code == 0
        refused = host.run("unregister", "--yes")

    left = host.run("unregister", "--yes")

    assert refused.code == 1
    assert "cannot be reached" in refused.err
    assert left.code == 0, left.err
    assert carried_in(server, database) == 4
    assert host.run("verify").code == 0
    with cut_off(server):
        assert "has kept nothing" in host.run("unpack", "4.4.16").err


def test_questions_are_answered_from_what_was_kept_and_plans_record_nothing(host: Lab, server: Server) -> None:
    with cut_off(server):
        versions = host.run("versions")
        planned = host.run("upgrade", "4.4.16", "--dry-run")
        looked = host.run("recover", "--dry-run")
        asked = host.run("check")

    assert [done.code for done in (versions, planned, looked, asked)] == [0, 0, 0, 0]
    assert "4.4.0\tpermanent" in versions.out
    assert "out of reach" in versions.err
    assert "Plan of upgrade 4.4.16" in planned.out
    assert "nothing waits" in asked.out
    assert not (place_of(host) / "spool").exists()


def test_a_server_that_does_not_admit_the_host_is_not_out_of_reach(host: Lab, server: Server) -> None:
    """A login that was taken away is somebody's decision."""
    server.execute("ALTER ROLE host1 NOLOGIN")

    refused = host.run("upgrade", "4.4.1", "--yes")
    server.execute("ALTER ROLE host1 LOGIN")

    assert refused.code == 1
    assert not (place_of(host) / "spool").exists()
    assert host.rows() == {"4.4.0": "permanent"}
