"""``versions``, ``log`` and ``show``: from the ledger alone, then and now, for people and machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ledger.domain.event_codec import TOPICS
from projections.history import WORDS
from tests.cli.lab import STATED, Lab
from tests.cli.schemas import ATTEMPT, EVENT, REGISTRATION, ROOT_DIR, VERSIONS

HEAVY = ("eventsourcing", "rich", "cryptography", "pydantic")


@pytest.fixture
def used(lab: Lab) -> Lab:
    """Return a host with a history: an upgrade, a refusal, a trial that a restart undid."""
    lab.run("upgrade", "4.4.1", "--reason", "CVE fix", "--ticket", "CHG-1042")
    lab.run("upgrade", "4.4.9", "--ticket", "CHG-1043")
    lab.run("upgrade", "4.4.16", "--no-permanent")
    lab.run("restart")
    return lab


def events_of(lab: Lab, *filters: str) -> list[dict[str, object]]:
    """Return what ``log --json`` gives."""
    return [json.loads(line) for line in lab.run("log", "--json", *filters).out.splitlines()]


def test_the_table_is_answered_as_it_was_then(used: Lab) -> None:
    then = used.run("versions", "--at", "3", "-v")

    assert then.out == "Installed versions:\n* 4.4.1\tcurrent\n* 4.4.0\tpermanent\n"
    assert "as of event 3" in then.err


def test_the_table_is_answered_while_the_root_is_away(used: Lab) -> None:
    """RULINGS 24."""
    used.root.rename(used.folder / "away")

    assert used.run("versions").code == used.run("root_dir").code == 0


def test_the_table_of_several_nodes_names_the_node_of_each_row(bare: Lab) -> None:
    bare.init("--node", "emqx@10.0.0.7")
    other = bare.folder / "other"
    bare.root.rename(other)
    bare.run("register", "--root", str(other), "--node", "emqx@10.0.0.8")

    answer = bare.run("versions")

    assert answer.out == (
        "Installed versions:\n"
        "* 4.4.0\tpermanent\temqx@10.0.0.7 (rehearsal)\n"
        "* 4.4.0\tpermanent\temqx@10.0.0.8 (rehearsal)\n"
    )
    assert bare.run("versions", "--node", "emqx@10.0.0.8").out == "Installed versions:\n* 4.4.0\tpermanent\n"
    assert bare.run("upgrade", "4.4.16").code == bare.run("root_dir").code == 1
    assert bare.having(RELEASE_LEDGER_NODE="emqx@10.0.0.8").run("root_dir").out == f'"{other}"\n'


def test_versions_json_follows_its_schema(used: Lab) -> None:
    answer = used.run("versions", "--json").json

    Draft202012Validator(VERSIONS).validate(answer)
    assert answer["releases"] == [
        {"vsn": "4.4.16", "status": "unpacked"},
        {"vsn": "4.4.1", "status": "permanent"},
        {"vsn": "4.4.0", "status": "old"},
    ]
    assert (answer["running"], answer["boots_next"]) == ("4.4.1", "4.4.1")


def test_versions_json_names_the_open_attempt_and_the_size_of_the_log(used: Lab) -> None:
    assert used.run("versions", "--json", "--at", "1").json["open_attempt"]
    assert used.run("versions", "--json", "--at", "1").json["as_of"]["tree_size"] == 2


def test_root_dir_json_follows_its_schema(used: Lab) -> None:
    answer = used.run("root_dir", "--json").json

    Draft202012Validator(ROOT_DIR).validate(answer)
    assert answer["root_dir"] == str(used.root)


def test_registration_json_follows_its_schema(bare: Lab) -> None:
    first, second = bare.init("--json").json, bare.init("--json").json

    Draft202012Validator(REGISTRATION).validate(first)
    Draft202012Validator(REGISTRATION).validate(second)
    assert (first["made"], first["event"], first["unknown"]) == (True, 0, ["edition", "os"])
    assert (second["made"], "event" in second) == (False, False)


def test_log_json_gives_one_event_a_line_newest_first(used: Lab) -> None:
    events = events_of(used)

    for event in events:
        Draft202012Validator(EVENT).validate(event)
    assert [event["index"] for event in events] == list(range(len(events)))[::-1]
    assert events[-1]["type"] == "installation_registered"


@pytest.mark.parametrize(
    ("filters", "types"),
    [
        (("--type", "installed"), ["installed", "installed"]),
        (("--type", "made_permanent", "--type", "unpacked"), ["unpacked", "made_permanent", "unpacked"]),
        (("--failed",), ["operation_refused"]),
        (("--ticket", "CHG-1043"), ["operation_refused"]),
        (("--vsn", "4.4.9"), ["operation_refused"]),
        (("-n", "1"), ["operation_completed"]),
        (("--since", "5", "--until", "6"), ["operation_refused", "operation_completed"]),
        (("--until", "0"), ["installation_registered"]),
        (("--actor", "os:none"), []),
        (("--since", "last"), ["operation_completed"]),
    ],
)
def test_log_gives_what_is_wanted(used: Lab, filters: tuple[str, ...], types: list[str]) -> None:
    assert [event["type"] for event in events_of(used, *filters)] == types


@pytest.mark.parametrize(
    ("since", "until"),
    [("9", "3"), ("last", "last~1"), ("2026-11-24T04:00Z", "2026-11-24T03:00Z"), ("1h ago", "2h ago")],
)
def test_a_period_that_ends_before_it_begins_is_refused(used: Lab, tmp_path: Path, since: str, until: str) -> None:
    period, target = ("--since", since, "--until", until), tmp_path / "written"
    wholes = (("export", "-o", str(target)), ("export", "--format", "csv"), ("report", "-o", str(target)))

    done = [used.run(*command, *period) for command in (("log",), ("log", "--json"), *wholes)]

    assert [each.code for each in done] == [1] * 5
    assert done[0].err.startswith(f"error: --until {until} lies before --since {since}\n")
    assert [each.out for each in done] == [""] * 5
    assert not target.exists()


def test_log_on_one_line_each_says_what_happened_and_marks_what_was_not_done(used: Lab) -> None:
    lines = used.run("log", "--oneline", "--ticket", "CHG-1043").out.splitlines()

    (line,) = lines
    assert "upgrade 4.4.9 refused: package" in line
    assert line.endswith("CHG-1043  not done")
    assert "(rehearsal)" in line


def test_log_in_paragraphs_says_who_and_why(used: Lab) -> None:
    text = used.run("log", "--type", "installed", "--ticket", "CHG-1042").out

    assert text.startswith("event 3: installed 4.4.1 over 4.4.0\n")
    assert "  why     CVE fix\n" in text
    assert "  who     os:" in text


def test_every_type_of_event_has_words() -> None:
    topics = {topic.split(".")[-2] for topic in TOPICS}

    assert topics == set(WORDS)


def test_show_tells_an_attempt_in_full(used: Lab) -> None:
    text = used.run("show", "3").out

    for told in ("what    upgrade 4.4.1\n", "outcome completed\n", "why     CVE fix\n", "ticket  CHG-1042\n"):
        assert told in text
    assert "events  1 to 5\n" in text
    assert "name: emqx-4.4.1-otp24.1.5-3-ubuntu20.04-amd64.zip\n" in text


def test_show_tells_the_reasons_of_a_refusal(used: Lab) -> None:
    text = used.run("show", "6").out

    assert "outcome refused\n" in text
    assert "    refused package: there is no package of 4.4.9: looked for " in text


def test_show_of_an_event_without_an_attempt_tells_the_event(used: Lab) -> None:
    text = used.run("show", "0").out

    assert text.startswith("event 0: installation registered\n")
    assert "    baseline: claim\n" in text


@pytest.mark.parametrize("text", ["5", "last~5", "{id}", "{attempt}"])
def test_show_takes_an_event_by_any_of_its_names(used: Lab, text: str) -> None:
    (event,) = events_of(used, "--type", "installed", "--ticket", "CHG-1042")
    named = text.format(id=event["event_id"], attempt=event["attempt"])

    assert used.run("show", named).out.startswith("attempt ")


def test_show_json_follows_its_schema(used: Lab) -> None:
    attempt, event = used.run("show", "3", "--json").json, used.run("show", "0", "--json").json

    Draft202012Validator(ATTEMPT).validate(attempt)
    Draft202012Validator(EVENT).validate(event)
    assert [record["index"] for record in attempt["record"]] == [1, 2, 3, 4, 5]


def test_a_damaged_or_missing_view_is_folded_afresh(used: Lab) -> None:
    before = used.run("versions").out, used.run("log").out
    (used.ledger / "views.db").write_bytes(b"not a view" * 1000)

    assert (used.run("versions").out, used.run("log").out) == before


@pytest.mark.parametrize(
    "arguments",
    [("versions",), ("root_dir",), ("log",), ("log", "--json"), ("show", "last"), ("versions", "--at", "2")],
)
@pytest.mark.parametrize("view", ["caught up", "missing"])
def test_a_read_that_is_piped_loads_nothing_heavy(used: Lab, arguments: tuple[str, ...], view: str) -> None:
    """RULINGS 32: the event store, keys and tables for terminals are for those who use them."""
    if view == "missing":
        (used.ledger / "views.db").unlink()
    program = (
        "import sys; from cli.app import main; code = main(sys.argv[1:]);"
        f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r})), file=sys.stderr);"
        "sys.exit(code)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=used.variables, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "[]\n")


def test_only_the_module_of_the_command_is_imported(used: Lab) -> None:
    program = (
        "import sys; from cli.app import main; main(['versions']);"
        "print(sorted(name for name in sys.modules if name.startswith('cli.commands.')), file=sys.stderr)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], env=used.variables, capture_output=True, text=True, check=False
    )

    assert ended.stderr == "['cli.commands.versions']\n"


def test_stated_facts_are_recorded_once(bare: Lab) -> None:
    bare.run("init", "--root", str(bare.root))

    again = bare.init(*STATED)

    assert (again.code, again.out.count("not known")) == (0, 2)
    assert "not taken: edition, os" in again.err
    assert "`release-ledger unregister`, then `release-ledger register`" in again.err
    assert "checked; `unregister`, then `register` with --edition ce|ee states it\n" in again.out
