"""Print the root folder of the installation, in quotes as EMQX prints it.

The quotes are those of an Erlang string: a quote or a backslash within has a backslash before it.
With --raw the path stands as it is. It is answered from the ledger, also when the node is down;
with --at as it was then.
"""

from typing import Annotated

from cli.declared import Option
from cli.offline import answer as answer_from_here
from cli.read_options import ReadOptions
from cli.reading import one_node
from cli.render_versions import root_dir_json, root_dir_text
from cli.session import Session

EXAMPLE = "root_dir --raw"


def root_dir(
    *,
    raw: Annotated[bool, Option("--raw", help="Without quotes.")] = False,
    read: ReadOptions,
    session: Session,
) -> int:
    """Print the root."""
    answer_from_here(session)
    node, moment = one_node(session, read.at)
    session.terminal.write(root_dir_json(node, moment) if session.json else root_dir_text(node, raw=raw))
    if read.at is not None:
        session.terminal.advise(moment.in_words)
    return 0
