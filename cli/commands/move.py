"""Let the ledger of this host go on elsewhere, usually in PostgreSQL, with all that it holds.

The old ledger gets a last event that says where it went on, and is imported whole; this host joins
the new one as `init` would. Broken off, it is finished by running it again.
"""

from typing import Annotated

from cli.declared import Option
from cli.moving_on import Wanted, move_ledger
from cli.options import LeaveOptions, WaitOption
from cli.session import Session

EXAMPLE = "move --ledger /var/lib/release-ledger --to postgresql://ledger@db/fleet"


def move(
    *,
    to: Annotated[str, Option("--to", metavar="PLACE", help="Where it goes on: postgresql://..., or a folder.")],
    name: Annotated[
        str | None, Option("--name", metavar="ORIGIN", help="The name of the new ledger, where it is made.")
    ] = None,
    wait: WaitOption = 0.0,
    options: LeaveOptions,
    session: Session,
) -> int:
    """Verify, close the old ledger, import it, and say where it goes on."""
    return move_ledger(Wanted(to=to, name=name, wait=wait), options, session=session)
