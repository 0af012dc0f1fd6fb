"""``check``, ``diff``, ``replay``, ``note``, ``packages``, ``versions --live``; moving and leaving."""

import fcntl
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ledger.adapters.ledger_folder import create_folder
from ledger.adapters.lock import INSTALLATION_LOCK
from tests.cli.lab import Lab, Result
from tests.cli.schemas import FOLDER, schema_of


@pytest.fixture
def trial(lab: Lab) -> Lab:
    """Return a host with a trial of 4.4.16, by a ticket."""
    lab.run("upgrade", "4.4.16", "--no-permanent", "--reason", "CVE fix", "--ticket", "CHG-1042")
    return lab


def points(answer: Result) -> dict[str, dict[str, str]]:
    """Return the points of ``check --json`` by their names."""
    return {point["point"]: point for point in answer.json["points"]}


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (("check",), "check"),
        (("diff", "0", "last"), "diff"),
        (("replay",), "replay"),
        (("replay", "--live"), "replay"),
        (("packages",), "package"),
        (("note", "1", "seen"), "note"),
        (("note", "1", "seen", "--corrects"), "note"),
        (("versions", "--live"), "versions"),
        (("show", "1"), "attempt_in_full"),
        (("show", "0"), "event"),
        (("log",), "event"),
        (("root_dir",), "root_dir"),
        (("verify",), "verify"),
        (("witness", "list"), "holders"),
        (("unregister",), "unregistered"),
        (("upgrade", "4.4.16", "--dry-run"), "attempt"),
        (("recover",), "recovery"),
        (("init",), "registration"),
    ],
)
def test_each_line_of_json_follows_its_published_schema(trial: Lab, arguments: tuple[str, ...], schema: str) -> None:
    given = ("--root", str(trial.root)) if arguments[0] == "init" else ()
    answer = trial.run(*arguments, *given, "--json")

    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert lines, answer.err
    for line in lines:
        Draft202012Validator(schema_of(schema)).validate(line)


def test_each_step_of_a_replay_follows_its_schema(trial: Lab) -> None:
    *steps, end = map(json.loads, trial.run("replay", "--step", "--json").out.splitlines())

    for step in steps:
        Draft202012Validator(schema_of("state")).validate(step)
    Draft202012Validator(schema_of("replay")).validate(end)
    assert [step["index"] for step in steps] == [0, 1, 2, 3, 4]
    assert steps[3]["running"] == "4.4.16"


def test_an_export_and_a_move_follow_their_schemas(trial: Lab) -> None:
    Draft202012Validator(schema_of("export")).validate(
        trial.run("export", "-o", str(trial.folder / "out"), "--json").json
    )
    moved = trial.folder / "moved"
    trial.root.rename(moved)
    answer = trial.run("register", "--root", str(moved), "--continues", node_of(trial), "--json")
    Draft202012Validator(schema_of("moved")).validate(answer.json)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_published_schema_is_one_and_names_itself(path: Path) -> None:
    schema = schema_of(path.stem)

    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["schema"] == {"const": schema["title"]}
    assert schema["title"] == f"release-ledger/{path.stem}/1"
    assert f"]({path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


def node_of(lab: Lab) -> str:
    """Return the name of the node."""
    name: str = lab.run("versions", "--json").json["node"]
    return name


def test_check_is_content_on_a_fresh_host(lab: Lab) -> None:
    answer = lab.run("check", "--json")

    told = points(answer)
    assert answer.code == 0
    assert told["restart"]["value"] == "boots 4.4.0; nothing changes"
    assert told["scripts"]["value"] == "of 4.4.0"
    assert told["tip guard"]["value"] == "holds all 1 events"
    assert told["held outside"]["verdict"] == "warn"
    assert told["setting driver"]["value"] == "embedded (RELEASE_LEDGER_DRIVER)"


def test_check_says_which_trial_a_restart_would_lose(trial: Lab) -> None:
    restart = points(trial.run("check", "--json"))["restart"]

    assert restart["verdict"] == "warn"
    assert restart["value"] == "boots 4.4.0; lost: the trial of 4.4.16; then: 4.4.16 unpacked, 4.4.0 permanent"


