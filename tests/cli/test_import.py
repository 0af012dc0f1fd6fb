"""``import``: the history of another ledger comes into this one, with its proofs (docs/decisions/0024)."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ledger.application import importing
from ledger.domain.imported import note_lines
from tests.cli.lab import PROJECT, Lab
from tests.cli.schemas import schema_of

SCHEMA = schema_of("import")
# Kills itself behind a commit of the import; few events make a commit.
DYING = """
import os, signal, sys
from cli.bootstrap import RecordOfCommand
from ledger.application import importing
from ledger.domain.imported import note_lines
from cli.app import main
importing.BATCH = 2
left, record = [int(sys.argv[1])], RecordOfCommand.record
def dying(self, *events, **more):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return record(self, *events, **more)
RecordOfCommand.record = dying
main(sys.argv[2:])
"""


@pytest.fixture(scope="session")
def recorded(pattern: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Lab]:
    """Return a host with a history, and another with a ledger of its own."""
    folder = tmp_path_factory.mktemp("recorded")
    source, target = pattern.copied(folder / "source"), pattern.copied(folder / "target")
    target = target.having(RELEASE_LEDGER_NODE="emqx@other")
    source.offer("4.4.1", "4.4.16")
    for done in (source.init(), target.init(), source.run("upgrade", "4.4.1", "--yes")):
        assert done.code == 0, done.err
    return source, target


@pytest.fixture
def hosts(recorded: tuple[Lab, Lab], tmp_path: Path) -> tuple[Lab, Lab]:
    """Give copies of the ledgers of both; their installations are shared, so only the ledgers may be changed."""
    source, target = recorded
    for lab in recorded:
        for name in ("ledger", "ledger.tip"):
            shutil.copytree(lab.folder / name, tmp_path / lab.folder.name / name)
    return Lab(tmp_path / "source", source.environ), Lab(tmp_path / "target", target.environ)


def events_of(lab: Lab) -> list[tuple[str, int, str, Mapping[str, Any]]]:
    """Return stream, version, topic and envelope of every event, as stored."""
    with closing(sqlite3.connect(lab.ledger / "ledger.db")) as connection:
        rows = connection.execute(
            "SELECT originator_id, originator_version, topic, state FROM log_leaf"
            " JOIN stored_events USING (originator_id, originator_version) ORDER BY idx"
        ).fetchall()
    return [(stream, version, topic, json.loads(state)) for stream, version, topic, state in rows]


def vkey_of(lab: Lab) -> str:
    return (lab.ledger / "log.vkey").read_text(encoding="utf-8").strip()


def leaves_of(lab: Lab) -> list[bytes]:
    with closing(sqlite3.connect(lab.ledger / "ledger.db")) as connection:
        rows = connection.execute(
            "SELECT state FROM log_leaf JOIN stored_events USING (originator_id, originator_version) ORDER BY idx"
        ).fetchall()
    return [state for (state,) in rows]


def test_every_event_comes_byte_for_byte_and_all_of_it_verifies(hosts: tuple[Lab, Lab]) -> None:
    source, target = hosts

    done = target.run("import", str(source.ledger), "--vkey", vkey_of(source), "--json")

    jsonschema.validate(done.json, SCHEMA)
    carried = [found["data"] for _, _, topic, found in events_of(target) if "event_imported" in topic]
    assert ["".join(data["leaf"]).encode() for data in carried] == leaves_of(source)
    assert [data["index"] for data in carried] == list(range(len(carried)))
    verified = target.run("verify")
    assert verified.code == 0, verified.out + verified.err
    assert f"{len(carried)} events of {done.json['origin']} (import, " in verified.out


def test_every_checkpoint_of_the_source_is_kept(hosts: tuple[Lab, Lab]) -> None:
    source, target = hosts
    with closing(sqlite3.connect(source.ledger / "ledger.db")) as connection:
        notes = [note for (note,) in connection.execute("SELECT note FROM log_checkpoint ORDER BY size")]

    assert target.run("import", str(source.ledger), "--vkey", vkey_of(source)).code == 0

    kept = [found["data"].get("checkpoint") for *_, topic, found in events_of(target) if "event_imported" in topic]
    assert [lines for lines in kept if lines] == [
        [line for line in note.decode().split("\n") if line] for note in notes
    ]


def test_a_second_import_has_nothing_to_do_and_a_grown_source_brings_what_is_new(hosts: tuple[Lab, Lab]) -> None:
    source, target = hosts
    first = target.run("import", str(source.ledger), "--vkey", vkey_of(source), "--json").json

    again = target.run("import", str(source.ledger), "--vkey", vkey_of(source), "--json").json
    assert source.run("note", "0", "later").code == 0
    grown = target.run("import", str(source.ledger), "--vkey", vkey_of(source), "--json").json

    assert (again["imported"], "first_event" in again) == (0, False)
    assert (grown["first"], grown["tree_size"]) == (first["tree_size"], first["tree_size"] + 1)
    assert target.run("verify").code == 0


def test_the_history_goes_on_where_it_stands(hosts: tuple[Lab, Lab], lab: Lab) -> None:
    """The aggregate is whole in the receiving ledger: a change there starts from what was imported."""
    source, target = lab, hosts[1]
    assert target.run("import", str(source.ledger), "--vkey", vkey_of(source)).code == 0
    node = source.run("versions", "--json").json["node"]
    here = source.having(RELEASE_LEDGER=str(target.ledger), RELEASE_LEDGER_NODE=node)

    assert here.run("upgrade", "4.4.16", "--yes").code == 0

    assert here.run("verify").code == 0
    refused = target.run("import", str(source.ledger), "--vkey", vkey_of(source))
    assert refused.code == 0, refused.err  # nothing new, and so nothing in its way
    assert source.run("note", "0", "later").code == 0
    refused = target.run("import", str(source.ledger), "--vkey", vkey_of(source))
    assert (refused.code, "another history of 1 installation" in refused.err) == (2, True)


def test_personal_values_come_along(hosts: tuple[Lab, Lab]) -> None:
    source, target = hosts

    done = target.run("import", str(source.ledger), "--vkey", vkey_of(source), "--json").json

    def rows(lab: Lab) -> set[tuple[str, bytes, bytes]]:
        with closing(sqlite3.connect(lab.ledger / "ledger.db")) as connection:
            return set(connection.execute("SELECT commitment, salt, value FROM disclosure"))

    assert done["disclosed"] == len(rows(source)) > 0
    assert rows(source) <= rows(target)


def test_an_export_with_imports_carries_the_values_that_they_speak_of(hosts: tuple[Lab, Lab]) -> None:
    source, target = hosts
    assert target.run("import", str(source.ledger), "--vkey", vkey_of(source)).code == 0

    assert target.run("export", "-o", str(target.folder / "b.zip"), "--disclose", "--reason", "audit").code == 0

    vkey = vkey_of(target)
    verified = target.run("verify", str(target.folder / "b.zip"), "--vkey", vkey)
    assert verified.code == 0, verified.out + verified.err


def test_a_bundle_is_imported_under_a_key_that_the_importer_gives(hosts: tuple[Lab, Lab]) -> None:
    source, target = hosts
    bundle = str(source.folder / "b.zip")
    assert source.run("export", "-o", bundle).code == 0

    without = target.run("import", bundle)
    vkey = vkey_of(source)
    done = target.run("import", bundle, "--vkey", vkey)

    assert (without.code, "no key was given" in without.err) == (3, True)
    assert done.code == 0, done.err
    assert target.run("verify").code == 0
    policy = target.folder / "policy"
    own = vkey_of(target)
    policy.write_text(f"log {own}\nlog {vkey}\nquorum none\n", encoding="ascii")
    assert "under the key of the policy" in target.run("verify", "--policy", str(policy)).out


def test_a_key_that_lies_in_the_source_counts_for_nothing(hosts: tuple[Lab, Lab]) -> None:
    """evidence.md 6.1: nothing is trusted that comes with the record."""
    source, target = hosts
    (source.ledger / "policy").write_text(f"log {vkey_of(source)}\nquorum none\n", encoding="ascii")

    assert target.run("import", str(source.ledger)).code == 3
    inside = target.run("import", str(source.ledger), "--policy", str(source.ledger / "policy"))
    assert (inside.code, "lies inside what is verified" in inside.err) == (1, True)


def test_what_cannot_be_imported_is_refused_with_its_own_code(hosts: tuple[Lab, Lab], tmp_path: Path) -> None:
    source, target = hosts
    target.run("import", str(source.ledger), "--vkey", vkey_of(source))

    assert source.run("import", str(source.ledger), "--vkey", vkey_of(source)).code == 2
    assert source.run("import", str(target.ledger), "--vkey", vkey_of(target)).code == 2
    assert target.run("import", str(tmp_path / "nothing")).code == 1


def test_what_is_no_record_is_refused_before_it_is_looked_through(hosts: tuple[Lab, Lab], tmp_path: Path) -> None:
    """A link in it, or a folder that is nobody's to read, is then no sign of a record that was altered."""
    source, target = hosts
    place, package = tmp_path / "etc", tmp_path / "emqx.zip"
    (place / "closed").mkdir(parents=True)
    (place / "link").symlink_to("/etc/passwd")
    with zipfile.ZipFile(package, "w") as archive:
        archive.mkdir("emqx")
    before = events_of(target)

    done = [target.run("import", str(path)) for path in (place, package, source.folder, source.ledger / "log.vkey")]

    assert [(each.code, "there is no history to import at" in each.err) for each in done] == [(2, True)] * 4
    assert "it holds neither manifest.json nor checkpoint" in done[0].err
    assert "hint: name the folder of a ledger, or a bundle" in done[0].err
    assert events_of(target) == before
    assert target.run("verify", str(place)).code == 3


