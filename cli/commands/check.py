"""Say of each point whether it is in order: node, boot files, lock, space, owners, clock, key, holders, settings.

It says what a restart would do now. Exit 7 where node or disk are otherwise than recorded, or
something stands against the next change.
"""

from typing import Annotated

from cli.checking import check_installations
from cli.declared import Option
from cli.options import LeaveOptions
from cli.session import Session

EXAMPLE = "check --record --reason 'after the outage'"


def check(
    *,
    record: Annotated[
        bool, Option("--record", help="Append what happened outside the ledger: restarts, other changes.")
    ] = False,
    options: LeaveOptions,
    session: Session,
) -> int:
    """Print the points."""
    return check_installations(record=record, options=options, session=session)
