"""Compare two moments, two nodes or two ledgers; exit 7 where they differ.

A moment is a number, last~2, a time, or the start of an id; a node is named with its @; a ledger
is a folder. Shown are the tables, and the attempts, restarts and drifts that one side has more.
"""

from typing import Annotated

from cli.comparing import compare
from cli.declared import Argument
from cli.session import Session

EXAMPLE = "diff '2 days ago' last"


def diff(
    a: Annotated[str, Argument(metavar="A", help="A moment, a node or the folder of a ledger.")],
    b: Annotated[str, Argument(metavar="B", help="Another one, of the same kind.")],
    *,
    session: Session,
) -> int:
    """Print what differs."""
    return compare(a, b, session=session)
