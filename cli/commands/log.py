"""List what happened, newest first.

--since and --until take an event number, last~2, a time, `2h ago` or the start of an id.
--at shows the list as it was then: without later events, and without notes that came later.
--proof is for --json: each object then has the proof of its event.
"""

from typing import Annotated

from cli.declared import Option
from cli.listing import list_events
from cli.offline import answer as answer_from_here
from cli.read_options import FilterOptions, ProofOption, ReadOptions
from cli.session import Session

EXAMPLE = "log --since '2 days ago' --failed --oneline"


def log(
    *,
    wanted: FilterOptions,
    read: ReadOptions,
    oneline: Annotated[bool, Option("--oneline", help="One line each.")] = False,
    proof: ProofOption = False,
    session: Session,
) -> int:
    """Print the events that are wanted."""
    answer_from_here(session)
    list_events(wanted, at=read.at, session=session, oneline=oneline, proof=proof)
    return 0
