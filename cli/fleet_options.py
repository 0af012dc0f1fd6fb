"""Options of the commands that look over many nodes, or plan for them."""

from enum import StrEnum
from typing import Annotated

from cli.declared import Group, Option
from cli.options import ReasonOption, TicketOption


class KindChoice(StrEnum):
    """What ``--kind`` takes."""

    LIVE = "live"
    REHEARSAL = "rehearsal"


class NodeOrder(StrEnum):
    """What ``--sort`` takes: in the order of registration, by name, lowest release first, longest unseen first."""

    REGISTERED = "registered"
    NODE = "node"
    RUNNING = "running"
    SEEN = "seen"


class NodeOptions(Group):
    """Which nodes are wanted, compared with what, in which order."""

    target: Annotated[
        str | None,
        Option("--target", metavar="VERSION", help="Behind is who runs lower than this; else than its peers."),
    ] = None
    behind: Annotated[bool, Option("--behind", help="Left behind.")] = False
    vsn: Annotated[
        list[str] | None, Option("--vsn", metavar="VERSION", help="Running this release; may be repeated.")
    ] = None
    kind: Annotated[KindChoice | None, Option("--kind", help="Live nodes, or rehearsals.")] = None
    open: Annotated[bool, Option("--open", help="With an open attempt.")] = False
    half_permanent: Annotated[bool, Option("--half-permanent", help="Whose boot files disagree.")] = False
    unseen_since: Annotated[
        str | None, Option("--unseen-since", metavar="WHEN", help="Not seen since then, for example `30d ago`.")
    ] = None
    sort: Annotated[NodeOrder, Option("--sort", help="The order.")] = NodeOrder.REGISTERED


class FleetOptions(Group):
    """For which nodes a fleet's plan is made, by what they are judged, and in which waves they go."""

    canary: Annotated[
        int, Option("--canary", metavar="N", min=0, max=100_000, help="So many nodes in the first wave.")
    ] = 1
    waves: Annotated[
        str, Option("--waves", metavar="N|PERCENT", help="So many nodes in each wave behind it, or a part of all.")
    ] = "10%"
    package: Annotated[
        list[str] | None,
        Option("--package", metavar="NAME", help="A package of the release, by its name; may be repeated."),
    ] = None
    seen_since: Annotated[
        str, Option("--seen-since", metavar="WHEN", help="Leave out who was not seen since then.")
    ] = "30d ago"
    kind: Annotated[KindChoice | None, Option("--kind", help="Live nodes, or rehearsals.")] = None
    dry_run: Annotated[bool, Option("--dry-run", help="Print the plan; record nothing.")] = False
    reason: ReasonOption = None
    ticket: TicketOption = None
