"""``release-ledger export``, and proofs in ``show`` and ``log`` (PRODUCT section 4, RULINGS 6 and 30)."""

import csv
import json
import shutil
import subprocess
from io import StringIO
from pathlib import Path

import jsonschema
import pytest

from ledger.adapters.signatures import verifier
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.proof import TlogProof, check_entry
from ledger.tlog.vkey import Vkey
from projections.read import open_ledger, read_events
from tests.cli.lab import Lab, make_lab
from tests.cli.schemas import ATTEMPT, EVENT

from .exports import UNDECIDED, VERIFIED, run_go, run_shell

EVENTS = 6


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return a host whose ledger has one upgrade."""
    lab = make_lab(tmp_path_factory.mktemp("host") / "host")
    lab.init()
    lab.offer("4.4.1")
    lab.run("upgrade", "4.4.1", "--reason", "=1+1", "--ticket", "CHG-1042")
    return lab


@pytest.fixture
def lab(host: Lab, tmp_path: Path) -> Lab:
    """Return a copy of that host."""
    shutil.copytree(host.folder, tmp_path / "host", symlinks=True)
    return Lab(tmp_path / "host")


def vkey_of(lab: Lab) -> Vkey:
    return Vkey.parse((lab.ledger / "log.vkey").read_text().strip())


def manifest_of(bundle: Path) -> dict[str, object]:
    manifest: dict[str, object] = json.loads((bundle / "manifest.json").read_bytes())
    return manifest


def test_an_export_is_verified_by_others_and_is_itself_an_event(lab: Lab, go_program: Path) -> None:
    """evidence.md 6.3: the event carries the manifest's digest and is appended after the export."""
    bundle = lab.folder / "bundle"

    exported = lab.run("export", "-o", str(bundle), "--reason", "audit")
    recorded = json.loads(lab.run("log", "--json", "-n", "1").out)

    assert (exported.code, exported.out) == (0, f"Exported {EVENTS} of {EVENTS} events: {bundle}\n")
    assert run_go(go_program, vkey_of(lab), bundle).code == VERIFIED
    jsonschema.validate(recorded, EVENT)
    assert (recorded["index"], recorded["stream"]) == (EVENTS, "ledger")
    assert recorded["topic"] == "emqx.ledger.evidence_exported.v1"
    assert recorded["reason"] == "audit"
    assert "node" not in recorded
    digest = subprocess.run(["sha256sum", str(bundle / "manifest.json")], capture_output=True, check=True).stdout[:64]
    assert recorded["data"] == {
        "form": "whole",
        "tree_size": EVENTS,
        "entries": EVENTS,
        "disclosed": 0,
        "manifest_sha256": digest.decode(),
    }


@pytest.mark.usefixtures("shell")
def test_the_next_export_continues_the_one_before(lab: Lab) -> None:
    for number in range(2):
        assert lab.run("export", "-o", str(lab.folder / f"{number}")).code == 0

    assert manifest_of(lab.folder / "1")["tree_size"] == EVENTS + 1
    assert run_shell(lab.folder / "1", str(vkey_of(lab))).code == VERIFIED
    assert lab.run("verify").code == 0
    assert lab.run("versions").code == 0
    assert "evidence exported" in lab.run("show", "last").out


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(
    ("choice", "entries", "filters"),
    [
        (("--event", "2", "--event", "last"), 2, ["event=2", "event=5"]),
        (("--ticket", "CHG-1042"), 5, ["ticket=CHG-1042"]),
        (("--type", "installed", "--type", "unpacked", "-n", "1"), 1, ["limit=1", "types=installed", "types=unpacked"]),
        (("--sample", "2", "--seed", "x"), 2, ["sample=2", "seed=x"]),
        (
            ("--sample", "2", "--seed", "x", "--since", "2", "--until", "4"),
            2,
            ["since=2", "until=4", "sample=2", "seed=x"],
        ),
    ],
)
def test_what_is_chosen_goes_into_a_sample(choice: tuple[str, ...], entries: int, filters: list[str], lab: Lab) -> None:
    exported = lab.run("export", "-o", str(lab.folder / "bundle"), *choice, "--json").json
    manifest = manifest_of(lab.folder / "bundle")

    assert (exported["form"], exported["entries"], exported["tree_size"]) == ("sample", entries, EVENTS)
    assert (manifest["filter"], manifest["entries"]) == (filters, entries)
    assert run_shell(lab.folder / "bundle", str(vkey_of(lab))).code == VERIFIED
    assert lab.run("verify", str(lab.folder / "bundle"), "--vkey", str(vkey_of(lab))).code == 0
    assert not (lab.folder / "bundle/views/versions.json").exists()


