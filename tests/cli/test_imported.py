"""What was imported reads as it did in its own ledger, and says where it came from."""

import csv
import json
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

import jsonschema
import pytest

from tests.cli.lab import Lab
from tests.cli.schemas import ATTEMPT, EVENT, VERSIONS, schema_of

OTHER = "emqx@other"


@pytest.fixture(scope="session")
def pair(pattern: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Lab]:
    """Return a host with a history, and another whose ledger imported it and has a node of its own."""
    folder = tmp_path_factory.mktemp("pair")
    source, target = pattern.copied(folder / "source"), pattern.copied(folder / "target")
    target = target.having(RELEASE_LEDGER_NODE=OTHER)
    source.offer("4.4.1", "4.4.16")
    assert source.init().code == 0
    steps = (
        source.run("upgrade", "4.4.1", "--yes", "--reason", "patch day"),
        source.run("note", "last", "went well"),
        target.init(),
        source.run("upgrade", "4.4.16", "--yes"),
        target.run("import", str(source.ledger), "--vkey", vkey_of(source), "--reason", "two hosts, one ledger"),
        target.run("note", "0", "native behind it"),
    )
    for done in steps:
        assert done.code == 0, done.err
    return source, target.having(RELEASE_LEDGER_NODE="")


def vkey_of(lab: Lab) -> str:
    return (lab.ledger / "log.vkey").read_text(encoding="utf-8").strip()


