"""Plan a release for many nodes, in waves, and see how far it is; each host takes its own turn.

Nothing is done over the network: a host upgrades with `upgrade VERSION --plan ID` when its wave is
open, which is when every node of the waves before it is done or excused. PLAN is the id of a plan
or its start; without it the newest is meant. --node takes patterns as 'emqx@10.0.*', with commas
between.
"""

from typing import Annotated

from cli.declared import Argument
from cli.fleet_options import FleetOptions
from cli.options import ReasonOption, TicketOption, VsnArgument
from cli.read_options import ReadOptions
from cli.session import Session

EXAMPLE = "fleet status"
PlanArgument = Annotated[str | None, Argument(metavar="[PLAN]", help="Which plan; else the newest, as with last.")]


def plan(vsn: VsnArgument, *, wanted: FleetOptions, session: Session) -> int:
    """Say which nodes may go, which not and why, and record the waves."""
    from cli.planning import plan_fleet  # noqa: PLC0415 # each pays for its own

    return plan_fleet(vsn, wanted, session=session)


def status(plan: PlanArgument = None, *, read: ReadOptions, session: Session) -> int:
    """Say of each wave how many nodes are how far; exit 7 while it is not finished."""
    from cli.plan_progress import show_progress  # noqa: PLC0415 # as above

    return show_progress(plan, at=read.at, session=session)


def excuse(
    plan: PlanArgument = None, *, reason: ReasonOption = None, ticket: TicketOption = None, session: Session
) -> int:
    """Let the later waves not wait for the nodes that --node names; needs --reason."""
    from cli.plan_progress import excuse_nodes  # noqa: PLC0415 # as above

    return excuse_nodes(plan, reason=reason, ticket=ticket, session=session)


SUBCOMMANDS = {
    "plan": (plan, "fleet plan 4.4.16 --waves 10% --reason 'CVE fix' --ticket CHG-1042"),
    "status": (status, "fleet status --json"),
    "excuse": (excuse, "fleet excuse --node emqx@10.0.0.9 --reason 'its host is being replaced'"),
}