def test_a_sample_without_a_seed_names_the_one_it_took(lab: Lab) -> None:
    lab.run("export", "-o", str(lab.folder / "one"), "--sample", "3")
    drawn = manifest_of(lab.folder / "one")["filter"]
    assert isinstance(drawn, list)

    lab.run(
        "export",
        "-o",
        str(lab.folder / "two"),
        "--sample",
        "3",
        "--seed",
        drawn[1].removeprefix("seed="),
        "--until",
        "5",
    )

    chosen = [{path.name for path in (lab.folder / name / "entries").iterdir()} for name in ("one", "two")]
    assert chosen[0] == chosen[1]


def test_the_views_are_derived_and_no_cell_is_a_formula(lab: Lab) -> None:
    """evidence.md 6.3: a cell that begins with = gets a quote mark in front."""
    lab.run("export", "-o", str(lab.folder / "bundle"))

    rows = list(csv.DictReader(StringIO((lab.folder / "bundle/views/timeline.csv").read_text())))
    versions = json.loads((lab.folder / "bundle/views/versions.json").read_bytes())
    files = manifest_of(lab.folder / "bundle")["files"]

    assert [row["index"] for row in rows] == [str(index) for index in range(EVENTS)]
    assert {row["reason"] for row in rows} == {"", "'=1+1"}
    assert versions["nodes"][0]["releases"][0] == {"vsn": "4.4.1", "status": "permanent"}
    assert isinstance(files, list)
    assert {row["path"] for row in files if row.get("derived")} == {
        "views/timeline.csv",
        "views/controls.csv",
        "views/versions.json",
    }


def test_somebody_who_may_not_write_exports_too_and_says_so(lab: Lab) -> None:
    """RULINGS 30; here a copy of the ledger without its key, as an auditor may have."""
    (lab.ledger / "log.key").unlink()

    exported = lab.run("export", "-o", str(lab.folder / "bundle"), "--json")

    assert exported.code == 0
    assert "not recorded" in exported.err
    assert exported.json["export_recorded"] is False
    assert "event" not in exported.json
    assert manifest_of(lab.folder / "bundle")["export_recorded"] is False
    assert json.loads(lab.run("log", "--json", "-n", "1").out)["index"] == EVENTS - 1


def test_an_export_that_cannot_be_recorded_is_taken_back(lab: Lab) -> None:
    """evidence.md 5.4: a database behind its guard is a rollback, and is not appended to."""
    kept = lab.folder / "kept"
    shutil.copytree(lab.ledger, kept)
    lab.run("export", "-o", str(lab.folder / "one"))
    shutil.rmtree(lab.ledger)
    shutil.move(kept, lab.ledger)

    refused = lab.run("export", "-o", str(lab.folder / "two"))

    assert refused.code == 6
    assert not (lab.folder / "two").exists()


def test_a_guard_that_a_crash_left_behind_catches_up_and_that_is_said(lab: Lab) -> None:
    """evidence.md 5.4, third row."""
    tip = lab.folder / "ledger.tip/tip"
    before = tip.read_bytes()
    lab.run("export", "-o", str(lab.folder / "one"))
    tip.write_bytes(before)

    exported = lab.run("export", "-o", str(lab.folder / "two"))

    assert exported.code == 0
    assert "the tip guard has now caught up" in exported.err
    assert lab.run("verify").code == 0


def test_personal_values_stay_at_home_unless_they_are_asked_for(lab: Lab) -> None:
    with open_ledger(lab.ledger) as ledger:
        values = [bytes(value) for (value,) in ledger.execute("SELECT value FROM disclosure")]

    lab.run("export", "-o", str(lab.folder / "closed"))
    told = lab.run("export", "-o", str(lab.folder / "opened"), "--disclose", "--json").json

    rows = json.loads((lab.folder / "opened/disclosures.json").read_bytes())
    assert {row["json"].encode() for row in rows} >= set(values)
    assert told["disclosed"] == len(rows) > 0
    assert not (lab.folder / "closed/disclosures.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-o", "x", "--event", "1", "--sample", "1"),
        ("-o", "x", "--event", "1", "--failed"),
        ("-o", "x", "--seed", "1"),
        ("-o", "x", "--sample", "0"),
        ("-o", "x", "--event", "99"),
        ("-o", "x", "--ticket", "nobody's"),
        ("-o", "missing/x"),
        ("--format", "csv", "--disclose"),
        ("--format", "jsonl", "--event", "1"),
        ("-o", "/", "--format", "csv"),
    ],
)
def test_an_export_that_cannot_be_meant_is_refused_and_not_recorded(arguments: tuple[str, ...], host: Lab) -> None:
    result = host.run("export", *arguments)

    assert result.code == 1
    assert "hint:" in result.err
    assert len(host.run("log", "--json").out.splitlines()) == EVENTS