def lines_of(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def told(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event says, without its place in a ledger."""
    return {name: value for name, value in event.items() if name not in {"index", "imported", "disclosed", "notes"}}


def events_of(lab: Lab, node: str) -> list[Any]:
    return lines_of(lab.run("log", "--json", "--node", node).out)


@pytest.fixture(scope="session")
def node(pair: tuple[Lab, Lab]) -> str:
    return str(pair[0].run("versions", "--json").json["node"])


def test_the_log_of_a_node_is_that_of_its_own_ledger(pair: tuple[Lab, Lab], node: str) -> None:
    source, target = pair

    ours, theirs = events_of(target, node), events_of(source, node)

    assert list(map(told, ours)) == list(map(told, theirs))
    assert [event["imported"]["index"] for event in ours] == [event["index"] for event in theirs]
    assert [len(event.get("notes", ())) for event in ours] == [len(event.get("notes", ())) for event in theirs]
    for event in ours:
        jsonschema.validate(event, EVENT)


def test_a_time_answers_as_it_did_there_also_before_this_ledger_began(pair: tuple[Lab, Lab], node: str) -> None:
    source, target = pair
    schema = schema_of("node")
    times = [event["recorded_at"] for event in events_of(source, node)]

    for moment in times:
        ours, theirs = (lab.run("versions", "--json", "--at", moment, "--node", node).json for lab in (target, source))
        jsonschema.validate(ours, VERSIONS)
        assert {**ours, "as_of": None} == {**theirs, "as_of": None}
        listed = [lines_of(lab.run("log", "--json", "--at", moment, "--node", node).out) for lab in (target, source)]
        assert [told({**event, "as_of": None}) for event in listed[0]] == [
            told({**event, "as_of": None}) for event in listed[1]
        ]
        of_nodes = lines_of(target.run("nodes", "--json", "--at", moment).out)
        jsonschema.validate(of_nodes[-1], schema)
        replayed = target.run("replay", "--to", moment, "--node", node)
        assert (replayed.code, "The view agrees." in replayed.out) == (0, True), replayed.out
    first = target.run("versions", "--at", times[-1])
    assert (first.code, OTHER in first.out) == (0, False)
    before = target.run("versions", "--at", "2001-01-01")
    assert (before.code, f"the first event is of {times[-1]}" in before.err) == (1, True)


def test_an_event_number_means_the_log_up_to_it(pair: tuple[Lab, Lab], node: str) -> None:
    _, target = pair
    first = min(event["index"] for event in events_of(target, node))

    alone = lines_of(target.run("versions", "--json", "--at", str(first - 1)).out)
    both = lines_of(target.run("versions", "--json", "--at", str(first)).out)

    assert [row["node"] for row in alone] == [OTHER]
    assert [row["node"] for row in both] == [OTHER, node]
    assert both[0]["as_of"] == {"tree_size": first + 1, "root": both[0]["as_of"]["root"]}


def test_people_see_where_it_came_from(pair: tuple[Lab, Lab], node: str) -> None:
    source, target = pair
    (newest, *_) = events_of(target, node)
    origin, index = newest["imported"]["origin"], newest["imported"]["index"]

    mark = f"imported: event {index} of {origin}"
    assert f"[{mark}]" in target.run("log", "--node", node).out
    assert mark in target.run("log", "--node", node, "--oneline").out
    shown = re.sub(r"\s+", " ", target.run("show", str(newest["index"])).out)
    number = source.run("show", str(index), "--json").json["first_event"]
    day = newest["imported"]["at"][:10]
    assert re.search(rf"imported from {origin}, events {number} to {index}, on {day}T[0-9:.]+Z, by os:[0-9]", shown)
    table = target.run("nodes").out.splitlines()
    assert [line.split("\t")[-1] for line in table] == ["-", origin]
    of_nodes = lines_of(target.run("nodes", "--json").out)
    assert [row.get("imported_from") for row in of_nodes] == [None, [origin]]


def test_an_attempt_is_shown_as_it_was(pair: tuple[Lab, Lab], node: str) -> None:
    source, target = pair
    (newest, *_) = [event for event in events_of(target, node) if "attempt" in event]

    ours = target.run("show", newest["attempt"], "--json", "--proof").json
    theirs = source.run("show", newest["attempt"], "--json").json

    jsonschema.validate(ours, ATTEMPT)
    for name in ("attempt", "verb", "vsn", "outcome", "began_at", "took_us", "checks", "package"):
        assert ours.get(name) == theirs.get(name), name
    assert ours["record"][0]["imported"]["index"] == theirs["record"][0]["index"]
    assert f"index {ours['first_event']}\n" in ours["record"][0]["proof"]


def test_events_are_chosen_by_the_log_that_they_come_from(pair: tuple[Lab, Lab]) -> None:
    source, target = pair
    count = len(lines_of(source.run("log", "--json").out))
    origin = lines_of(target.run("log", "--json", "--type", "made_permanent").out)[0]["imported"]["origin"]

    found = lines_of(target.run("log", "--json", "--origin", origin).out)
    rows = list(csv.DictReader(StringIO(target.run("export", "--format", "csv", "--origin", origin).out, newline="")))

    assert [event["imported"]["index"] for event in found] == list(reversed(range(count)))
    assert [(row["imported"], row["imported_index"]) for row in rows] == [(origin, str(n)) for n in range(count)]
    assert target.run("log", "--json", "--origin", "nobody").out == ""


def test_two_ledgers_that_hold_one_history_differ_in_nothing_of_it(pair: tuple[Lab, Lab], node: str) -> None:
    source, target = pair

    done = source.run("diff", str(source.ledger), str(target.ledger), "--json").json

    assert [change for change in done["changes"] if change["node"].startswith(node)] == []
    assert done["events"] == []


def test_two_times_differ_by_what_was_recorded_between_them(pair: tuple[Lab, Lab], node: str) -> None:
    source, target = pair
    times = sorted(event["recorded_at"] for event in events_of(source, node))

    ours, theirs = (lab.run("diff", times[0], times[-1], "--json", "--node", node).json for lab in (target, source))

    assert ours["changes"] == theirs["changes"]
    assert [event["words"] for event in ours["events"]] == [event["words"] for event in theirs["events"]]


def test_a_note_on_an_imported_event_stands_beside_it(pair: tuple[Lab, Lab], node: str) -> None:
    source, target = pair
    source = source.copied(source.folder.parent / "noted_source")
    noted = target.copied(target.folder.parent / "noted")
    (newest, *_) = events_of(noted, node)

    assert noted.run("note", str(newest["index"]), "looked at again").code == 0

    shown = lines_of(noted.run("log", "--json", "--node", node).out)
    assert shown[0]["type"] == "note_added"
    assert "imported" not in shown[0]
    assert [note["text"] for note in shown[1]["notes"]] == ["looked at again"]
    assert noted.run("verify").code == 0
    assert noted.run("replay").code == 0
