"""Go back to a lower release of the same line, and make it permanent.

It is unpacked first where that was not done.
"""

from cli.changing import change
from cli.options import ChangeOptions, NoPermanent, VsnArgument
from cli.session import Session
from ledger.domain.records import Verb

EXAMPLE = "downgrade 4.4.0 --reason 'memory grows'"


def downgrade(vsn: VsnArgument, *, no_permanent: NoPermanent = False, options: ChangeOptions, session: Session) -> int:
    """Do it and print the user guide's words."""
    return change(Verb.DOWNGRADE, vsn, options=options, session=session, permanent=not no_permanent)
