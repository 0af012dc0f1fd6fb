"""Asking the nodes beside the record: ``versions --live``.

stdout has the table of the record, as without ``--live``; what the node shows otherwise stands on
stderr, and exit 7 tells it.
"""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from cli.exit_codes import DIFFERENT, DONE
from cli.live import look_at, own_of
from cli.plain_text import plain
from cli.read_options import RowOptions
from cli.reading import Answer, ask, tables_at
from cli.render_versions import versions_json, versions_text
from cli.rows import rows_of, told_of
from cli.session import Session
from ledger.application.reconcile import unrecorded
from ledger.domain.releases import NodeReleases
from ledger.errors import UsageError
from projections.refold import node_now
from projections.view import View
from projections.whereabouts import whereabouts


class LiveThenError(UsageError):
    """A node is asked how it was."""

    def __init__(self) -> None:
        super().__init__(
            "--live and --at do not go together",
            fact="a node shows only what it is now",
            hint="leave one of them away; `release-ledger diff` compares two moments",
        )


class _Asked(NamedTuple):
    """The answer of the record, with the fold of each node in it that is on this host."""

    answer: Answer
    nodes: Mapping[str, NodeReleases]


def versions_live(at: str | None, *, wanted: RowOptions, session: Session) -> int:
    """Print the rows of the record that are wanted and how the nodes differ from it; return the exit code.

    Raises: LiveThenError; the errors of reading a ledger; as ``look_at``.
    """
    if at is not None:
        raise LiveThenError
    answer = tables_at(session, None)
    shown = rows_of(answer, wanted)
    asked = ask(session, lambda view, ledger: _folded(view, ledger, answer, session))
    live = {stream: tuple(unrecorded(node, look_at(node, session))) for stream, node in asked.nodes.items()}
    if session.json:
        session.terminal.write(versions_json(told_of(shown, wanted), live=live))
    else:
        session.terminal.write(versions_text(shown, session))
        for node in answer.nodes:
            for text in live.get(node.stream, ()):
                session.terminal.complain(f"differs: {plain(node.node)}: {plain(text)}\n")
    session.terminal.advise(answer.rests_on)
    return DIFFERENT if any(live.values()) else DONE


def _folded(_: View, ledger: sqlite3.Connection, answer: Answer, session: Session) -> _Asked:
    size, streams = answer.moment.size, {node.stream for node in answer.nodes}
    own = own_of([place for place in whereabouts(ledger) if place.id in streams], session)
    return _Asked(answer, {place.id: node_now(ledger, place.id, stop=size) for place in own})
