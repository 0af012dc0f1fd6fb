"""Register another installation in a ledger that exists.

What node and disk say now becomes its first event: a claim, not an observed history. Running
it twice changes nothing.
"""

from typing import Annotated

from cli.declared import Option
from cli.installation_options import InstallationOptions
from cli.moving import move_installation
from cli.registering import register_installation
from cli.session import Session

EXAMPLE = "register --root /opt/emqx --node emqx@10.0.0.8"


def register(
    *,
    continues: Annotated[
        str | None,
        Option("--continues", metavar="NODE", help="It is this node, moved or renamed: its history goes on."),
    ] = None,
    options: InstallationOptions,
    session: Session,
) -> int:
    """Register, and say what was registered."""
    if continues is not None:
        return move_installation(options, continues=continues, session=session)
    return register_installation(options, session=session)
