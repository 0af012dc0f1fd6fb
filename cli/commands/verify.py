"""Verify the ledger, a bundle, or a folder of tiles of any log; nothing is written to it.

Without an argument the ledger of this host is checked, with what lies outside its database. An
auditor gives a key or a policy of his own. Exit 0: verified; 6: failed; 3: undecided.
"""

from typing import Annotated

from cli.declared import Argument, Option
from cli.session import Session
from cli.verifying import Asked, verify_asked

EXAMPLE = "verify evidence.zip --vkey VKEY --state auditor.state"


def verify(
    bundle: Annotated[
        str | None, Argument(metavar="[BUNDLE]", help="A bundle (folder or zip), a folder of tiles or a ledger.")
    ] = None,
    *,
    policy: Annotated[
        str | None, Option("--policy", metavar="FILE", help="Whom you trust: logs, witnesses, quorum.")
    ] = None,
    vkey: Annotated[str | None, Option("--vkey", metavar="VKEY", help="The one key that you trust.")] = None,
    state: Annotated[
        str | None,
        Option("--state", metavar="FILE", help="Your own memory of what was verified last; written when verified."),
    ] = None,
    level: Annotated[
        int | None,
        Option(
            "--level",
            metavar="0..5",
            min=0,
            max=5,
            help="Ask for this level and all below; 4 and 5 ask for witnesses too.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        Option("--since", metavar="CHECKPOINT", help="Only what is newer than this note; `last`: than --state."),
    ] = None,
    held: Annotated[
        list[str] | None,
        Option("--held", metavar="CHECKPOINT", help="A note that somebody outside holds. May be repeated."),
    ] = None,
    session: Session,
) -> int:
    """Print the verdict."""
    asked = Asked(
        bundle=bundle, policy=policy, vkey=vkey, state=state, level=level, since=since, held=tuple(held or ())
    )
    return verify_asked(asked, session)
