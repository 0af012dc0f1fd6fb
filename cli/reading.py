"""Reading the record for a command: the view of the ledger, caught up, and the nodes that are meant.

Neither the event store nor a key is needed, and nothing is written but the view.
"""

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
from projections.roots import root_of
from projections.sqlite import SqliteView
from projections.view import View
from projections.when import resolve_when

_Answer = TypeVar("_Answer")
Ask = Callable[[SqliteView, sqlite3.Connection], _Answer]


class Moment(NamedTuple):
    """What an answer rests on: the first *size* events, with their root.

    *stamped_later* tells that an event among them carries a later time than was asked for.
    """

    size: int
    root: str | None
    stamped_later: bool = False

    @property
    def in_words(self) -> str:
        """The last event that the answer rests on."""
        root = f", root {self.root}" if self.root else ""
        late = "; the clock was set back: an event up to it carries a later time" if self.stamped_later else ""
        return f"as of event {self.size - 1}{root}{late}"

    @property
    def record(self) -> Mapping[str, object]:
        """The moment for machines, as *as_of*."""
        return {"tree_size": self.size} | ({"root": self.root} if self.root else {})


class Answer(NamedTuple):
    """The tables of nodes and the moment they rest on: *size* events, with their root.

    *stamped_later* tells that an event among them carries a later time than was asked for.
    """

    nodes: tuple[NodeTable, ...]
    size: int
    root: str | None
    stamped_later: bool = False

    @property
    def rests_on(self) -> str:
        """The last event that the answer rests on, in words."""
        return Moment(self.size, self.root, self.stamped_later).in_words


def ask(session: Session, question: Ask[_Answer], *, shared: bool = True) -> _Answer:
    """Return the answer to *question*, given the view of the ledger and the ledger.

    Without *shared* it is a view that other hosts cannot write, as a change needs that relies on it.
    Raises: the errors of reading a ledger, and those of *question*.
    """
    return read_folder(session.settings.ledger.value, question, shared=shared)


def ask_for_lines(session: Session, question: Ask[_Answer]) -> AbstractContextManager[_Answer]:
    """Give the answer to *question*; lines and the ledger in it can be read for as long as this is open.

    Raises: as ``ask``; ListBrokenOffError.
    """
    return streamed_folder(session.settings.ledger.value, question)


def tables_at(session: Session, when: str | None) -> Answer:
    """Return the tables of the nodes that are meant, now or as they were *when*.

    Raises: as ``ask``; WhenError, NoSuchEventError, NodeUnknownError, NothingRegisteredError.
    """

    def question(view: View, ledger: sqlite3.Connection) -> Answer:
        moment = moment_of(view, ledger, when)
        nodes = matched(view.nodes() if when is None else view.nodes(at=moment.size - 1), session)
        return Answer(nodes, *moment)

    return ask(session, question)


def one_node(session: Session, when: str | None = None) -> tuple[NodeTable, Moment]:
    """Return the one node that is meant, now or as it was *when*, and what that rests on.

    Raises: as ``tables_at``; NodeAmbiguousError.
    """

    def question(view: View, ledger: sqlite3.Connection) -> tuple[tuple[NodeTable, ...], Moment]:
        then, moment = as_then(view, ledger, when)
        return then.nodes(), moment

    nodes, moment = ask(session, question)
    return choose([(node.node, node.stream, node) for node in nodes], session.settings.node.value), moment


def moment_of(view: View, ledger: sqlite3.Connection, when: str | None) -> Moment:
    """Return what an answer of now, or of *when*, rests on.

    Raises: WhenError, NoSuchEventError.
    """
    if when is None:
        return Moment(view.size(), root_of(ledger, view.size()))
    position = resolve_when(view, when, now=now())
    return Moment(position.number + 1, root_of(ledger, position.number + 1), position.stamped_later)


def as_then(view: View, ledger: sqlite3.Connection, when: str | None) -> tuple[View, Moment]:
    """Return *view*, or *view* as it was *when*, and what its answers rest on.

    Raises: as ``moment_of``.
    """
    moment = moment_of(view, ledger, when)
    if when is None:
        return view, moment
    from projections.past import PastView  # noqa: PLC0415 # only who asks for the past pays for it

    return PastView(view, last=moment.size - 1), moment


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
