"""Install a release, up or down, and make it permanent.

It is unpacked first where that was not done. The record says which way it went.
"""

from cli.changing import change
from cli.options import ChangeOptions, NoPermanent, VsnArgument
from cli.session import Session
from ledger.domain.records import Verb

EXAMPLE = "install 4.4.16 --no-permanent"


def install(vsn: VsnArgument, *, no_permanent: NoPermanent = False, options: ChangeOptions, session: Session) -> int:
    """Do it and print the user guide's words."""
    return change(Verb.INSTALL, vsn, options=options, session=session, permanent=not no_permanent)
