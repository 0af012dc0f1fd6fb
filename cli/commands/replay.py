"""Fold every event afresh and compare the result with the stored view; exit 7 where they differ.

--step shows the state after each event. --live compares with the node as well.
"""

from typing import Annotated

from cli.declared import Option
from cli.replaying import replay as replayed
from cli.session import Session

EXAMPLE = "replay --to yesterday --step"


def replay(
    *,
    to: Annotated[
        str | None, Option("--to", metavar="WHEN", help="Up to then: an event number, last~2, a time.")
    ] = None,
    step: Annotated[bool, Option("--step", help="Show the state after each event.")] = False,
    live: Annotated[bool, Option("--live", help="Compare with the node as well.")] = False,
    session: Session,
) -> int:
    """Print the state that the events lead to."""
    return replayed(to, step=step, live=live, session=session)
