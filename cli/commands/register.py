"""Register another installation in a ledger that exists.

What node and disk say now becomes its first event: a claim, not an observed history. Running
it twice changes nothing.
"""

from cli.options import InstallationOptions
from cli.registering import register_installation
from cli.session import Session

EXAMPLE = "register --root /opt/emqx --node emqx@10.0.0.8"


def register(*, options: InstallationOptions, session: Session) -> int:
    """Register, and say what was registered."""
    return register_installation(options, session=session)
