"""The command line over a ledger in PostgreSQL: two hosts, an auditor, and a database that was tampered with."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest

from ledger.adapters.postgres_server import Connection
from tests.cli.lab import STATED, Lab, make_lab
from tests.cli.schemas import schema_of
from tests.postgres.hosts import change, cut_to
from tests.postgres.server import Server

LOGINS = {"host1": "ledger_writer", "host2": "ledger_writer", "auditor": "ledger_auditor"}


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_lab(tmp_path_factory.mktemp("pattern"))


@pytest.fixture
def hosts(pattern: Lab, server: Server, database: str, tmp_path: Path) -> Iterator[tuple[Lab, Lab]]:
    """Give two hosts that joined one ledger; each records as a user who may INSERT and SELECT only."""
    made = list[Lab]()
    for name in ("host1", "host2"):
        lab = pattern.copied(tmp_path / name)
        own = {"RELEASE_LEDGER_TIP_GUARD": str(tmp_path / f"{name}-places"), "RELEASE_LEDGER_NODE": f"emqx@{name}"}
        done = lab.having(RELEASE_LEDGER=server.url(database), **own).init(*STATED)
        assert done.code == 0, done.err
        if not made:
            server.execute(*(f"CREATE ROLE {login} LOGIN IN ROLE {role}" for login, role in LOGINS.items()))
        lab.offer("4.4.1", "4.4.16")
        made.append(lab.having(RELEASE_LEDGER=server.url(database, user=name), **own))
    yield made[0], made[1]
    server.execute(*(f"DROP ROLE {login}" for login in LOGINS))


@pytest.fixture
def auditor(server: Server, database: str, hosts: tuple[Lab, Lab], tmp_path: Path) -> Lab:
    """Give somebody who may only read, on a host that has no place."""
    (tmp_path / "office").mkdir()
    assert hosts
    return Lab(tmp_path / "office").having(
        RELEASE_LEDGER=server.url(database, user="auditor"), RELEASE_LEDGER_TIP_GUARD=str(tmp_path / "office")
    )


def policy_of(lab: Lab) -> str:
    (policy,) = Path(lab.variables["RELEASE_LEDGER_TIP_GUARD"]).glob("*/policy")
    return str(policy)


def test_two_hosts_upgrade_and_one_record_tells_of_both(hosts: tuple[Lab, Lab], auditor: Lab) -> None:
    one, two = hosts

    assert one.run("upgrade", "4.4.16", "--yes").code == 0
    assert two.run("upgrade", "4.4.1", "--yes").code == 0

    nodes = [json.loads(line) for line in auditor.run("versions", "--json").out.splitlines()]
    permanent = {(n["node"], r["vsn"]) for n in nodes for r in n["releases"] if r["status"] == "permanent"}
    assert permanent == {("emqx@host1", "4.4.16"), ("emqx@host2", "4.4.1")}
    assert "4.4.16" in two.having(RELEASE_LEDGER_NODE="").run("log").out
    for lab in hosts:
        verified = lab.run("verify")
        assert verified.code == 0, verified.out + verified.err
    told = auditor.run("verify", "--policy", policy_of(two))
    assert told.code == 0, told.out + told.err


def test_the_keys_say_which_host_signed_which_commit(hosts: tuple[Lab, Lab], auditor: Lab) -> None:
    """Issue 9, item 2: a verifier sees who signed what."""
    one, two = hosts
    assert one.run("note", "0", "seen").code == 0

    found = auditor.run("key", "list", "--json").json
    jsonschema.validate(found, schema_of("keys"))
    assert [(key["commits"], key["first"], key["last"]) for key in found["hosts"]] == [(2, 0, 2), (1, 1, 1)]
    assert found["log"][1] == key_of(two)
    said = auditor.run("key", "list").out.splitlines()
    assert [line.split("\t")[3:] for line in said] == [["2 commits", "events 0 to 2"], ["1 commit", "events 1 to 1"]]


def key_of(lab: Lab) -> str:
    return (Path(policy_of(lab)).parent / "log.vkey").read_text(encoding="ascii").strip()


def test_every_command_that_reads_reads_it(hosts: tuple[Lab, Lab], auditor: Lab, tmp_path: Path) -> None:
    one, _ = hosts
    one.run("unpack", "4.4.1")

    for arguments in (
        ("log", "--json"),
        ("show", "0", "--proof"),
        ("show", "last"),
        ("diff", "0", "last"),
        ("nodes",),
        ("versions", "--at", "1"),
        ("replay", "--node", "emqx@host1"),
        ("report", "-o", str(tmp_path / "report.html")),
        ("export", "-o", str(tmp_path / "bundle.zip")),
    ):
        done = auditor.run(*arguments)
        assert done.code in {0, 7}, f"{arguments}: {done.out}{done.err}"
    assert auditor.run("verify", str(tmp_path / "bundle.zip"), "--policy", policy_of(one)).code == 0


def test_a_change_leaves_the_view_in_the_database_caught_up(
    hosts: tuple[Lab, Lab], server: Server, database: str
) -> None:
    """Issue 9: views are maintained by whoever writes; a host keeps none of its own."""
    one, two = hosts
    behind = "SELECT (SELECT count(*) FROM ledger.log_leaf) - (SELECT size FROM views.tracking)"

    assert one.run("upgrade", "4.4.16", "--yes").code == 0

    assert server.execute(behind, database=database) == [(0,)]
    assert two.run("replay").code == 0
    assert not [*Path(one.variables["RELEASE_LEDGER_TIP_GUARD"]).glob("*/views.db")]


def test_a_host_exports_checks_and_recovers(hosts: tuple[Lab, Lab], tmp_path: Path) -> None:
    one, _ = hosts

    assert one.run("export", "-o", str(tmp_path / "bundle.zip")).code == 0
    assert one.run("note", "0", "seen").code == 0
    assert one.run("recover").code == 0
    checked = one.run("check")
    assert checked.code in {0, 3, 7}, checked.out
    assert "\tfault\t" not in checked.out, checked.out


def test_a_host_that_did_not_join_records_nothing(hosts: tuple[Lab, Lab], auditor: Lab) -> None:
    one, _ = hosts
    stranger = one.having(RELEASE_LEDGER_TIP_GUARD=str(auditor.folder))

    refused = stranger.run("upgrade", "4.4.16", "--yes")

    assert refused.code == 1
    assert "has no key" in refused.err


def test_an_auditor_cannot_record(hosts: tuple[Lab, Lab], auditor: Lab) -> None:
    one, _ = hosts
    refused = one.having(RELEASE_LEDGER=auditor.variables["RELEASE_LEDGER"]).run("unpack", "4.4.1")

    assert refused.code == 1
    assert "does not admit this user" in refused.err


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE stored_events SET state = convert_to('{}', 'UTF8') WHERE originator_id LIKE '%host2%'", "event 1"),
        ("DELETE FROM stored_events WHERE originator_id LIKE '%host2%'", "event 1"),
        ("UPDATE log_leaf SET leaf_hash = sha256('x') WHERE idx = 1", "event 1"),
        ("DELETE FROM log_leaf WHERE idx = 0", "0"),
        ("UPDATE stored_events SET topic = 'emqx.release.installed.v1' WHERE originator_id LIKE '%host2%'", "event 1"),
        ("DELETE FROM log_checkpoint WHERE size = 1", "checkpoint"),
        ("INSERT INTO stored_events VALUES ('release:x', 1, 't', 'x')", "outside the tree"),
        ("TRUNCATE stored_events, log_leaf, log_commit, log_node, log_checkpoint", ""),
    ],
)
def test_what_a_database_administrator_changes_is_named(
    hosts: tuple[Lab, Lab], server: Server, database: str, statement: str, named: str
) -> None:
    """evidence.md 7: rows 1 to 5, 7 and 15, by somebody who can drop every trigger."""
    change(server.url(database), statement)

    told = hosts[1].run("verify")

    assert told.code in {3, 6}, told.out
    assert named in told.out + told.err


def test_an_event_that_is_put_back_otherwise_is_named(hosts: tuple[Lab, Lab], server: Server, database: str) -> None:
    """A delete and a re-insert of nearly the same row."""
    with closing(psycopg.connect(server.url(database), autocommit=True)) as connection:
        connection.execute("ALTER TABLE ledger.stored_events DISABLE TRIGGER ALL")
        connection.execute(
            "WITH gone AS (DELETE FROM ledger.stored_events WHERE originator_id LIKE '%host2%' RETURNING *)"
            " INSERT INTO ledger.stored_events SELECT originator_id, originator_version, topic,"
            " convert_to(replace(convert_from(state, 'UTF8'), 'os:', 'os:9'), 'UTF8') FROM gone"
        )

    told = hosts[0].run("verify")

    assert told.code == 6
    assert "event 1" in told.out + told.err


def test_a_change_connects_three_times(hosts: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once to see that this host may record, once to record, once to bring the view up to date."""
    connect, made = Connection.connect, list[str]()

    def counted(address: str, **options: Any) -> Any:  # noqa: ANN401 # those of psycopg
        made.append(address)
        return connect(address, **options)

    monkeypatch.setattr(Connection, "connect", counted)
    done = hosts[0].run("upgrade", "4.4.1", "--yes")

    assert done.code == 0, done.err
    assert len(made) == 3


