"""Upgrade to a higher release of the same line, and make it permanent.

It is unpacked first where that was not done. With --plan it is the turn of this node in a plan of
`fleet plan`: refused while the waves before it are not complete, or where the plan goes elsewhere.
"""

from cli.changing import change
from cli.options import ChangeOptions, NoPermanent, PlanOption, VsnArgument
from cli.session import Session
from ledger.domain.records import Verb

EXAMPLE = "upgrade 4.4.16 --reason 'CVE fix' --ticket CHG-1042"


def upgrade(
    vsn: VsnArgument,
    *,
    no_permanent: NoPermanent = False,
    plan: PlanOption = None,
    options: ChangeOptions,
    session: Session,
) -> int:
    """Do it and print the user guide's words."""
    return change(Verb.UPGRADE, vsn, options=options, session=session, permanent=not no_permanent, plan=plan)
