"""Let an installation leave the ledger: no command changes it any more, and its history stays.

Nothing of the installation itself is touched. `register` takes it back.
"""

from cli.moving import unregister_installation
from cli.options import LeaveOptions
from cli.session import Session

EXAMPLE = "unregister --node emqx@10.0.0.7 --reason 'host retired'"


def unregister(*, options: LeaveOptions, session: Session) -> int:
    """Record that it left."""
    return unregister_installation(options, session=session)
