"""Keep the views of a ledger in PostgreSQL up to date, so that no reader folds or waits.

It folds whatever any host records, as soon as it is recorded, and waits for a server that is
away; SIGTERM and Ctrl-C end it. It needs a login in ledger_writer, and no key. Without it, whoever
records does the same for their own commits; a second follower does no harm.
"""

from typing import Annotated

from cli.declared import Option
from cli.session import Session

EXAMPLE = "follow --ledger postgresql://follower@db.example.org/emqx_fleet"


def follow(
    *,
    once: Annotated[bool, Option("--once", help="Fold what is there and end, as for cron.")] = False,
    session: Session,
) -> int:
    """Fold what is recorded, until stopped."""
    from cli.following import follow_log  # noqa: PLC0415 # the library's runner costs more than a list of commands

    return follow_log(once=once, session=session)
