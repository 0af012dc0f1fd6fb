"""A fleet as packages install it: every host has EMQX at the same root, and its ledger in one database."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from os import fsencode
from pathlib import Path

import pytest

from cli import bootstrap, drivers
from ledger.application.registration import Claim, register
from ledger.domain.records import InstallationFacts, Kind
from ledger.domain.releases import stream_of
from tests.cli.lab import STATED, Lab, make_lab
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
