"""One weekend: a trial on Friday, a crash on Saturday at 03:42, a hand on Sunday, the questions on Monday.

The clock of the commands is set, so that every answer is asked for by time as well.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from tests.cli.lab import Lab, Result

FRIDAY = "2026-11-20T18:00:00"
CRASH = "2026-11-21T03:42:00"
SUNDAY = "2026-11-22T14:00:00"
MONDAY = "2026-11-23T08:00:00"
BEFORE, AFTER = "2026-11-21T03:41Z", "2026-11-23T09:00Z"


@contextmanager
def clock_at(moment: str) -> Iterator[None]:
    """Let the commands inside find this time."""
    then = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    nanoseconds = int(then.timestamp()) * 1_000_000_000
    with patch("time.time_ns", lambda: nanoseconds), patch("cli.reading.now", lambda: then):
        yield


@pytest.fixture
def monday(bare: Lab) -> Lab:
    """Return the host as Monday finds it; a second ledger stands for ``bin/emqx``, of which the first does not hear."""
    with clock_at(FRIDAY):
        bare.init()
        bare.offer("4.4.1", "4.4.16")
        bare.run("upgrade", "4.4.16", "--no-permanent", "--reason", "trial over the weekend", "--ticket", "CHG-1042")
    with clock_at(CRASH):
        # What a virtual machine has in memory ends with it; the next look boots from disk.
        (bare.root / "data/embedded_node.json").unlink()
        by_hand = bare.having(RELEASE_LEDGER=str(bare.folder / "elsewhere"))
        by_hand.init()
    with clock_at(SUNDAY):
        by_hand.run("upgrade", "4.4.1")
    return bare


@pytest.fixture
def recorded(monday: Lab) -> Lab:
    """Return the host after ``check --record``."""
    with clock_at(MONDAY):
        assert monday.run("check", "--record", "--reason", "after the weekend").code == 7
    return monday


def point(answer: Result, name: str) -> dict[str, str]:
    """Return one point of ``check --json``."""
    found: dict[str, str] = next(p for p in answer.json["points"] if p["point"] == name)
    return found


def test_check_tells_what_was_not_done_through_the_ledger(monday: Lab) -> None:
    with clock_at(MONDAY):
        answer = monday.run("check", "--json")

    assert (answer.code, answer.json["verdict"], answer.json["recorded"]) == (7, "differs", [])
    assert "which undid the trial of 4.4.16" in point(answer, "node")["hint"]
    assert f"started {CRASH}" in point(answer, "node")["value"]
    assert {point(answer, name)["verdict"] for name in ("RELEASES", "start_erl.data", "emqx_vars")} == {"differs"}
    assert point(answer, "restart")["value"] == "boots 4.4.1; nothing changes"


def test_check_alone_records_nothing(monday: Lab) -> None:
    """RULINGS 14."""
    before = monday.run("log", "--json").out

    monday.run("check")

    assert monday.run("log", "--json").out == before


def test_the_log_tells_the_restart_and_the_change_by_hand(recorded: Lab) -> None:
    restart, drift = (
        json.loads(recorded.run("log", "--json", "--type", kind).out) for kind in ("node_restarted", "drift_observed")
    )

    assert (restart["data"]["cause"], restart["data"]["reverted"]) == ("noticed", ["4.4.16"])
    assert restart["data"]["run"]["started_at"].startswith(CRASH)
    assert drift["data"]["found"]["memory"][0] == ["4.4.1", "permanent"]
    assert restart["recorded_at"].startswith(MONDAY)


def test_versions_tells_what_ran_before_the_crash_was_noticed_and_after(recorded: Lab) -> None:
    then, now = recorded.run("versions", "--at", BEFORE), recorded.run("versions", "--at", AFTER)

    assert then.out == "Installed versions:\n* 4.4.16\tcurrent\n* 4.4.0\tpermanent\n"
    assert now.out == "Installed versions:\n* 4.4.1\tpermanent\n* 4.4.16\tunpacked\n* 4.4.0\told\n"


def test_versions_before_the_ledger_began_is_no_answer(recorded: Lab) -> None:
    assert recorded.run("versions", "--at", "2026-11-20T17:59Z").code == 1


def test_diff_tells_what_changed_over_the_weekend(recorded: Lab) -> None:
    answer = recorded.run("diff", BEFORE, AFTER, "--json")

    assert (answer.code, answer.json["different"]) == (7, True)
    assert [event["type"] for event in answer.json["events"]] == ["node_restarted", "drift_observed"]
    assert {"node", "what", "a", "b"} == set(answer.json["changes"][0])
    assert ("4.4.16", "current", "unpacked") in [(c["what"], c.get("a"), c.get("b")) for c in answer.json["changes"]]


def test_replay_reaches_what_the_node_shows(recorded: Lab) -> None:
    answer = recorded.run("replay", "--live", "--json")

    assert (answer.code, answer.json["differences"]) == (0, [])
    assert answer.json["nodes"][0]["running"] == "4.4.1"


def test_replay_before_the_record_was_made_differs_from_the_node(monday: Lab) -> None:
    answer = monday.run("replay", "--live", "--json")

    assert answer.code == 7
    assert "a restart that is not recorded" in answer.json["differences"][0]


def test_every_change_records_what_it_notices_and_goes_on_from_the_truth(monday: Lab) -> None:
    with clock_at(MONDAY):
        done = monday.run("upgrade", "4.4.16", "--reason", "the fix, for good")

    types = [json.loads(line)["type"] for line in monday.run("log", "--json", "-n", "7").out.splitlines()]
    assert done.code == 0
    assert types[::-1][1:4] == ["node_restarted", "drift_observed", "operation_requested"]
    assert monday.rows() == {"4.4.1": "old", "4.4.16": "permanent", "4.4.0": "old"}


def test_what_was_undone_is_no_failure(recorded: Lab) -> None:
    """``--failed`` lists attempts that did not succeed; what happened outside the ledger is none."""
    recorded.run("upgrade", "4.4.9")

    assert [json.loads(line)["type"] for line in recorded.run("log", "--failed", "--json").out.splitlines()] == [
        "operation_refused"
    ]


def test_check_is_content_once_it_is_recorded(recorded: Lab) -> None:
    assert recorded.run("check").code == 0
    assert recorded.run("verify").code == 0
    assert recorded.run("versions", "--live").code == 0
