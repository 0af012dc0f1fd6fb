"""List the installed versions, in the order of the node's own list, newly unpacked first.

The answer comes from the ledger, also when the node is down. --live asks the node too and exits 7
where it shows something else. Of many nodes, --node takes patterns as 'emqx@10.0.*', with commas
between; --status and --vsn leave only the rows that match, and exit 0 where none does.
"""

from typing import Annotated

from cli.declared import Option
from cli.offline import answer as answer_from_here
from cli.read_options import ReadOptions, RowOptions
from cli.reading import tables_at
from cli.render_versions import versions_json, versions_text
from cli.rows import nothing_left, rows_of, told_of
from cli.session import Session

EXAMPLE = "versions --status permanent --vsn 4.4.16 --at '2h ago'"


def versions(
    *,
    live: Annotated[bool, Option("--live", help="Ask the node as well; exit 7 where it differs.")] = False,
    wanted: RowOptions,
    read: ReadOptions,
    session: Session,
) -> int:
    """Print the table."""
    answer_from_here(session)
    if live:
        from cli.asking import versions_live  # noqa: PLC0415 # only who asks the node pays for it

        return versions_live(read.at, wanted=wanted, session=session)
    answer = rows_of(tables_at(session, read.at), wanted)
    session.terminal.write(versions_json(told_of(answer, wanted)) if session.json else versions_text(answer, session))
    if nothing := nothing_left(answer, wanted):
        session.terminal.complain(nothing)
    session.terminal.advise(answer.rests_on)
    return 0