def test_a_trial_says_at_once_what_a_restart_would_lose(lab: Lab) -> None:
    err = lab.run("upgrade", "4.4.16", "--no-permanent", "-v").err

    assert "a restart now boots 4.4.0; lost: the trial of 4.4.16" in err


def test_check_finds_boot_files_that_disagree(lab: Lab) -> None:
    lab.run("upgrade", "4.4.16")
    (lab.root / "releases/start_erl.data").write_text("12.1.5 4.4.0")

    answer = lab.run("check", "--json")

    told = points(answer)
    assert answer.code == 7
    assert (told["start_erl.data"]["verdict"], told["boot files"]["verdict"]) == ("differs", "fault")
    assert "recover" in told["boot files"]["hint"]


def test_check_leaves_a_node_alone_while_another_command_holds_it(lab: Lab) -> None:
    with (lab.root / INSTALLATION_LOCK).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = lab.run("check", "--json")

    told = points(answer)
    assert (answer.code, told["lock"]["verdict"], told["node"]["verdict"]) == (0, "warn", "warn")


def test_check_answers_when_the_root_is_gone(lab: Lab) -> None:
    lab.root.rename(lab.folder / "away")

    answer = lab.run("check", "--json")

    assert (answer.code, points(answer)["disk"]["verdict"]) == (7, "fault")


def test_a_ledger_without_an_event_has_nothing_to_check(bare: Lab) -> None:
    """So it is left where `init` was killed, or refused by the installation, after the ledger was made."""
    create_folder(bare.ledger, origin="example.com/empty")

    answers = [bare.run(*line) for line in (("check",), ("check", "--record"), ("versions",))]

    assert [answer.code for answer in answers] == [1, 1, 1]
    assert all(answer.err.startswith("error: no installation is registered in this ledger\n") for answer in answers)


def test_check_knows_the_scripts_that_wipe_releases(lab: Lab) -> None:
    """otp.md 6.3: from 4.4.2 to 4.4.14."""
    script = lab.root / "bin/install_upgrade.escript"
    script.write_text("the script of 4.4.7")
    shutil.copy(script, lab.root / "bin/install_upgrade.escript-4.4.7")

    scripts = points(lab.run("check", "--json"))["scripts"]

    assert scripts["verdict"] == "warn"
    assert "wipes RELEASES" in scripts["value"]


def test_check_finds_a_ledger_that_lost_its_tail(trial: Lab) -> None:
    shutil.copytree(trial.ledger, trial.folder / "older")
    trial.run("permanent", "4.4.16")
    shutil.rmtree(trial.ledger)
    (trial.folder / "older").rename(trial.ledger)

    guard = points(trial.run("check", "--json"))["tip guard"]

    assert (guard["verdict"], guard["value"]) == ("fault", "holds 8 of 5 events")


def test_check_says_that_there_was_nothing_to_record(lab: Lab) -> None:
    answer = lab.run("check", "--record")

    assert answer.out.endswith("Recorded: nothing, for nothing happened outside the ledger\n")
    assert lab.run("log", "--json").out.count("\n") == 1


def test_versions_live_keeps_the_words_and_tells_the_difference(trial: Lab) -> None:
    (trial.root / "data/embedded_node.json").unlink()

    answer = trial.run("versions", "--live")

    assert (answer.code, answer.out) == (7, "Installed versions:\n* 4.4.16\tcurrent\n* 4.4.0\tpermanent\n")
    assert "which undid the trial of 4.4.16" in answer.err
    as_json = trial.run("versions", "--live", "--json")
    assert "which undid the trial of 4.4.16" in as_json.json["live"]["differences"][0]
    assert as_json.err == ""
    assert trial.run("versions", "--live", "--at", "1").code == 1


