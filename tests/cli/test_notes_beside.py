"""A note or a correction shows beside its event wherever that is shown; nothing is ever edited."""

import csv
import json
from io import StringIO

import pytest
from jsonschema import Draft202012Validator

from tests.cli.lab import Lab
from tests.cli.schemas import EVENT, schema_of

CORRECTION = "correction: it was 4.4.16 that was meant (event 2, "


@pytest.fixture
def corrected(lab: Lab) -> Lab:
    """Return a host with a refusal (event 1), a correction of it (2) and an upgrade (3 to 7)."""
    lab.run("upgrade", "4.4.9")
    lab.run("note", "1", "it was 4.4.16 that was meant", "--corrects")
    lab.run("upgrade", "4.4.1")
    return lab


@pytest.mark.parametrize(
    "arguments",
    [
        ("log",),
        ("log", "--oneline"),
        ("show", "1"),
        ("diff", "0", "last"),
        ("diff", "0", "1"),
        ("replay", "--step"),
    ],
    ids=" ".join,
)
def test_a_correction_stands_beside_the_original(corrected: Lab, arguments: tuple[str, ...]) -> None:
    shown = corrected.run(*arguments).out

    assert CORRECTION in shown
    assert "upgrade 4.4.9" in shown


@pytest.mark.parametrize(
    "arguments", [("log", "--json"), ("show", "1", "--json"), ("export", "--format", "jsonl")], ids=" ".join
)
def test_machines_get_it_with_the_event(corrected: Lab, arguments: tuple[str, ...]) -> None:
    records = [json.loads(line) for line in corrected.run(*arguments).out.splitlines()]
    events = [event for record in records for event in record.get("record", [record])]
    (noted,) = [event for event in events if "notes" in event]

    assert noted["index"] == 1
    assert [(note["index"], note["kind"]) for note in noted["notes"]] == [(2, "correction")]
    Draft202012Validator(EVENT).validate(noted)


@pytest.mark.parametrize("filters", [(), ("--failed",)])
def test_a_spreadsheet_gets_it_with_the_event(corrected: Lab, filters: tuple[str, ...]) -> None:
    """Whoever reads the row of the event must not take it as it stands; and the correction says whose it is."""
    rows = list(csv.DictReader(StringIO(corrected.run("export", "--format", "csv", *filters).out)))

    (noted,) = [row for row in rows if row["notes"]]
    assert (noted["index"], noted["notes"].startswith(CORRECTION)) == ("1", True)
    assert [row["index"] for row in rows if row["noted"] == noted["event_id"]] == ([] if filters else ["2"])


def test_the_timeline_of_a_sample_holds_only_notes_that_are_in_it(corrected: Lab) -> None:
    """The views of a bundle follow from its events."""
    told = {}
    for name, events in (("one", ("1",)), ("both", ("1", "2"))):
        bundle = corrected.folder / name
        options = [word for event in events for word in ("--event", event)]
        assert corrected.run("export", "-o", str(bundle), *options).code == 0
        rows = csv.DictReader(StringIO((bundle / "views/timeline.csv").read_text()))
        told[name] = [row["notes"].partition(" (")[0] for row in rows]

    assert told == {"one": [""], "both": ["correction: it was 4.4.16 that was meant", ""]}


def test_machines_get_it_with_a_difference_and_a_state(corrected: Lab) -> None:
    different = corrected.run("diff", "0", "last", "--json").json
    states = [json.loads(line) for line in corrected.run("replay", "--step", "--json").out.splitlines()][:-1]

    assert [event["index"] for event in different["events"] if "notes" in event] == [1]
    assert [state["index"] for state in states if "notes" in state] == [1]
    Draft202012Validator(schema_of("diff")).validate(different)
    for state in states:
        Draft202012Validator(schema_of("state")).validate(state)


def test_a_note_names_the_event_that_it_is_on_by_its_number(corrected: Lab) -> None:
    """Everybody names events by number; an id says nothing to somebody in a hurry."""
    event_id = corrected.run("log", "--json", "--since", "1", "--until", "1").json["event_id"]

    assert f"  correction on event 1, {event_id}\n" in corrected.run("show", "2").out


def test_a_state_says_what_its_attempt_was_about(corrected: Lab) -> None:
    """In the words of ``log``: the outcome itself does not name its version."""
    listed = corrected.run("log", "--oneline", "--since", "7").out

    assert "upgrade 4.4.1 completed" in listed
    assert "event 7: upgrade 4.4.1 completed\n" in corrected.run("replay", "--step").out


def test_a_difference_has_what_lies_between_and_nothing_else(corrected: Lab) -> None:
    """Whichever moment is named first."""
    upwards, downwards = (
        corrected.run("diff", "1", "last", "--json").json,
        corrected.run("diff", "last", "1", "--json").json,
    )

    assert [event["index"] for event in upwards["events"]] == [7]
    assert downwards["events"] == upwards["events"]
    assert corrected.run("diff", "last", "last").code == 0
