"""Remove a release that is old or unpacked, with what no other release uses."""

from cli.changing import change
from cli.options import ChangeOptions, VsnArgument
from cli.session import Session
from ledger.domain.records import Verb

EXAMPLE = "uninstall 4.4.0 --yes"


def uninstall(vsn: VsnArgument, *, options: ChangeOptions, session: Session) -> int:
    """Do it and print the user guide's words."""
    return change(Verb.UNINSTALL, vsn, options=options, session=session, asks=True)
