"""A fleet as packages install it: every host has EMQX at the same root, and its ledger in one database."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from os import fsencode
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cli import bootstrap, drivers
from ledger.adapters.identity import look_around
from ledger.application.registration import Claim, register
from ledger.domain.records import InstallationFacts, Kind
from ledger.domain.releases import stream_of
from tests.cli.lab import STATED, Lab, Result, make_lab
from tests.postgres.server import Server

ELSEWHERE = "f" * 64


@pytest.fixture
def host1(server: Server, database: str, tmp_path: Path) -> Lab:
    """Give a host in whose ledger another one registered emqx@host2, at the same root."""
    own = {"RELEASE_LEDGER_TIP_GUARD": str(tmp_path / "places"), "RELEASE_LEDGER": server.url(database)}
    lab = make_lab(tmp_path / "host1").having(**own)
    lab.offer("4.4.1")
    assert lab.init("--node", "emqx@host1", *STATED).code == 0
    (place,) = (tmp_path / "places").iterdir()
    root_sha256 = sha256(fsencode(lab.root)).hexdigest()
    stream = stream_of("emqx@host2", kind=Kind.REHEARSAL, root_sha256=root_sha256)
    with bootstrap.open_record(place) as (record, identity):
        there = replace(identity, source=replace(identity.source, host_id=ELSEWHERE))
        register(
            Claim(stream=stream, root=str(lab.root), facts=InstallationFacts(), host=ELSEWHERE),
            record=record,
            handler=drivers.handler_at(lab.root, driver="embedded"),
            lock=drivers.installation_lock(lab.root),
            contexts=bootstrap.contexts_of(there, node="emqx@host2", reason=None, ticket=None),
        )
    return lab


def test_each_host_changes_and_checks_its_own_and_reads_all(host1: Lab) -> None:
    done = host1.run("upgrade", "4.4.1", "--yes")
    assert done.code == 0, done.err

    checked = host1.run("check", "--json")
    assert checked.code == 0, checked.out + checked.err
    assert {point["node"] for point in map(json.loads, checked.out.splitlines()) if point.get("node")} <= {"emqx@host1"}
    assert "emqx@host2" not in checked.out
    listed = [json.loads(line) for line in host1.run("nodes", "--json").out.splitlines()]
    assert [(node["node"], node["running"]) for node in listed] == [("emqx@host1", "4.4.1"), ("emqx@host2", "4.4.0")]


@pytest.mark.parametrize(
    "words",
    [
        ("upgrade", "4.4.1"),
        ("check",),
        ("check", "--record"),
        ("versions", "--live"),
        ("packages",),
    ],
)
def test_what_is_on_another_host_is_neither_changed_nor_looked_at(host1: Lab, words: tuple[str, ...]) -> None:
    done = host1.run(*words, "--node", "emqx@host2")

    assert done.code == 1, done.out
    assert "emqx@host2 is on another host" in done.err
    assert "register --continues emqx@host2" in done.err
    assert len(host1.run("log", "--json").out.splitlines()) == 2


def test_a_host_takes_the_place_of_another_by_saying_so(host1: Lab) -> None:
    """The root of emqx@host1 is taken here, so the one that comes has its own."""
    came = host1.root.with_name("came")
    shutil.copytree(host1.root, came, symlinks=True)

    refused = host1.run("register", "--continues", "emqx@host2", "--node", "emqx@host2")
    taken = host1.run("register", "--continues", "emqx@host2", "--node", "emqx@host2", "--root", str(came))

    assert (refused.code, taken.code) == (1, 0), taken.err
    assert host1.run("check", "--node", "emqx@host2").code == 0
    assert host1.run("verify").code == 0


@dataclass(frozen=True)
class OwnHost(Lab):
    """A host with a machine id of its own, which has its installation where every host has it, while a command runs."""

    @property
    def root(self) -> Path:
        return self.folder.parent / "opt/emqx"

    @property
    def place(self) -> Path:
        (place,) = (self.folder / "places").iterdir()
        return place

    @contextmanager
    def in_place(self) -> Iterator[None]:
        (self.folder / "emqx").rename(self.root)
        try:
            yield
        finally:
            self.root.rename(self.folder / "emqx")

    def run(self, *arguments: str) -> Result:
        with self.in_place(), patch.dict(look_around.__kwdefaults__, machine_id_file=self.folder / "machine-id"):
            return super().run(*arguments)


@pytest.fixture
def both(server: Server, database: str, tmp_path: Path) -> tuple[OwnHost, OwnHost]:
    """Give two hosts that share a ledger, each with its EMQX at the same root."""
    (tmp_path / "opt").mkdir()
    made = list[OwnHost]()
    for name in ("host1", "host2"):
        make_lab(tmp_path / name)
        places = str(tmp_path / name / "places")
        lab = OwnHost(tmp_path / name, {"RELEASE_LEDGER_TIP_GUARD": places, "RELEASE_LEDGER": server.url(database)})
        (lab.folder / "machine-id").write_text(f"{name}\n", encoding="ascii")
        with lab.in_place():
            lab.offer("4.4.1", "4.4.16")
        done = lab.init("--node", f"emqx@{name}", *STATED)
        assert done.code == 0, done.err
        made.append(lab)
    return made[0], made[1]


def events_of(lab: Lab, *arguments: str) -> list[Any]:
    return [json.loads(line) for line in lab.run("log", "--json", *arguments).out.splitlines()]


def test_two_hosts_with_the_same_root_keep_their_own_histories(both: tuple[OwnHost, OwnHost]) -> None:
    """Each names no node: its own is meant; their tables, streams and host ids stay apart."""
    for lab, vsn in zip(both, ("4.4.1", "4.4.16"), strict=True):
        for words in (("unpack", vsn), ("install", vsn, "--no-permanent"), ("permanent", vsn), ("root_dir",)):
            done = lab.run(*words)
            assert done.code == 0, f"{words}: {done.out}{done.err}"

    for lab in both:
        nodes = [json.loads(line) for line in lab.run("versions", "--json").out.splitlines()]
        permanent = {(n["node"], r["vsn"]) for n in nodes for r in n["releases"] if r["status"] == "permanent"}
        assert permanent == {("emqx@host1", "4.4.1"), ("emqx@host2", "4.4.16")}
    one, two = (events_of(both[0], "--node", f"emqx@host{number}") for number in (1, 2))
    places = [{(event["stream"], event["source"]["host_id"]) for event in events} for events in (one, two)]
    assert (len(places[0]), len(places[1]), len(places[0] | places[1])) == (1, 1, 2)
    assert len(one) + len(two) == len(events_of(both[1]))
    differs = both[1].run("diff", "1", "last", "--node", "emqx@host2")
    assert (differs.code, "emqx@host1" in differs.out) == (7, False)
    assert "emqx@host2 (rehearsal)\tboots next\t4.4.0\t4.4.16" in differs.out


def test_what_asks_a_node_asks_that_of_this_host(both: tuple[OwnHost, OwnHost]) -> None:
    one, _ = both
    assert one.run("upgrade", "4.4.1", "--yes").code == 0

    for words in (("versions", "--live"), ("replay", "--live")):
        asked, elsewhere = one.run(*words), one.run(*words, "--node", "emqx@host2")
        assert (asked.code, asked.err) == (0, "not asked: 1 node, which is on another host\n"), asked.out
        assert (elsewhere.code, "emqx@host2 is on another host" in elsewhere.err) == (1, True)
    live = [json.loads(line).get("live") for line in one.run("versions", "--live", "--json").out.splitlines()]
    assert live == [{"differences": []}, None]
    offered = [json.loads(line) for line in one.run("packages", "--json").out.splitlines()]
    assert [(offer["vsn"], offer["may_go"]) for offer in offered] == [("4.4.1", False), ("4.4.16", True)]
    assert one.run("root_dir", "--raw").out == f"{one.root}\n"


def test_a_restart_is_noticed_on_its_own_host_alone(both: tuple[OwnHost, OwnHost]) -> None:
    """RULINGS 17: a newer vm.args, so a real VM has booted since."""
    one, two = both
    assert one.run("unpack", "4.4.1").code == 0
    assert two.run("unpack", "4.4.1").code == 0
    for lab in both:
        assert lab.run("install", "4.4.1", "--no-permanent").code == 0
    configs = one.folder / "emqx/data/configs"
    configs.mkdir(parents=True, exist_ok=True)
    (configs / "vm.2099.01.01.00.00.00.args").write_text("-name emqx@host1\n", encoding="ascii")

    unharmed, noticed = two.run("check", "--record"), one.run("check", "--record")

    assert "nothing happened outside the ledger" in unharmed.out, unharmed.out
    assert "Recorded: events" in noticed.out, noticed.out
    assert [event["node"] for event in events_of(two, "--type", "node_restarted")] == ["emqx@host1"]
    running = [json.loads(line)["running"] for line in two.run("versions", "--json").out.splitlines()]
    assert running == ["4.4.0", "4.4.1"]


def test_what_both_recorded_is_verified_reported_and_exported(both: tuple[OwnHost, OwnHost], tmp_path: Path) -> None:
    for lab in both:
        assert lab.run("upgrade", "4.4.1", "--yes").code == 0

    for number, lab in enumerate(both):
        policy, bundle, page = (str(tmp_path / f"{number}.{end}") for end in ("policy", "zip", "html"))
        shutil.copy(lab.place / "policy", policy)
        verified = lab.run("verify", "--level", "5", "--policy", policy, "--json").json
        assert verified["meaning"], verified["findings"]
        assert not [found for found in verified["findings"] if found["verdict"] == "failed"]
        assert lab.run("report", "-o", page).code == 0
        text = Path(page).read_text(encoding="utf-8")
        assert "emqx@host1" in text
        assert "emqx@host2" in text
        assert lab.run("export", "-o", bundle).code == 0
        told = lab.run("verify", bundle, "--policy", policy)
        assert told.code == 0, told.out + told.err
        assert "meaning" in told.out
