"""Write a note or a correction beside an event; the event itself stays as it is.

EVENT is a number, last, last~2, a time, or the start of an id. TEXT may have several lines.
"""

from typing import Annotated

from cli.annotating import add_note
from cli.declared import Argument, Option
from cli.session import Session

EXAMPLE = "note 12 'the ticket is CHG-1043' --corrects"


def note(
    event: Annotated[str, Argument(metavar="EVENT", help="Which one: a number, last~2, the start of an id.")],
    text: Annotated[str, Argument(metavar="TEXT", help="What is to stand beside it.")],
    *,
    corrects: Annotated[bool, Option("--corrects", help="It sets right what the event says.")] = False,
    session: Session,
) -> int:
    """Append it."""
    return add_note(event, text, corrects=corrects, session=session)