def test_a_server_that_is_down_is_said_and_nothing_is_lost(hosts: tuple[Lab, Lab], tmp_path: Path) -> None:
    one, _ = hosts
    away = one.having(RELEASE_LEDGER=f"postgresql://host1@/none?host={tmp_path}")

    refused = away.run("versions")

    assert refused.code == 1
    assert "cannot be reached" in refused.err
    assert "No such file or directory\nhint:" in refused.err, "libpq's own questions are not repeated"


def test_a_question_to_a_server_without_the_last_commits_is_answered_with_a_warning(
    hosts: tuple[Lab, Lab], auditor: Lab, server: Server, database: str
) -> None:
    """A failover to a replica that lagged: the host whose guard has the commits tells, changes are refused."""
    one, two = hosts
    assert one.run("note", "0", "lost").code == 0
    assert (one.run("versions").err, two.run("log", "-n", "1").err) == ("", "")
    cut_to(server.url(database), 2)

    told, refused = one.run("versions"), one.run("unpack", "4.4.1")

    warning = "warning: this host's tip guard holds 3 events, and the ledger that answers has 2"
    assert (told.code, told.err.count(warning)) == (0, 1), told.err
    assert (refused.code, "recover --refill" in refused.err) == (6, True)
    for lab in (two, auditor):
        assert lab.run("versions").err == "", "whoever knows of no more says nothing"


def test_a_server_at_another_address_is_told_by_init_and_key_and_guard_stay(
    hosts: tuple[Lab, Lab], server: Server, database: str
) -> None:
    one, _ = hosts
    both = f"&host={server.folder},{server.folder}&port={server.port},{server.port}"
    moved = one.having(RELEASE_LEDGER=f"postgresql://host1@/{database}?{both[1:]}")
    places, key = Path(one.variables["RELEASE_LEDGER_TIP_GUARD"]), key_of(one)

    unknown = moved.run("note", "0", "before")
    told = moved.init(*STATED)

    assert (unknown.code, str(places) in unknown.err) == (1, True), unknown.err
    assert "another address" in unknown.err
    assert (told.code, moved.run("note", "0", "behind").code) == (0, 0), told.err
    assert key_of(one) == key


def test_a_password_is_refused_and_never_told(hosts: tuple[Lab, Lab]) -> None:
    one, _ = hosts
    told = one.having(RELEASE_LEDGER="postgresql://host1:geheim@127.0.0.1/x").run("versions", "--json")

    assert told.code == 1
    assert "geheim" not in told.out + told.err
