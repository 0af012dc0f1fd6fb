"""Reading the record for a command: the view of the ledger, caught up, and the nodes that are meant.

Neither the event store nor a key is needed, and nothing is written but the view.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from cli.session import Session
from cli.whom import choose, matching, those
from projections.catch_up import read_folder, streamed_folder
from projections.history import HistoryFilter
from projections.nodes import NodeTable
from projections.position import Position
from projections.roots import root_of
from projections.sqlite import SqliteView
from projections.view import View
from projections.when import resolve_when

_Answer = TypeVar("_Answer")
Ask = Callable[[SqliteView, sqlite3.Connection], _Answer]


class Moment(NamedTuple):
    """What an answer rests on: the first *size* events, with their root.

    *stamped_later* tells that an event among them carries a later time than was asked for. With a
    time in *at* only those of them count that had been recorded by then, here or where they were imported from.
    """

    size: int
    root: str | None
    stamped_later: bool = False
    at: str | None = None

    @property
    def in_words(self) -> str:
        """The last event that the answer rests on."""
        root = f", root {self.root}" if self.root else ""
        by_then = f"; of imported events those that were recorded by {self.at}" if self.at else ""
        late = "; the clock was set back: an event up to it carries a later time" if self.stamped_later else ""
        return f"as of event {self.size - 1}{root}{by_then}{late}"

    @property
    def record(self) -> Mapping[str, object]:
        """The moment for machines, as *as_of*."""
        known = {"tree_size": self.size, "root": self.root, "at": self.at}
        return {name: value for name, value in known.items() if value}


class Answer(NamedTuple):
    """The tables of nodes and the moment they rest on."""

    nodes: tuple[NodeTable, ...]
    moment: Moment

    @property
    def rests_on(self) -> str:
        """The last event that the answer rests on, in words."""
        return self.moment.in_words


def ask(session: Session, question: Ask[_Answer], *, shared: bool = True) -> _Answer:
    """Return the answer to *question*, given the view of the ledger and the ledger.

    Without *shared* it is a view that other hosts cannot write, as a change needs that relies on it.
    Raises: the errors of reading a ledger, and those of *question*.
    """
    folder = session.settings.ledger.value
    return read_folder(folder, _watched(question, session), shared=shared)


def ask_for_lines(session: Session, question: Ask[_Answer]) -> AbstractContextManager[_Answer]:
    """Give the answer to *question*; lines and the ledger in it can be read for as long as this is open.

    Raises: as ``ask``; ListBrokenOffError.
    """
    return streamed_folder(session.settings.ledger.value, _watched(question, session))


def _watched(question: Ask[_Answer], session: Session) -> Ask[_Answer]:
    """Return *question*, which also tells where a server has less than this host knows of: once a command."""
    if session.watched or not os.path.isfile(session.settings.ledger.value / "place"):  # noqa: PTH113 # unlike pathlib, it says no where it may not look
        return question
    from cli.guarding import guarded_size, tell_of_less  # noqa: PLC0415 # only a ledger in PostgreSQL pays for it

    guarded = guarded_size(session.settings.ledger.value)

    def watched(view: SqliteView, ledger: sqlite3.Connection) -> _Answer:
        if not session.watched:
            session.watched = True
            tell_of_less(ledger, guarded, session)
        return question(view, ledger)

    return watched


def tables_at(session: Session, when: str | None) -> Answer:
    """Return the tables of the nodes that are meant, now or as they were *when*.

    Raises: as ``ask``; WhenError, NoSuchEventError, NodeUnknownError, NothingRegisteredError.
    """

    def question(view: View, ledger: sqlite3.Connection) -> Answer:
        position, moment = _resolved(view, ledger, when)
        return Answer(matched(view.nodes(at=position), session), moment)

    return ask(session, question)


def one_node(session: Session, when: str | None = None) -> tuple[NodeTable, Moment]:
    """Return the one node that is meant, now or as it was *when*, and what that rests on.

    Where hosts share the ledger and none is named, the one of this host is meant.

    Raises: as ``tables_at``; NodeAmbiguousError.
    """

    def question(view: View, ledger: sqlite3.Connection) -> tuple[tuple[NodeTable, ...], Moment]:
        then, moment = as_then(view, ledger, when)
        nodes = then.nodes()
        if len(nodes) > 1 and session.settings.node.value is None:
            from cli.here import only_own  # noqa: PLC0415 # a ledger of one node has no need of it

            nodes = only_own(nodes, ledger, folder=session.settings.ledger.value)
        return nodes, moment

    nodes, moment = ask(session, question)
    return choose([(node.node, node.stream, node) for node in nodes], session.settings.node.value), moment


def moment_at(ledger: sqlite3.Connection, position: Position) -> Moment:
    """Return what an answer at a position rests on."""
    size = position.number + 1
    return Moment(size, root_of(ledger, size), position.stamped_later, position.moment)


def as_then(view: View, ledger: sqlite3.Connection, when: str | None) -> tuple[View, Moment]:
    """Return *view*, or *view* as it was *when*, and what its answers rest on.

    Raises: WhenError, NoSuchEventError.
    """
    position, moment = _resolved(view, ledger, when)
    if position is None:
        return view, moment
    from projections.past import PastView  # noqa: PLC0415 # only who asks for the past pays for it

    return PastView(view, last=position), moment


def _resolved(view: View, ledger: sqlite3.Connection, when: str | None) -> tuple[Position | None, Moment]:
    """Return the position that *when* means, None for now, and what an answer there rests on."""
    if when is None:
        return None, Moment(view.size(), root_of(ledger, view.size()))
    position = resolve_when(view, when, now=now())
    return position, moment_at(ledger, position)


def require_in_history(view: View, name: str | None) -> None:
    """Let only the name of a node pass that history knows: one that left, or was renamed, still stands in it.

    Raises: NodeUnknownError, NothingRegisteredError.
    """
    if name is None or next(iter(view.lines(HistoryFilter(node=name, limit=1))), None) is not None:
        return
    those([(node.node, node.stream, node) for node in view.nodes()], name)


def meant(nodes: tuple[NodeTable, ...], session: Session) -> tuple[NodeTable, ...]:
    """Return those of *nodes* that are meant: all of them where none is named.

    Raises: NodeUnknownError, NothingRegisteredError.
    """
    return those([(node.node, node.stream, node) for node in nodes], session.settings.node.value)


def matched(nodes: tuple[NodeTable, ...], session: Session) -> tuple[NodeTable, ...]:
    """Return those of *nodes* that are meant, by name or by pattern: all of them where none is named.

    Raises: as ``meant``.
    """
    return matching([(node.node, node.stream, node) for node in nodes], session.settings.node.value)


def now() -> datetime:
    """Return the present moment, for the times that users name."""
    return datetime.now(UTC)


def check_version(text: str) -> None:
    """Refuse a text that is no version.

    Raises: VsnError.
    """
    from ledger.domain.version import Vsn  # noqa: PLC0415 # only a list of one release pays for it

    Vsn.parse(text)
