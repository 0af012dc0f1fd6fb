"""``nodes``: what each node runs, boots next and was last seen doing; which were left behind."""

import pytest
from jsonschema import Draft202012Validator

from tests.cli.fleet import make_fleet, node_name, objects
from tests.cli.lab import Lab
from tests.cli.schemas import schema_of

NODE = schema_of("node")


@pytest.fixture(scope="module")
def fleet(pattern: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return a ledger of three nodes: one upgraded, one on trial, one as it was (events 0 to 2, then 9)."""
    made = make_fleet(pattern.copied(tmp_path_factory.mktemp("fleet") / "host"))
    made.run("upgrade", "4.4.1", "--node", node_name(1), "--reason", "CVE fix")
    made.run("upgrade", "4.4.1", "--node", node_name(2), "--no-permanent")
    made.run("note", "2", "this one is moved on Friday")
    return made


def names(fleet: Lab, *arguments: str) -> list[str]:
    """Return the names of the nodes that are listed."""
    return [line.partition(" ")[0] for line in fleet.run("nodes", *arguments).out.splitlines()]


def test_each_node_stands_in_one_row(fleet: Lab) -> None:
    rows = [line.split("\t") for line in fleet.run("nodes").out.splitlines()]

    assert [row[:5] for row in rows] == [
        ["emqx@10.0.0.1 (rehearsal)", "4.4.1", "4.4.1", "4.4.1", "-"],
        ["emqx@10.0.0.2 (rehearsal)", "4.4.1", "4.4.0", "4.4.0", "-"],
        ["emqx@10.0.0.3 (rehearsal)", "4.4.0", "4.4.0", "4.4.0", "4.4.1"],
    ]
    assert [row[6:] for row in rows] == [
        ["operation completed, embedded", "-"],
        ["operation completed, embedded", "-"],
        ["installation registered, embedded", "-"],
    ]


def test_json_follows_its_schema(fleet: Lab) -> None:
    found = objects(fleet.run("nodes", "--json").out)

    for node in found:
        Draft202012Validator(NODE).validate(node)
    assert [node["last_seen"]["event"] for node in found] == [7, 11, 2]
    assert found[2]["behind"] == "4.4.1"
    assert found[0]["facts"]["edition"] == "emqx"
    assert found[0]["as_of"]["tree_size"] == 13


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (("--behind",), [3]),
        (("--behind", "--target", "4.4.16"), [1, 2, 3]),
        (("--target", "4.3.9", "--behind"), []),
        (("--vsn", "4.4.0"), [3]),
        (("--vsn", "4.4.0", "--vsn", "4.4.1"), [1, 2, 3]),
        (("--kind", "live"), []),
        (("--kind", "rehearsal", "--node", "emqx@10.0.0.[12]"), [1, 2]),
        (("--half-permanent",), []),
        (("--unseen-since", "8"), [1, 3]),
        (("--unseen-since", "7"), [3]),
        (("--unseen-since", "1h ago"), []),
        (("--sort", "seen"), [3, 1, 2]),
        (("--sort", "running"), [3, 1, 2]),
        (("--sort", "node"), [1, 2, 3]),
        (("--open", "--at", "4"), [1]),
        (("--open",), []),
        (("--at", "0"), [1]),
        (("--behind", "--at", "4"), []),
    ],
)
def test_nodes_are_filtered_and_sorted(fleet: Lab, arguments: tuple[str, ...], numbers: list[int]) -> None:
    assert names(fleet, *arguments) == [node_name(number) for number in numbers]


def test_a_node_out_of_the_list_still_counts_for_what_is_behind(fleet: Lab) -> None:
    assert names(fleet, "--behind", "--node", node_name(3)) == [node_name(3)]


def test_no_node_is_said_in_a_sentence(fleet: Lab) -> None:
    answer = fleet.run("nodes", "--vsn", "4.4.16")

    assert (answer.code, answer.out, answer.err) == (0, "", "none of 3 nodes is like that\n")


def test_an_open_attempt_names_what_it_is_about(fleet: Lab) -> None:
    then = fleet.run("nodes", "--at", "4", "--node", node_name(1))

    assert then.out.rstrip("\n").endswith("\tupgrade 4.4.1")
    Draft202012Validator(NODE).validate(objects(fleet.run("nodes", "--at", "4", "--json").out)[0])


@pytest.mark.parametrize(
    "arguments", [("--target", "latest"), ("--vsn", "4.4"), ("--sort", "colour"), ("--unseen-since", "soon")]
)
def test_what_has_no_meaning_is_a_usage_error(fleet: Lab, arguments: tuple[str, ...]) -> None:
    assert fleet.run("nodes", *arguments).code == 1
