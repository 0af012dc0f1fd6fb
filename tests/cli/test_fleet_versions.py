"""``versions`` over many nodes: patterns of names, rows that are wanted."""

import pytest
from jsonschema import Draft202012Validator

from tests.cli.fleet import make_fleet, node_name, objects
from tests.cli.lab import Lab
from tests.cli.schemas import VERSIONS


@pytest.fixture(scope="module")
def fleet(pattern: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return a ledger of three nodes: one upgraded, one on trial, one as it was."""
    folder = tmp_path_factory.mktemp("fleet")
    made = make_fleet(pattern.copied(folder / "host"))
    made.run("upgrade", "4.4.1", "--node", node_name(1), "--reason", "CVE fix")
    made.run("upgrade", "4.4.1", "--node", node_name(2), "--no-permanent")
    return made


def test_only_the_rows_that_match_stand_in_the_table(fleet: Lab) -> None:
    """Issue 9: ``versions`` over nodes with filters."""
    answer = fleet.run("versions", "--status", "permanent", "--vsn", "4.4.1")

    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "Installed versions:\n* 4.4.1\tpermanent\temqx@10.0.0.1 (rehearsal)\n"


def test_filters_may_be_repeated(fleet: Lab) -> None:
    answer = fleet.run("versions", "--status", "permanent", "--status", "current", "--vsn", "4.4.1", "--vsn", "4.4.0")

    assert [line.split("\t")[:2] for line in answer.out.splitlines()[1:]] == [
        ["* 4.4.1", "permanent"],
        ["* 4.4.1", "current"],
        ["* 4.4.0", "permanent"],
        ["* 4.4.0", "permanent"],
    ]


def test_json_has_only_the_nodes_with_a_row_that_matches(fleet: Lab) -> None:
    found = objects(fleet.run("versions", "--json", "--status", "current").out)

    Draft202012Validator(VERSIONS).validate(found[0])
    assert [(node["node"], node["releases"]) for node in found] == [
        (node_name(2), [{"vsn": "4.4.1", "status": "current"}])
    ]


def test_nothing_that_matches_is_said_in_a_sentence(fleet: Lab) -> None:
    table = fleet.run("versions", "--status", "permanent", "--vsn", "4.4.16", "--vsn", "4.4.17")
    machine = fleet.run("versions", "--json", "--status", "old", "--node", node_name(3))

    assert (table.code, table.out) == (0, "Installed versions:\n")
    assert table.err == "none of 3 nodes has a release 4.4.16 or 4.4.17 marked permanent\n"
    assert (machine.code, machine.out, machine.err) == (0, "", "the node has no release marked old\n")


def test_filters_answer_for_a_moment_in_the_past(fleet: Lab) -> None:
    then = fleet.run("versions", "--status", "permanent", "--vsn", "4.4.1", "--at", "2")

    assert (then.code, then.out) == (0, "Installed versions:\n")


@pytest.mark.parametrize(
    ("names", "nodes"),
    [
        ("emqx@10.0.0.*", [1, 2, 3]),
        ("emqx@10.0.0.[13]", [1, 3]),
        ("emqx@10.0.0.3,emqx@10.0.0.2", [2, 3]),
        ("release:emqx@10.0.0.1:*", [1]),
    ],
)
def test_a_pattern_names_many_nodes(fleet: Lab, names: str, nodes: list[int]) -> None:
    found = objects(fleet.run("versions", "--json", "--node", names).out)

    assert [node["node"] for node in found] == [node_name(number) for number in nodes]


def test_a_pattern_that_names_no_node_is_refused(fleet: Lab) -> None:
    answer = fleet.run("versions", "--node", "emqx@10.0.0.1,emqx@10.9.*")

    assert answer.code == 1
    assert "emqx@10.9.* is not registered" in answer.err


def test_a_change_takes_no_pattern(fleet: Lab) -> None:
    """One change is of one node: a pattern must not choose it, whatever it matches today."""
    answer = fleet.run("upgrade", "4.4.16", "--node", "emqx@10.0.0.3*")

    assert answer.code == 1
    assert "emqx@10.0.0.3* is not registered" in answer.err


def test_what_is_no_version_and_no_status_is_a_usage_error(fleet: Lab) -> None:
    assert fleet.run("versions", "--vsn", "4.4").code == 1
    assert fleet.run("versions", "--status", "gone").code == 1
