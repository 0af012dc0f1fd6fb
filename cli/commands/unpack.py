"""Unpack a release without installing it.

Its package lies in releases/ of the installation, under the name it was published with.
"""

from cli.changing import change
from cli.options import ChangeOptions, VsnArgument
from cli.session import Session
from ledger.domain.records import Verb

EXAMPLE = "unpack 4.4.16"


def unpack(vsn: VsnArgument, *, options: ChangeOptions, session: Session) -> int:
    """Do it and print the user guide's words."""
    return change(Verb.UNPACK, vsn, options=options, session=session)
