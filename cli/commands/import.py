"""Bring the history of another ledger into this one, with its proofs.

SOURCE is a ledger of one host (its folder) or a bundle (folder or zip). It is verified before
anything is written, under a key or a policy of yours, as `verify` does. A second run goes on where
the first broke off, or brings what is new.
"""  # noqa: N999 # the name of the command

from typing import Annotated

from cli.declared import Argument, Option
from cli.importing import Asked, import_asked
from cli.options import LeaveOptions
from cli.session import Session

EXAMPLE = "import /backup/broker7/release-ledger --vkey VKEY --ledger postgresql://ledger@db/fleet"


def import_history(
    source: Annotated[str, Argument(metavar="SOURCE", help="The folder of a ledger, or a whole bundle.")],
    *,
    policy: Annotated[
        str | None, Option("--policy", metavar="FILE", help="Whom you trust for SOURCE: logs, witnesses, quorum.")
    ] = None,
    vkey: Annotated[str | None, Option("--vkey", metavar="VKEY", help="The one key that you trust for SOURCE.")] = None,
    options: LeaveOptions,
    session: Session,
) -> int:
    """Verify, record what is new, and say so."""
    return import_asked(Asked(source=source, policy=policy, vkey=vkey), options, session=session)


globals()["import"] = import_history  # the name of the command is a word that Python keeps for itself