def test_a_note_shows_wherever_its_event_shows(trial: Lab) -> None:
    trial.run("note", "1", "the pager was silent\n\nand so was the chat")
    trial.run("note", "1", "it was CHG-7", "--corrects")

    told = ("note: the pager was silent / and so was the chat (event 5,", "correction: it was CHG-7 (event 6,")
    for shown in (trial.run("show", "3").out, trial.run("log").out, trial.run("log", "--oneline").out):
        assert all(text in shown for text in told)
    notes = json.loads(trial.run("log", "--json", "--since", "1", "--until", "1").out)["notes"]
    assert [(note["index"], note["kind"]) for note in notes] == [(5, "note"), (6, "correction")]
    correction = trial.run("show", "6", "--json").json
    assert correction["corrects"] == correction["data"]["event_id"]


def test_a_note_changes_no_table_and_the_history_stays_sound(trial: Lab) -> None:
    before = trial.run("versions").out

    assert trial.run("note", "last", "seen").out == "Noted: event 4, by event 5\n"
    assert trial.run("versions").out == before
    assert trial.run("verify").code == 0


def test_events_of_the_ledger_can_be_noted_too(trial: Lab) -> None:
    trial.run("export", "-o", str(trial.folder / "out"))

    assert trial.run("note", "last", "sent to the auditor").code == 0
    assert "note: sent to the auditor" in trial.run("show", "5").out
    assert trial.run("verify").code == 0


@pytest.mark.parametrize(("text", "code"), [("", 1), (" \n ", 1), ("\x1b[31mred", 1), ("\u202eevil", 1), ("fine", 0)])
def test_a_note_is_plain_text(trial: Lab, text: str, code: int) -> None:
    assert trial.run("note", "1", text).code == code


def test_diff_of_the_same_moment_finds_nothing(trial: Lab) -> None:
    answer = trial.run("diff", "3", "3")

    assert (answer.code, answer.out.splitlines()[-1]) == (0, "No difference.")


def test_diff_finds_an_attempt_that_left_the_table_as_it_was(trial: Lab) -> None:
    trial.run("upgrade", "4.4.9")

    answer = trial.run("diff", "4", "last", "--json").json

    assert (answer["changes"], [event["type"] for event in answer["events"]]) == ([], ["operation_refused"])


def test_diff_compares_two_ledgers(trial: Lab) -> None:
    other = trial.folder / "copy"
    shutil.copytree(trial.ledger, other)
    assert trial.run("diff", str(trial.ledger), str(other)).code == 0
    trial.run("permanent", "4.4.16")

    answer = trial.run("diff", str(other), str(trial.ledger), "--json")

    assert (answer.code, [event["only_in"] for event in answer.json["events"]]) == (7, ["b"])
    assert {change["what"]: change["b"] for change in answer.json["changes"]}["boots next"] == "4.4.16"


def test_diff_compares_two_nodes(bare: Lab) -> None:
    bare.init("--node", "emqx@10.0.0.7")
    second = bare.folder / "second"
    shutil.copytree(bare.root, second, symlinks=True)
    bare.run("register", "--root", str(second), "--node", "emqx@10.0.0.8")
    assert bare.run("diff", "emqx@10.0.0.7", "emqx@10.0.0.8").code == 0
    bare.offer("4.4.16")
    bare.run("upgrade", "4.4.16", "--node", "emqx@10.0.0.7")

    answer = bare.run("diff", "emqx@10.0.0.7", "emqx@10.0.0.8")

    assert answer.code == 7
    assert "\tboots next\t4.4.16\t4.4.0\n" in answer.out
    assert "only in A: event " in answer.out
    assert bare.run("diff", "emqx@10.0.0.7", "last").code == 1


def test_replay_finds_a_view_that_was_tampered_with(trial: Lab) -> None:
    with closing(sqlite3.connect(trial.ledger / "views.db", isolation_level=None)) as views:
        views.execute("UPDATE state SET rows = replace(rows, 'current', 'permanent')")

    answer = trial.run("replay", "--json")

    assert trial.run("versions").code == 0
    assert answer.code == 7
    assert answer.json["differences"][0].startswith("view at event 3: 4.4.16 permanent")


