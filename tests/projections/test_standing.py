"""Who was left behind: a lower release than that of its peers, or than one that is named."""

import pytest

from ledger.domain.version import VsnError
from projections.nodes import NodeFacts, NodeTable, Sight
from projections.standing import standings


def node(
    name: str, running: str | None, *, permanent: str = "4.4.0", kind: str = "live", edition: str = "emqx"
) -> NodeTable:
    """Return the table of one node."""
    releases = ((permanent, "permanent"),)
    return NodeTable(
        f"release:{name}", name, "/", kind, releases, running, "4.4.0", permanent, None, 0, facts=NodeFacts(edition)
    )


def behind(*nodes: NodeTable, target: str | None = None) -> dict[str, str | None]:
    """Return what each node is behind of, by its name."""
    sights = [Sight(n.stream, 0, "2026-01-01T00:00:00.000000Z", "installed", "node") for n in nodes]
    return {s.table.node: s.behind for s in standings(nodes, sights, target=target)}


def test_a_node_is_behind_the_highest_permanent_release_of_its_line() -> None:
    found = behind(node("a", "4.4.9", permanent="4.4.9"), node("b", "4.4.16", permanent="4.4.16"), node("c", "4.4.16"))

    assert found == {"a": "4.4.16", "b": None, "c": None}


def test_a_trial_elsewhere_leaves_nobody_behind() -> None:
    """What is current may be undone by a restart: it is no state to catch up with."""
    assert behind(node("a", "4.4.0"), node("b", "4.4.16")) == {"a": None, "b": None}


@pytest.mark.parametrize(
    "other",
    [
        node("b", "4.3.9", permanent="4.3.9"),
        node("b", "4.5.1", permanent="4.5.1"),
        node("b", "4.4.19", permanent="4.4.19", edition="emqx-ee"),
        node("b", "4.4.19", permanent="4.4.19", kind="rehearsal"),
        node("b", "odd", permanent="odd"),
    ],
    ids=["lower line", "higher line", "other edition", "rehearsal", "no version"],
)
def test_what_is_no_peer_is_not_compared(other: NodeTable) -> None:
    assert behind(node("a", "4.4.16", permanent="4.4.16"), other) == {"a": None, "b": None}


def test_a_node_without_a_version_is_never_behind() -> None:
    assert behind(node("a", None), node("b", "odd"), node("c", "4.4.16"), target="4.4.17") == {
        "a": None,
        "b": None,
        "c": "4.4.17",
    }


def test_a_target_is_compared_within_its_line() -> None:
    found = behind(node("a", "4.4.15"), node("b", "4.4.16"), node("c", "4.4.17"), node("d", "4.3.1"), target="4.4.16")

    assert found == {"a": "4.4.16", "b": None, "c": None, "d": None}


def test_a_pre_release_is_lower_than_its_release() -> None:
    """SemVer 2.0, section 11."""
    assert behind(node("a", "4.4.16-rc.1"), node("b", "4.4.16", permanent="4.4.16")) == {"a": "4.4.16", "b": None}


def test_a_target_that_is_no_version_is_refused() -> None:
    with pytest.raises(VsnError):
        behind(node("a", "4.4.0"), target="4.4")
