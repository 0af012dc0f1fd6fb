"""Print the root folder of the installation, in quotes as EMQX prints it.

The quotes are those of an Erlang string: a quote or a backslash within has a backslash before it.
With --raw the path stands as it is. It is answered from the ledger, also when the node is down.
"""

from typing import Annotated

from cli.declared import Option
from cli.reading import one_node
from cli.render_versions import root_dir_json, root_dir_text
from cli.session import Session

EXAMPLE = "root_dir --raw"


def root_dir(*, raw: Annotated[bool, Option("--raw", help="Without quotes.")] = False, session: Session) -> int:
    """Print the root."""
    node = one_node(session)
    session.terminal.write(root_dir_json(node) if session.json else root_dir_text(node, raw=raw))
    return 0
