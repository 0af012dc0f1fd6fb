"""Show one attempt in full, from intent to outcome, or one event that belongs to none.

EVENT is a number, last, last~2, a time, or the start of an id; an event stands for its attempt.
--at shows what was known then: an attempt that was under way is open, and later notes are not there.
"""

from typing import Annotated

from cli.declared import Argument
from cli.offline import answer as answer_from_here
from cli.read_options import ProofOption, ReadOptions
from cli.session import Session
from cli.showing import show_event

EXAMPLE = "show last"


def show(
    event: Annotated[str, Argument(metavar="EVENT", help="Which one: a number, last~2, the start of an id.")],
    *,
    read: ReadOptions,
    proof: ProofOption = False,
    session: Session,
) -> int:
    """Print it."""
    answer_from_here(session)
    show_event(event, at=read.at, session=session, proof=proof)
    return 0
