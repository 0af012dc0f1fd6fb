"""List the installed versions, in the order of the node's own list, newly unpacked first.

The answer comes from the ledger, also when the node is down.
"""

from cli.options import ReadOptions
from cli.reading import tables_at
from cli.render_versions import versions_json, versions_text
from cli.session import Session

EXAMPLE = "versions --at '2h ago'"


def versions(*, read: ReadOptions, session: Session) -> int:
    """Print the table."""
    answer = tables_at(session, read.at)
    session.terminal.write(versions_json(answer) if session.json else versions_text(answer))
    session.terminal.advise(answer.rests_on)
    return 0