def test_a_source_that_was_altered_is_not_imported(hosts: tuple[Lab, Lab]) -> None:
    source, target = hosts
    with closing(sqlite3.connect(source.ledger / "ledger.db")) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(
            "UPDATE stored_events SET state = replace(state, 'registered', 'registereD') WHERE rowid = 1"
        )
        connection.commit()

    done = target.run("import", str(source.ledger), "--vkey", vkey_of(source))

    assert done.code == 6
    assert len(events_of(target)) == 1


def test_a_source_that_went_another_way_since_is_a_fork(hosts: tuple[Lab, Lab], tmp_path: Path) -> None:
    """Two trees under one name and key: one of them is not the history."""
    source, target = hosts
    twin = source.copied(tmp_path / "twin")
    assert source.run("note", "0", "one").code == 0
    assert target.run("import", str(source.ledger), "--vkey", vkey_of(source)).code == 0
    assert twin.run("note", "0", "two").code == 0
    before = len(events_of(target))

    done = target.run("import", str(twin.ledger), "--vkey", vkey_of(twin))

    assert (done.code, "another one than was imported before" in done.err) == (6, True)
    assert len(events_of(target)) == before


@pytest.mark.parametrize("commits", [0, 1, 2])
def test_an_import_that_is_killed_goes_on_when_it_is_run_again(hosts: tuple[Lab, Lab], commits: int) -> None:
    source, target = hosts
    command = [sys.executable, "-c", DYING, str(commits), "import", str(source.ledger), "--vkey", vkey_of(source)]
    died = subprocess.run(command, env=target.variables, cwd=PROJECT, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    partly = target.run("verify")

    done = target.run("import", str(source.ledger), "--vkey", vkey_of(source))

    assert partly.code == 0, partly.out
    assert ("is not finished" in partly.out) is (commits > 0)
    assert done.code == 0, done.err
    topics = [topic for _, _, topic, _ in events_of(target)]
    assert topics.count("emqx.ledger.ledger_imported.v1") == 1
    assert sum("event_imported" in topic for topic in topics) == len(leaves_of(source))
    assert target.run("verify").code == 0


def test_another_writer_in_between_is_no_obstacle(hosts: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream of the ledger is shared: who is quicker wins, and the import looks anew."""
    source, target = hosts
    assert source.run("note", "last", "x").code == 0
    assert target.run("export", "-o", str(target.folder / "b.zip")).code == 0
    monkeypatch.setattr(importing, "BATCH", 2)
    real, waiting = note_lines, [str(target.folder / "c.zip")]

    def slow(note: bytes) -> tuple[str, ...]:
        if waiting:
            assert target.run("export", "-o", waiting.pop()).code == 0
        return real(note)

    monkeypatch.setattr("ledger.application.importing.note_lines", slow)

    done = target.run("import", str(source.ledger), "--vkey", vkey_of(source))

    assert (done.code, waiting) == (0, []), done.err
    assert target.run("verify").code == 0


def test_an_empty_source_is_not_the_current_folder(hosts: tuple[Lab, Lab]) -> None:
    _, target = hosts

    refused = target.run("import", "", "--vkey", vkey_of(target))

    assert refused.code == 1
    assert "there is nothing to import" in refused.err
