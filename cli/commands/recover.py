"""Close an attempt that was interrupted, from what the node and the disk show.

It says what it found, asks on a terminal, and appends to the record; nothing is edited.
"""

from cli.accepting import accept_tip
from cli.installation_options import RecoverOptions
from cli.recovering import recover_installation, refuse_dry_run
from cli.refilling import refill_ledger
from cli.session import Session

EXAMPLE = "recover --yes"


def recover(*, options: RecoverOptions, session: Session) -> int:
    """Look, ask, close."""
    refuse_dry_run(options)
    if options.accept_tip:
        return accept_tip(options, session=session)
    if options.refill is not None:
        return refill_ledger(options.refill, options, session=session)
    return recover_installation(options, session=session)
