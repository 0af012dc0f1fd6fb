"""``fleet`` and ``upgrade --plan``: who may go, in which waves, whose turn it is, how far it is."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.cli.fleet import make_fleet, node_name, objects
from tests.cli.lab import Lab
from tests.cli.schemas import schema_of

PACKAGE = "emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip"
PLAN, STATUS, EXCUSE, EVENT = map(schema_of, ("fleet_plan", "fleet_status", "fleet_excuse", "event"))


@pytest.fixture
def fleet(bare: Lab) -> Lab:
    """Return a ledger of three nodes at 4.4.0."""
    return make_fleet(bare, 3)


def made(lab: Lab, *arguments: str) -> Any:  # noqa: ANN401 # what json.loads returns
    """Make a plan to 4.4.16 and return its JSON."""
    answer = lab.run("fleet", "plan", "4.4.16", "--package", PACKAGE, "--json", *arguments)
    assert answer.code == 0, answer.err
    Draft202012Validator(PLAN).validate(answer.json)
    return answer.json


def progress(lab: Lab, *arguments: str) -> dict[str, str]:
    """Return how far each node is."""
    status = lab.run("fleet", "status", "--json", *arguments).json
    Draft202012Validator(STATUS).validate(status)
    return {node["node"]: node["progress"] for wave in status["waves"] for node in wave["nodes"]}


def names(nodes: list[dict[str, Any]]) -> list[str]:
    """Return the names of nodes."""
    return [node["node"] for node in nodes]


def test_the_canary_goes_first_and_the_others_in_waves(fleet: Lab) -> None:
    plan = made(fleet, "--waves", "1", "--reason", "CVE fix")

    assert [names(wave) for wave in plan["waves"]] == [[node_name(1)], [node_name(2)], [node_name(3)]]
    assert (plan["there"], plan["left_out"], plan["to"]) == ([], [], "4.4.16")
    (at_once,) = made(fleet, "--canary", "0", "--waves", "100%", "--dry-run")["waves"]
    assert at_once == [node for wave in plan["waves"] for node in wave]


def test_a_plan_is_an_event_of_the_ledger_with_its_nodes_behind_it(fleet: Lab) -> None:
    """Issue 9: the plan is recorded; every host sees the same one."""
    plan = made(fleet, "--waves", "50%", "--reason", "CVE fix", "--ticket", "CHG-7")

    events = objects(fleet.run("log", "--json", "--since", str(plan["event"])).out)[::-1]
    for event in events:
        Draft202012Validator(EVENT).validate(event)
    assert [event["type"] for event in events] == ["fleet_planned", "fleet_wave_planned", "fleet_wave_planned"]
    assert events[0]["data"]["fleet_plan_sha256"] == plan["sha256"]
    assert {(event["reason"], event["ticket"], event["stream"]) for event in events} == {("CVE fix", "CHG-7", "ledger")}
    assert fleet.run("verify").code == 0


def test_a_dry_run_records_nothing(fleet: Lab) -> None:
    plan = made(fleet, "--dry-run")

    assert "event" not in plan
    assert fleet.run("fleet", "status").code == 1


def test_each_host_takes_its_turn_when_its_wave_is_open(fleet: Lab) -> None:
    """Issue 9: hosts pull their own turn with ``upgrade --plan ID``."""
    plan = made(fleet, "--waves", "2")["plan"]
    early = fleet.run("upgrade", "4.4.16", "--plan", plan, "--node", node_name(2), "--json")
    before = progress(fleet)
    canary = fleet.run("upgrade", "4.4.16", "--plan", plan[:6], "--node", node_name(1))
    between = progress(fleet)
    second = fleet.run("upgrade", "4.4.16", "--plan", "last", "--node", node_name(2))

    assert early.code == 2
    reason = json.loads(early.err)["reasons"][-1]
    assert (reason["rule"], reason["message"]) == ("plan", "wave 2 is not open")
    assert f"wave 1 of plan {plan} is not complete: {node_name(1)} behind" in reason["fact"]
    assert before == {node_name(1): "behind", node_name(2): "refused", node_name(3): "waiting"}
    assert (canary.code, second.code) == (0, 0), canary.err + second.err
    assert between == {node_name(1): "done", node_name(2): "refused", node_name(3): "behind"}
    assert progress(fleet) == {node_name(1): "done", node_name(2): "done", node_name(3): "behind"}


def test_a_turn_stands_beside_the_intent_of_its_attempt(fleet: Lab) -> None:
    plan = made(fleet)
    fleet.run("upgrade", "4.4.16", "--plan", plan["plan"], "--node", node_name(1))

    (turn,) = objects(fleet.run("log", "--json", "--type", "fleet_turn_taken").out)
    (intent,) = objects(fleet.run("log", "--json", "--type", "operation_requested").out)
    Draft202012Validator(EVENT).validate(turn)
    assert turn["data"] == {"fleet_plan": plan["plan"], "fleet_plan_sha256": plan["sha256"], "wave": 1}
    assert (turn["attempt"], turn["index"]) == (intent["attempt"], intent["index"] + 1)
    shown = fleet.run("show", "last")
    assert f"took its turn in wave 1 of plan {plan['plan']}" in fleet.run("log", "--oneline").out
    assert shown.code == fleet.run("verify").code == fleet.run("replay").code == 0


def test_a_refused_turn_is_recorded_with_every_reason(fleet: Lab) -> None:
    """RULINGS 13 and PRODUCT section 3: an exit 2 is recorded, with all reasons at once."""
    plan = made(fleet, "--node", f"{node_name(1)},{node_name(2)}")["plan"]

    elsewhere = fleet.run("upgrade", "4.4.1", "--plan", plan, "--node", node_name(1))
    outsider = fleet.run("upgrade", "4.4.9", "--plan", plan, "--node", node_name(3))

    assert (elsewhere.code, outsider.code) == (2, 2)
    assert "the plan does not go to 4.4.1" in elsewhere.err
    refused = objects(fleet.run("log", "--json", "--type", "operation_refused").out)
    assert [[reason["rule"] for reason in event["data"]["reasons"]] for event in refused] == [
        ["package", "plan", "plan"],
        ["plan"],
    ]


def test_what_is_already_so_needs_no_turn(fleet: Lab) -> None:
    fleet.run("upgrade", "4.4.16", "--node", node_name(2))
    plan = made(fleet)

    answer = fleet.run("upgrade", "4.4.16", "--plan", plan["plan"], "--node", node_name(2))

    assert names(plan["there"]) == [node_name(2)]
    assert answer.code == 0


def test_an_excused_node_keeps_nobody_waiting(fleet: Lab) -> None:
    plan = made(fleet)["plan"]
    silent = fleet.run("fleet", "excuse", "--node", node_name(1))
    excused = fleet.run("fleet", "excuse", "--node", node_name(1), "--reason", "its host is replaced", "--json")

    assert silent.code == 1
    Draft202012Validator(EXCUSE).validate(excused.json)
    assert excused.json["nodes"] == [
        {"node": node_name(1), "stream": objects(fleet.run("nodes", "--json").out)[0]["stream"]}
    ]
    assert progress(fleet, plan)[node_name(1)] == "excused"
    assert fleet.run("upgrade", "4.4.16", "--plan", plan, "--node", node_name(2)).code == 0
    assert fleet.run("fleet", "excuse", "--node", "emqx@10.0.0.9", "--reason", "x").code == 1
    assert fleet.run("fleet", "excuse", "--reason", "x").code == 1


def test_status_exits_7_until_nobody_is_waited_for(fleet: Lab) -> None:
    plan = made(fleet, "--node", f"{node_name(1)},{node_name(2)}")["plan"]
    waiting = fleet.run("fleet", "status")
    for number in (1, 2):
        fleet.run("upgrade", "4.4.16", "--node", node_name(number))
    finished = fleet.run("fleet", "status", plan)

    assert (waiting.code, finished.code) == (7, 0)
    assert waiting.out.splitlines()[0].endswith("not finished")
    assert "behind\temqx@10.0.0.1\twave 1" in waiting.out
    assert finished.out.splitlines() == [
        finished.out.splitlines()[0],
        "wave 1\tcomplete\t1\t1 done",
        "wave 2\tcomplete\t1\t1 done",
    ]


def test_a_node_that_left_the_ledger_keeps_nobody_waiting(fleet: Lab) -> None:
    plan = made(fleet)["plan"]
    fleet.run("unregister", "--node", node_name(1), "--yes")

    assert sorted(progress(fleet).values()) == ["behind", "left", "waiting"]
    assert fleet.run("upgrade", "4.4.16", "--plan", plan, "--node", node_name(2)).code == 0


def test_every_reason_why_a_node_may_not_go_is_told_and_recorded(fleet: Lab) -> None:
    answer = fleet.run("fleet", "plan", "4.5.0", "--package", PACKAGE.replace("4.4.16", "4.5.0"), "--seen-since", "1")
    mixed = fleet.run("fleet", "plan", "4.4.16", "--package", PACKAGE.replace("amd64", "arm64"), "--json")
    unseen = made(fleet, "--seen-since", "2")

    assert answer.code == 2
    assert (
        "left out\temqx@10.0.0.1 (rehearsal)\t4.4.0\tminor: Cannot upgrade/downgrade to 4.5.0 from 4.4.0" in answer.out
    )
    assert "not-seen: the node was not seen lately" in answer.out
    assert "no node may go to 4.5.0" in answer.err
    assert mixed.code == 2
    assert [r["rule"] for r in mixed.json["left_out"][0]["reasons"]] == ["arch"]
    assert names(unseen["left_out"]) == [node_name(1), node_name(2)]
    (event,) = objects(fleet.run("log", "--json", "--type", "fleet_nodes_left_out").out)
    assert event["data"]["rules"] == ["not-seen"]


def test_what_was_not_checked_is_said(fleet: Lab) -> None:
    answer = fleet.run("fleet", "plan", "4.4.16", "--dry-run")

    assert answer.code == 0
    assert answer.err == "warning: not checked: edition, otp-major, os, arch: no --package was named\n"


def test_a_warning_is_json_where_json_was_asked_for(fleet: Lab) -> None:
    """As errors are."""
    answer = fleet.run("fleet", "plan", "4.4.16", "--dry-run", "--json")

    Draft202012Validator(schema_of("warning")).validate(json.loads(answer.err))
    assert json.loads(answer.err)["message"].startswith("not checked: edition, otp-major")


def test_how_far_a_plan_was_can_be_asked_of_any_moment(fleet: Lab) -> None:
    """PRODUCT section 4: reads take ``--at WHEN``."""
    plan = made(fleet, "--waves", "1", "--reason", "CVE fix")
    before = str(plan["event"] + 3)
    fleet.run("upgrade", "4.4.16", "--plan", plan["plan"], "--node", node_name(1))
    later = made(fleet, "--waves", "1", "--reason", "once more")
    fleet.run("fleet", "excuse", plan["plan"], "--node", node_name(2), "--reason", "its host is away")

    then, now = fleet.run("fleet", "status", "--at", before, "--json"), progress(fleet, plan["plan"])
    assert then.code == 7
    assert then.json["plan"] == plan["plan"] != later["plan"]
    assert then.json["as_of"]["tree_size"] == plan["event"] + 4
    assert progress(fleet, "--at", before) == {node_name(1): "behind", node_name(2): "waiting", node_name(3): "waiting"}
    assert now == {node_name(1): "done", node_name(2): "excused", node_name(3): "behind"}
    assert fleet.run("fleet", "status", "--at", "0").code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("fleet", "plan", "4.4"),
        ("fleet", "plan", "4.4.16", "--package", "emqx.zip"),
        ("fleet", "plan", "4.4.16", "--package", PACKAGE.replace("4.4.16", "4.4.17")),
        ("fleet", "plan", "4.4.16", "--waves", "0"),
        ("fleet", "plan", "4.4.16", "--waves", "some"),
        ("fleet", "plan", "4.4.16", "--node", "emqx@nowhere"),
        ("fleet", "status"),
        ("fleet", "status", "beef"),
        ("fleet", "status", ""),
        ("upgrade", "4.4.16", "--plan", "beef", "--node", "emqx@10.0.0.1"),
    ],
)
def test_what_has_no_meaning_is_a_usage_error(fleet: Lab, arguments: tuple[str, ...]) -> None:
    assert fleet.run(*arguments).code == 1
