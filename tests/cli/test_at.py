"""``--at WHEN``: what a read would have answered then (PRODUCT section 4)."""

import json

import pytest
from jsonschema import Draft202012Validator

from tests.cli.lab import Lab
from tests.cli.schemas import ATTEMPT, EVENT, ROOT_DIR


@pytest.fixture
def used(lab: Lab) -> Lab:
    """Return a host with an upgrade (events 1 to 5), a correction (6) and a trial (7 to 10)."""
    lab.run("upgrade", "4.4.1", "--reason", "CVE fix", "--ticket", "CHG-1042")
    lab.run("note", "1", "the ticket is CHG-1041", "--corrects")
    lab.run("upgrade", "4.4.16", "--no-permanent")
    return lab


def then(lab: Lab, number: int) -> str:
    """Return the time of an event."""
    time: str = lab.run("log", "--json", "--since", str(number), "--until", str(number)).json["recorded_at"]
    return time


def test_the_list_ends_where_it_ended_then(used: Lab) -> None:
    listed = used.run("log", "--oneline", "--at", "3", "-v")

    assert [line.split("  ")[0] for line in listed.out.splitlines()] == ["3", "2", "1", "0"]
    assert "as of event 3, root " in listed.err


def test_a_note_that_came_later_is_not_there_yet(used: Lab) -> None:
    before = used.run("log", "--oneline", "--at", "5", "--until", "1", "-n", "1")
    after = used.run("log", "--oneline", "--at", "6", "--until", "1", "-n", "1")

    assert "CHG-1041" not in before.out
    assert "correction: the ticket is CHG-1041" in after.out


def test_filters_and_names_are_those_of_then(used: Lab) -> None:
    newest = used.run("log", "--oneline", "--at", "6", "--since", "last~1", "-n", "9")
    by_time = used.run("log", "--oneline", "--at", then(used, 6), "-n", "1")
    by_id = used.run("log", "--oneline", "--at", used.run("log", "-n", "1", "--json").json["event_id"][:18], "-n", "1")

    assert [line.split("  ")[0] for line in newest.out.splitlines()] == ["6", "5"]
    assert by_time.out.startswith("6  ")
    assert by_id.out.startswith("10  ")


def test_every_line_of_json_says_what_it_rests_on(used: Lab) -> None:
    tree = used.run("versions", "--json", "--at", "6").json["as_of"]

    listed = [json.loads(line) for line in used.run("log", "--json", "--at", "6", "-n", "2").out.splitlines()]

    assert [record["as_of"] for record in listed] == [tree, tree]
    assert tree["tree_size"] == 7  # events 0 to 6
    assert tree["root"]
    for record in listed:
        Draft202012Validator(EVENT).validate(record)


def test_an_attempt_that_was_under_way_is_open(used: Lab) -> None:
    """What somebody saw who looked while it ran."""
    during, after = used.run("show", "2", "--at", "3"), used.run("show", "2", "--at", "5")

    assert "  outcome open\n" in during.out
    assert "  events  1 to 3\n" in during.out
    assert "in the tree of 4 events, root " in during.out
    assert "  outcome completed\n" in after.out
    assert "CHG-1041" not in after.out


def test_an_attempt_as_json_is_that_of_then(used: Lab) -> None:
    record = used.run("show", "last", "--at", "3", "--json").json

    assert (record["outcome"], record["last_event"], record["as_of"]["tree_size"]) == ("open", 3, 4)
    assert all("notes" not in event for event in record["record"])
    Draft202012Validator(ATTEMPT).validate(record)


def test_a_single_event_as_json_says_what_it_rests_on(used: Lab) -> None:
    record = used.run("show", "0", "--json").json

    assert record["as_of"]["tree_size"] == 11  # all of them
    Draft202012Validator(EVENT).validate(record)


def test_what_had_not_happened_then_is_not_found(used: Lab) -> None:
    ended = used.run("show", "9", "--at", "3")

    assert ended.code == 1
    assert "there is no event at '9'" in ended.err


def test_the_root_is_that_of_then(used: Lab) -> None:
    moved = used.folder / "moved"
    used.root.rename(moved)
    used.run("register", "--root", str(moved), "--continues", used.run("versions", "--json").json["node"])

    now, before = used.run("root_dir", "--raw"), used.run("root_dir", "--raw", "--at", "10", "-v")
    record = used.run("root_dir", "--at", "10", "--json").json

    assert (now.out, before.out) == (f"{moved}\n", f"{used.root}\n")
    assert "as of event 10, root " in before.err
    assert (record["root_dir"], record["as_of"]["tree_size"]) == (str(used.root), 11)
    Draft202012Validator(ROOT_DIR).validate(record)


@pytest.mark.parametrize(
    "command", [("versions",), ("nodes",), ("root_dir",), ("log",), ("show", "last")], ids=" ".join
)
@pytest.mark.parametrize("moment", ["99", "1999-01-01", "at noon", ""])
def test_a_moment_that_is_none_is_refused_alike(used: Lab, command: tuple[str, ...], moment: str) -> None:
    ended = used.run(*command, "--at", moment)

    assert ended.code == 1
    assert ended.out == ""  # an empty variable of a script is no moment either, and not now
    assert "\nhint: " in ended.err


@pytest.mark.parametrize("command", [("check",), ("packages",)], ids=" ".join)
def test_what_looks_at_the_disk_knows_no_other_moment(used: Lab, command: tuple[str, ...]) -> None:
    ended = used.run(*command, "--at", "3")

    assert ended.code == 1
    assert "--at" in ended.err
