"""How far each node of a plan is, told by its table, its attempts since, excuses and the waves before it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from ledger.adapters.sqlite_schema import create_statements
from ledger.dataclass import replace
from ledger.domain.fleet import FleetPlan, PlanPartsError, recorded
from ledger.domain.ledger_events import FleetNodesExcused
from ledger.domain.records import Actor, Context, Source
from projections.catch_up import catch_up
from projections.fleet import NoSuchPlanError, Progress, progress_of, stored_plan, turn_of
from projections.past import PastView
from projections.sqlite import SqliteView
from projections.sqlite_store import views_in_memory
from projections.view import View
from tests.projections.fleets import EXCUSED, INTENT, OTHER, PLAN, PLANNED, REFUSED, fleet_log
from tests.projections.histories import STREAMS, VSNS, Leaf, Move, World
from tests.projections.imports import take
from tests.projections.ledgers import insert

WHOLE = EXCUSED - 1
CONTEXT = Context(actor=Actor(id="os:0"), source=Source(host_id="0" * 64, tool="test"))


@contextmanager
def folded(log: tuple[Leaf, ...]) -> Iterator[tuple[View, sqlite3.Connection]]:
    """Give the view of a log, and the log."""
    with closing(views_in_memory()) as views, closing(sqlite3.connect(":memory:", isolation_level=None)) as ledger:
        for statement in create_statements():
            ledger.execute(statement)
        insert(ledger, log)
        catch_up(views, ledger)
        yield SqliteView(views), ledger


def progress(view: View, ledger: sqlite3.Connection, plan: str = PLAN.id) -> list[Progress]:
    """Return how far the nodes of a plan are, in its order."""
    return [node.progress for wave in progress_of(view, stored_plan(view, ledger, plan)) for node in wave.nodes]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (WHOLE, [Progress.BEHIND, Progress.WAITING]),
        (EXCUSED, [Progress.BEHIND, Progress.EXCUSED]),
        (INTENT, [Progress.UNDER_WAY, Progress.EXCUSED]),
        (REFUSED - 1, [Progress.DONE, Progress.EXCUSED]),
        (REFUSED, [Progress.DONE, Progress.EXCUSED]),
    ],
)
def test_a_node_goes_from_waiting_to_done(last: int, expected: list[Progress]) -> None:
    with folded(fleet_log()) as (view, ledger):
        assert progress(PastView(view, last=last), ledger) == expected


def test_an_attempt_that_failed_is_told_until_it_is_made_good() -> None:
    world = World()
    world.play(Move(0, 0, 0, 0, 1_000_000))
    for event in recorded(OTHER, version=1, context=CONTEXT):
        world.append(event)
    world.play(Move(0, 2, 1, 0, 1_000_000))
    failed = len(world.leaves) - 1
    world.play(Move(0, 2, 1, 3, 1_000_000))

    with folded(tuple(world.leaves)) as (view, ledger):
        assert progress(PastView(view, last=failed), ledger, OTHER.id) == [Progress.FAILED]
        assert progress(view, ledger, OTHER.id) == [Progress.DONE]


def test_the_newest_plan_is_meant_where_none_is_named() -> None:
    with folded(fleet_log()) as (view, ledger):
        assert stored_plan(view, ledger, None).plan == stored_plan(view, ledger, "last").plan == OTHER
        assert stored_plan(view, ledger, PLAN.id[:4]).plan == PLAN


@pytest.mark.parametrize("text", ["", "012", "beef", f"{PLAN.id}0"])
def test_an_id_that_names_no_plan_is_refused(text: str) -> None:
    with folded(fleet_log()) as (view, ledger), pytest.raises(NoSuchPlanError):
        stored_plan(view, ledger, text)


def test_a_plan_of_which_parts_are_not_there_is_not_taken() -> None:
    with folded(fleet_log()) as (view, ledger), pytest.raises(PlanPartsError):
        stored_plan(PastView(view, last=PLANNED + 1), ledger, PLAN.id)


def test_a_turn_names_all_that_speaks_against_it() -> None:
    """PRODUCT section 3: all reasons at once."""
    with folded(fleet_log()) as (view, ledger):
        early = turn_of(PastView(view, last=WHOLE), ledger, PLAN.id, stream=STREAMS[1][0], vsn=VSNS[1])
        left_out = turn_of(view, ledger, PLAN.id, stream="release:emqx@c", vsn=PLAN.to)
        stranger = turn_of(view, ledger, PLAN.id, stream="release:emqx@d", vsn=PLAN.to)
        open_now = turn_of(view, ledger, PLAN.id, stream=STREAMS[1][0], vsn=PLAN.to)

    assert [reason.message for reason in early.reasons] == ["the plan does not go to 4.4.1", "wave 2 is not open"]
    assert [reason.fact for reason in left_out.reasons] == [f"plan {PLAN.id} left it out: os, arch"]
    assert [reason.message for reason in stranger.reasons] == ["this node is not in the plan"]
    assert (open_now.wave, open_now.plan_sha256, open_now.reasons) == (2, PLAN.sha256, ())


def with_plans_of_another(*, own: tuple[FleetPlan, ...]) -> tuple[Leaf, ...]:
    """Return the log of a ledger that made *own* plans and then imported a fleet with plans and an excuse."""
    world, version = World(), 1
    for plan in own:
        for event in recorded(plan, version=version, context=CONTEXT):
            world.append(event)
            version += 1
    take(world, fleet_log())
    return tuple(world.leaves)


def test_a_plan_that_was_imported_is_found_by_its_id_alone() -> None:
    """Issue 9: who says ``last`` on a host means the plan of the fleet, whatever is imported meanwhile."""
    mine = replace(OTHER, id="feedfeedfeed")
    with folded(with_plans_of_another(own=(mine,))) as (view, ledger):
        assert stored_plan(view, ledger, None).plan == stored_plan(view, ledger, "last").plan == mine
        assert stored_plan(view, ledger, PLAN.id).plan.id == PLAN.id
        assert set(stored_plan(view, ledger, PLAN.id).excused) == {STREAMS[1][0]}
    with (
        folded(with_plans_of_another(own=())) as (view, ledger),
        pytest.raises(NoSuchPlanError, match="made no fleet plan"),
    ):
        stored_plan(view, ledger, None)


def test_another_log_has_no_say_in_a_plan_of_this_one() -> None:
    """Whoever writes a ledger that is imported chooses the ids of its plans, and whom they excuse."""
    with folded(with_plans_of_another(own=(PLAN,))) as (view, ledger):
        stored = stored_plan(view, ledger, PLAN.id[:6])

    assert (stored.plan, stored.excused) == (PLAN, {})


def excusing(world: World, *, version: int) -> None:
    """Let the ledger of *world* excuse the second wave of the plan."""
    streams = PLAN.waves[1]
    world.append(FleetNodesExcused(originator_version=version, context=CONTEXT, fleet_plan=PLAN.id, streams=streams))


def planned() -> tuple[Leaf, ...]:
    """Return the log of a ledger that made the plan and excused nobody."""
    world = World()
    for event in recorded(PLAN, version=1, context=CONTEXT):
        world.append(event)
    return tuple(world.leaves)


def moved(leaves: tuple[Leaf, ...], *, origin: str, excuses: bool) -> tuple[Leaf, ...]:
    """Return the log of a ledger in which that of *origin* goes on."""
    world = World()
    take(world, leaves, origin=origin)
    if excuses:
        excusing(world, version=len(world.leaves) + 1)
    return tuple(world.leaves)


@pytest.mark.parametrize("by", [0, 1, 2])
def test_an_excuse_counts_whichever_of_the_ledgers_it_was_made_in_that_the_plan_came_through(by: int) -> None:
    """A ledger that moved twice: who was excused in the second one is not waited for in the third."""
    world = World()
    world.leaves = list(planned())
    if by == 0:
        excusing(world, version=len(world.leaves) + 1)
    second = moved(tuple(world.leaves), origin="example.com/a", excuses=by == 1)

    with folded(moved(second, origin="example.com/b", excuses=by == 2)) as (view, ledger):
        assert set(stored_plan(view, ledger, PLAN.id).excused) == set(PLAN.waves[1])


def test_an_excuse_of_a_ledger_that_the_plan_did_not_come_through_counts_for_nothing() -> None:
    """It may itself have come through the same ledger as the plan."""
    stranger = World()
    excusing(stranger, version=1)
    between = World()
    take(between, planned(), origin="example.com/a")
    take(between, tuple(stranger.leaves), origin="example.com/x")

    with folded(moved(tuple(between.leaves), origin="example.com/b", excuses=False)) as (view, ledger):
        assert stored_plan(view, ledger, PLAN.id).excused == {}
