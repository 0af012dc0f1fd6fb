"""``versions --at`` for every number and every time of a long history, against a fold that is written here.

The fold knows nothing of the product: plain lists over the JSON of the leaves, one event at a
time. Clocks go back now and then.
"""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from projections.catch_up import catch_up
from projections.nodes import NodeTable
from projections.read import open_ledger
from projections.sqlite import SqliteView
from projections.sqlite_store import views_in_memory
from tests.projections.histories import VSNS, Leaf, Move, World
from tests.projections.ledgers import make_ledger

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = 5_000
_CLOCKS = (1_000_000, 1, 60_000_000, -90_000_000, 7_200_000_000)
_WHOLE = {
    "node_restarted": "after",
    "drift_observed": "found",
    "operation_failed": "tables",
    "operation_recovered": "tables",
    "installation_registered": "tables",
}


@pytest.fixture(scope="module")
def log() -> tuple[Leaf, ...]:
    """Return a random history of many events."""
    chance, world = random.Random(20261123), World()  # noqa: S311 # a fixed seed: the same history on every machine
    while len(world.leaves) < EVENTS:
        move = Move(chance.randrange(2), chance.randrange(10), chance.randrange(len(VSNS)), chance.randrange(6), 0)
        world.play(move._replace(clock=chance.choice(_CLOCKS)))
    return tuple(world.leaves[:EVENTS])


@pytest.fixture(scope="module")
def view(log: tuple[Leaf, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteView]:
    """Give the view of that history."""
    folder: Path = make_ledger(tmp_path_factory.mktemp("long") / "ledger", log)
    with open_ledger(folder) as ledger, closing(views_in_memory()) as views:
        catch_up(views, ledger)
        yield SqliteView(views)


Rows = dict[str, list[tuple[str, str]]]


def states_of(log: tuple[Leaf, ...]) -> Iterator[Rows]:
    """Yield the rows of each node after each event."""
    rows: Rows = {}
    for leaf in log:
        envelope = json.loads(leaf.state)
        stream, name, data = envelope["stream"], envelope["type"].split(".")[2], envelope["data"]
        rows = {**rows, stream: after(rows.get(stream, []), name, data)}
        yield rows


def after(rows: list[tuple[str, str]], name: str, data: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of a node after one event (otp.md 2.1)."""
    if name in _WHOLE:
        return [(vsn, status) for vsn, status in data[_WHOLE[name]]["memory"]]
    if name == "unpacked":
        return rows if data["vsn"] in dict(rows) else [(data["vsn"], "unpacked"), *rows]
    if name == "uninstalled":
        return [row for row in rows if row[0] != data["vsn"]]
    if name in {"installed", "downgraded"}:
        runs = "permanent" if dict(rows)[data["to"]] == "permanent" else "current"
        freed = [(vsn, "old" if status == "current" else status) for vsn, status in rows]
        return [(vsn, runs if vsn == data["to"] else status) for vsn, status in freed]
    if name == "made_permanent":
        freed = [(vsn, "old" if status == "permanent" else status) for vsn, status in rows]
        return [(vsn, "permanent" if vsn == data["vsn"] else status) for vsn, status in freed]
    return rows


def shown(nodes: tuple[NodeTable, ...]) -> Rows:
    """Return what the view answers, in the form of the fold."""
    return {node.stream: list(node.releases) for node in nodes}


def test_the_table_at_every_event_is_that_of_an_independent_fold(log: tuple[Leaf, ...], view: SqliteView) -> None:
    """Every event of the history, none by sample."""
    wrong = [number for number, rows in enumerate(states_of(log)) if shown(view.nodes(at=number)) != rows]

    assert wrong == []


def test_a_time_answers_with_the_last_event_by_number_that_is_not_later(
    log: tuple[Leaf, ...], view: SqliteView
) -> None:
    """PRODUCT section 7: order is the number, never the clock; clocks go back in this history."""
    times = [json.loads(leaf.state)["recorded_at"] for leaf in log]
    newest: dict[str, int] = {}
    for moment in set(times):
        newest[moment] = max(number for number, time in enumerate(times) if time <= moment)

    found = {moment: view.position_at(moment) for moment in newest}
    wrong = [moment for moment, position in found.items() if position is None or position.number != newest[moment]]

    assert any(later < earlier for earlier, later in pairwise(times)), "no clock went back"
    assert wrong == []