@pytest.mark.parametrize("change", ["versions SET status = 'old'", "node SET root = '/elsewhere'"])
def test_replay_finds_the_table_of_the_shortest_answers_tampered_with(trial: Lab, change: str) -> None:
    """`versions` and `root_dir` on a pipe read tables of their own: they are part of the stored view."""
    with closing(sqlite3.connect(trial.ledger / "views.db", isolation_level=None)) as views:
        views.execute(f"UPDATE {change}")

    answer = trial.run("replay", "--json")

    assert answer.code == 7
    assert answer.json["differences"][0].startswith("short table at event ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE history SET actor = 'os:9' WHERE idx = 2", "line of event 2: actor os:9, the events say: os:"),
        ("DELETE FROM history WHERE idx = 2", "no line for event 2; the events say: unpacked 4.4.16"),
    ],
)
def test_replay_finds_a_line_of_the_log_tampered_with(trial: Lab, change: str, told: str) -> None:
    """What `log` prints is part of the stored view; the other lines are as they were."""
    with closing(sqlite3.connect(trial.ledger / "views.db", isolation_level=None)) as views:
        views.execute(change)

    answer = trial.run("replay", "--json")

    assert answer.code == 7
    (difference,) = answer.json["differences"]
    assert difference.startswith(told)


def test_packages_tells_of_each_file_whether_it_may_go(trial: Lab) -> None:
    shutil.copy2(next(trial.packages.glob("emqx-4.5.0-*")), trial.root / "releases")
    (trial.root / "releases/emqx-4.4.1-otp24.zip").write_bytes(b"PK")

    offers = {line["file"]: line for line in map(json.loads, trial.run("packages", "--json").out.splitlines())}

    by_vsn = {offer.get("vsn"): offer for offer in offers.values()}
    assert by_vsn["4.4.16"]["reasons"] == ["it runs already"]
    assert by_vsn["4.4.1"]["may_go"], by_vsn["4.4.1"]
    assert by_vsn["4.4.1"]["way_back"] == "upgrade 4.4.16"
    assert any(reason.startswith("minor:") for reason in by_vsn["4.5.0"]["reasons"])
    assert not by_vsn[None]["may_go"]
    assert all(len(offer["sha256"]) == 64 for offer in offers.values())


@pytest.mark.parametrize("command", [("versions", "--live"), ("replay", "--live"), ("packages",), ("upgrade", "4.4.1")])
def test_of_a_moved_installation_every_look_says_how_it_goes_on(trial: Lab, command: tuple[str, ...]) -> None:
    trial.root.rename(trial.folder / "moved")

    answer = trial.run(*command)

    assert answer.code == 1
    assert "is not an EMQX installation" in answer.err
    assert "`release-ledger register --root NEW --continues NODE`" in answer.err


def test_a_moved_installation_goes_on_in_its_history(trial: Lab) -> None:
    name, moved = node_of(trial), trial.folder / "moved"
    trial.root.rename(moved)

    answer = trial.run("register", "--root", str(moved), "--continues", name, "--node", "emqx@10.0.0.9")

    assert answer.out == f"Installation: {moved}\nNode: emqx@10.0.0.9 (event 5); its history goes on\n"
    assert trial.run("root_dir", "--raw").out == f"{moved}\n"
    types = [json.loads(line)["type"] for line in trial.run("log", "--json", "--since", "5").out.splitlines()]
    assert types == ["node_restarted", "installation_moved"]
    assert trial.run("upgrade", "4.4.1").code == 0
    assert trial.run("versions", "--at", "4", "--json").json["node"] == name
    assert trial.run("verify").code == 0
    again = trial.run("register", "--root", str(moved), "--continues", "emqx@10.0.0.9", "--node", "emqx@10.0.0.9")
    assert "there already" in again.out
    assert trial.run("log", "--oneline", "--node", name).out.splitlines()[-1].startswith("0 ")
    assert trial.run("report", "--node", name, "-o", str(trial.folder / "former.html")).code == 0


