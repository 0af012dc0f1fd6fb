"""List the installed versions, in the order of the node's own list, newly unpacked first.

The answer comes from the ledger, also when the node is down. --live asks the node too and exits 7
where it shows something else.
"""

from typing import Annotated

from cli.declared import Option
from cli.options import ReadOptions
from cli.reading import tables_at
from cli.render_versions import versions_json, versions_text
from cli.session import Session

EXAMPLE = "versions --at '2h ago'"


def versions(
    *,
    live: Annotated[bool, Option("--live", help="Ask the node as well; exit 7 where it differs.")] = False,
    read: ReadOptions,
    session: Session,
) -> int:
    """Print the table."""
    if live:
        from cli.asking import versions_live  # noqa: PLC0415 # only who asks the node pays for it

        return versions_live(read.at, session=session)
    answer = tables_at(session, read.at)
    session.terminal.write(versions_json(answer) if session.json else versions_text(answer, session))
    session.terminal.advise(answer.rests_on)
    return 0
