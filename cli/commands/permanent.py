"""Make the current release permanent, so that a restart boots it."""

from cli.changing import change
from cli.options import ChangeOptions, VsnArgument
from cli.session import Session
from ledger.domain.records import Verb

EXAMPLE = "permanent 4.4.16"


def permanent(vsn: VsnArgument, *, options: ChangeOptions, session: Session) -> int:
    """Do it and print the user guide's words."""
    return change(Verb.PERMANENT, vsn, options=options, session=session)