def test_a_move_takes_no_name_and_no_root_of_another(bare: Lab) -> None:
    bare.init("--node", "emqx@10.0.0.7")
    second = bare.folder / "second"
    shutil.copytree(bare.root, second, symlinks=True)
    bare.run("register", "--root", str(second), "--node", "emqx@10.0.0.8")

    answer = bare.run("register", "--root", str(second), "--continues", "emqx@10.0.0.7", "--node", "emqx@10.0.0.9")

    assert (answer.code, "belongs to another installation" in answer.err) == (1, True)
    stated = bare.run("register", "--root", str(second), "--continues", "emqx@10.0.0.7", "--os", "debian11")
    assert stated.code == 1


def test_an_unregistered_installation_keeps_its_history(trial: Lab) -> None:
    name = node_of(trial)
    assert trial.run("unregister", "--reason", "retired").code == 0
    assert trial.run("log", "--oneline", "--node", name).code == 0
    assert trial.run("log", "--node", "emqx@10.9.9.9").code == 1

    assert trial.run("versions").code == trial.run("upgrade", "4.4.1").code == 1
    assert trial.run("versions", "--at", "4").code == 0
    assert trial.run("log", "-n", "1", "--oneline").out.count("left the ledger") == 1
    assert trial.run("replay").code == 1
    assert trial.run("init", "--root", str(trial.root)).code == 0
    assert trial.rows() == {"4.4.16": "current", "4.4.0": "permanent"}
    assert trial.run("verify").code == trial.run("replay").code == 0


def test_a_ledger_of_a_group_is_readable_for_it(trial: Lab) -> None:
    """Folder 0750, files 0640; the key stays with its owner."""
    import grp  # noqa: PLC0415 # one test asks for a group

    group = grp.getgrgid(os.getgid()).gr_name
    config = trial.ledger / "config.toml"
    config.write_text(f'group = "{group}"\n')
    assert points(trial.run("check", "--json"))["group"]["verdict"] == "warn"

    trial.run("init", "--root", str(trial.root))
    (trial.ledger / "views.db").unlink()
    trial.run("versions")

    modes = {path.name: path.stat().st_mode & 0o777 for path in trial.ledger.iterdir()}
    assert trial.ledger.stat().st_mode & 0o7777 == 0o2750
    assert (modes["ledger.db"], modes["views.db"], modes["config.toml"], modes["log.key"]) == (
        0o640,
        0o640,
        0o640,
        0o600,
    )
    assert points(trial.run("check", "--json"))["group"]["verdict"] == "ok"
    assert trial.run("upgrade", "4.4.1").code == 2
    config.write_text('group = "no-such-group"\n')
    assert trial.run("init", "--root", str(trial.root)).code == 1


def test_what_a_link_in_the_ledger_leads_to_is_not_given_to_the_group(trial: Lab, tmp_path: Path) -> None:
    """Root may run it, on the ledger of a user with a group of that user's choice."""
    import grp  # noqa: PLC0415 # one test more asks for a group

    (trial.ledger / "config.toml").write_text(f'group = "{grp.getgrgid(os.getgid()).gr_name}"\n')
    linked, named = tmp_path / "linked", tmp_path / "named"
    (trial.ledger / "log.vkey").rename(linked)
    (trial.ledger / "log.vkey").symlink_to(linked)
    (trial.ledger / "views.db").unlink()
    named.touch()
    (trial.ledger / "views.db").hardlink_to(named)
    for secret in (linked, named):
        secret.chmod(0o600)

    assert trial.run("init", "--root", str(trial.root)).code == 0

    assert [secret.stat().st_mode & 0o777 for secret in (linked, named)] == [0o600, 0o600]


def test_show_tells_each_check_with_its_fact_and_the_place_in_the_log(trial: Lab) -> None:
    text = trial.run("show", "3").out

    assert "  checks\n    passed version: 4.4.0 to 4.4.16\n" in text
    assert "    passed edition: installation emqx, package emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip\n" in text
    assert "  place   in the tree of 5 events, root " in text
    assert "    leaf 3: " in text
    refused = trial.run("upgrade", "4.5.0")
    assert (refused.code, "    refused package: there is no package of 4.5.0" in trial.run("show", "last").out) == (
        2,
        True,
    )
