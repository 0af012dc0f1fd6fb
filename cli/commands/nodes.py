"""List the nodes of the ledger: what each runs, what it boots next, when it was last seen, which were left behind.

Behind is a node that runs a lower release than the highest one that is permanent on a node of the
same kind and edition in its patch line, or than --target. It was last seen by the newest event
that was learnt from it. --node takes patterns as 'emqx@10.0.*', with commas between.
"""

from cli.fleet_options import NodeOptions
from cli.node_list import list_nodes
from cli.read_options import ReadOptions
from cli.session import Session

EXAMPLE = "nodes --behind --target 4.4.16 --sort seen"


def nodes(*, wanted: NodeOptions, read: ReadOptions, session: Session) -> int:
    """Print them."""
    return list_nodes(wanted, at=read.at, session=session)