def test_events_alone_are_listed_from_the_oldest_on_and_not_recorded(lab: Lab) -> None:
    rows = [json.loads(line) for line in lab.run("export", "--format", "jsonl").out.splitlines()]
    as_csv = lab.run("export", "--format", "csv", "--type", "installed").out
    lab.run("export", "--format", "csv", "-o", str(lab.folder / "list.csv"), "--type", "installed")

    assert [row["index"] for row in rows] == list(range(EVENTS))
    jsonschema.validate(rows[0], EVENT)
    assert [row["words"] for row in csv.DictReader(StringIO(as_csv))] == ["installed 4.4.1 over 4.4.0"]
    assert (lab.folder / "list.csv").read_bytes().decode() == as_csv
    assert len(lab.run("log", "--json").out.splitlines()) == EVENTS


def test_a_proof_shows_that_an_event_stands_in_the_signed_tree(host: Lab) -> None:
    shown = host.run("show", "3", "--json", "--proof").json
    listed = [json.loads(line) for line in host.run("log", "--json", "--proof").out.splitlines()]
    with open_ledger(host.ledger) as ledger:
        leaves = [stored.state for stored in read_events(ledger)]

    jsonschema.validate(shown, ATTEMPT)
    assert len(listed) == EVENTS
    for event in (*shown["record"], *listed):
        proof = TlogProof.parse(event["proof"].encode())
        checkpoint = open_checkpoint(proof.note, logs=(verifier(vkey_of(host)),)).checkpoint
        assert proof.index == event["index"]
        check_entry(proof, leaf=leaves[proof.index], checkpoint=checkpoint)
        check_entry(proof, leaf=event["leaf"].encode(), checkpoint=checkpoint)
    assert not any('"leaf":' in host.run(*words, "--json").out for words in (("show", "3"), ("log",)))


def test_a_proof_for_people_stands_below_its_event(host: Lab) -> None:
    attempt, event = host.run("show", "3", "--proof").out, host.run("show", "0", "--proof").out

    assert "proof that event 3 stands in the signed tree:\n\nc2sp.org/tlog-proof@v1\nindex 3\n" in attempt
    assert TlogProof.parse(event.partition("tree:\n\n")[2].encode()).index == 0


def test_a_list_for_people_has_no_proofs(host: Lab) -> None:
    assert host.run("log", "--proof").code == 1


@pytest.mark.usefixtures("shell")
def test_a_stranger_can_follow_the_page_with_common_tools(lab: Lab) -> None:
    """The commands of VERIFY.md, as they stand there."""
    bundle = lab.folder / "bundle"
    lab.run("export", "-o", str(bundle), "--event", "4", "--disclose")
    (row, *_) = json.loads((bundle / "disclosures.json").read_bytes())
    vkey = str(vkey_of(lab))
    name, _, key = vkey.split("+", 2)
    page = (bundle / "VERIFY.md").read_text()
    commands = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]

    def run(command: str) -> str:
        filled = command.replace("NAME+ID+KEY", vkey).replace("NAME", name.replace("/", r"\/")).replace("KEY", key)
        filled = filled.replace("N.json", "4.json").replace("SALT", row["salt"]).replace("JSON", row["json"])
        done = subprocess.run(["sh", "-ec", filled], cwd=bundle, capture_output=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout.decode()

    answers = {command: run(command) for command in commands if not command.startswith("release-ledger")}

    texts = list(answers.values())
    assert any("verdict: verified" in text for text in texts)
    assert any("Signature Verified Successfully" in text for text in texts)
    assert any(row["commitment"] in text for text in texts)
    assert run_shell(bundle, "").code == UNDECIDED
