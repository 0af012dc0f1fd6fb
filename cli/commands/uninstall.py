"""Remove a release that is old or unpacked, with what no other release uses."""

from typing import Annotated

from cli.changing import change
from cli.declared import Option
from cli.options import ChangeOptions, VsnArgument
from cli.session import Session
from ledger.domain.records import Verb

EXAMPLE = "uninstall 4.4.0 --yes"

# EMQX's own command takes it with every verb and ignores it here; scripts that pass it go on working.
_Ignored = Annotated[bool, Option("--no-permanent", hidden=True)]


def uninstall(
    vsn: VsnArgument,
    *,
    no_permanent: _Ignored = False,  # noqa: ARG001 # accepted and without a meaning, as in EMQX
    options: ChangeOptions,
    session: Session,
) -> int:
    """Do it and print the user guide's words."""
    return change(Verb.UNINSTALL, vsn, options=options, session=session, asks=True)
