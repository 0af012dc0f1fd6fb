"""Make a ledger, its signing key and its settings, and register the installation in it.

What node and disk say now becomes the first event: a claim, not an observed history. Running
it twice changes nothing. With --driver embedded the installation is a rehearsal, for good.
"""

from typing import Annotated

from cli.declared import Option
from cli.installation_options import InstallationOptions
from cli.registering import register_installation
from cli.session import Session

EXAMPLE = "init --root /usr/lib/emqx"


def init(
    *,
    name: Annotated[
        str | None, Option("--name", metavar="ORIGIN", help="The name of a new ledger, for its signatures.")
    ] = None,
    options: InstallationOptions,
    session: Session,
) -> int:
    """Make and register, and say what was made and where."""
    return register_installation(options, session=session, makes_ledger=True, origin=name)
