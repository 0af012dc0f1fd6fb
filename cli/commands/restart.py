"""Restart the node and record it, with what the restart undid.

A rehearsal plays the boot.
"""

from cli.changing import change
from cli.options import ChangeOptions
from cli.session import Session
from ledger.domain.records import Verb

EXAMPLE = "restart --reason 'new boot parameters'"


def restart(*, options: ChangeOptions, session: Session) -> int:
    """Do it and print what it undid."""
    return change(Verb.RESTART, None, options=options, session=session)
