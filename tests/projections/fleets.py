"""The log of a fleet: two nodes, two plans, one excuse, and one node that takes its turn."""

from ledger.domain.fleet import FleetPlan, recorded
from ledger.domain.ledger_events import FleetNodesExcused
from ledger.domain.outcomes import Turn
from ledger.domain.records import Actor, Context, Source
from tests.projections.histories import STREAMS, VSNS, Leaf, Move, World

PLAN = FleetPlan(
    id="0123456789ab",
    to=VSNS[2],
    packages=(),
    waves=((STREAMS[0][0],), (STREAMS[1][0],)),
    left_out=((("os", "arch"), ("release:emqx@c",)),),
)
OTHER = FleetPlan(id="ba9876543210", to=VSNS[1], packages=(), waves=((STREAMS[0][0],),), left_out=())
PLANNED, EXCUSED, INTENT, TURN, REFUSED = 2, 6, 9, 10, 15
_UPGRADE = 2


def fleet_log() -> tuple[Leaf, ...]:
    """Return the log; the constants above name some of its events."""
    world = World()
    for node in (0, 1):
        world.play(Move(node, 0, 0, 0, 1_000_000))
    context = Context(actor=Actor(id="os:0"), source=Source(host_id="0" * 64, tool="release-ledger/test"))
    for event in recorded(PLAN, version=1, context=context):
        world.append(event)
    streams = PLAN.waves[1]
    world.append(FleetNodesExcused(originator_version=5, context=context, fleet_plan=PLAN.id, streams=streams))
    for event in recorded(OTHER, version=6, context=context):
        world.append(event)
    world.turn = Turn(plan=PLAN.id, plan_sha256=PLAN.sha256, wave=1)
    world.play(Move(0, _UPGRADE, 2, 3, 1_000_000))
    world.turn = None
    world.play(Move(0, _UPGRADE, 2, 3, 1_000_000))
    world.play(Move(1, _UPGRADE, 1, 0, 1_000_000))
    return tuple(world.leaves)
