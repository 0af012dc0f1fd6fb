"""Listing events for a command: the filters as they were typed, and the events they mean.

On a terminal a long list goes through the user's pager (PAGER, else less), nowhere else.
"""

import os
import shlex
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

from cli.options import FilterOptions
from cli.reading import ask, meant, now
from cli.render_log import event_json, one_line, paragraphs
from cli.session import Session
from projections.history import HistoryFilter
from projections.read import StoredEvent, read_events
from projections.view import View
from projections.when import bound_of

_WRITE_AT_ONCE = 200
_PAGER = "less"
# F: leave when it fits on the screen; R: nothing to interpret, because text is escaped; X: keep the screen.
_LESS = "FX"


def list_events(wanted: FilterOptions, *, session: Session, oneline: bool) -> None:
    """Print the events that are wanted, newest first.

    Raises: the errors of reading a ledger; WhenError, UnknownTypeError, LimitError, VsnError.
    """
    if wanted.vsn is not None:
        _check_version(wanted.vsn)

    def question(view: View, ledger: sqlite3.Connection) -> tuple[str, ...]:
        if session.settings.node.value is not None:
            meant(view.nodes(), session)
        lines = view.lines(_filter(wanted, view, session.settings.node.value))
        if session.json:
            return tuple(event_json(event_at(ledger, line.number)) for line in lines)
        return tuple(one_line(line) if oneline else paragraphs(line) for line in lines)

    _print(ask(session, question), session)


def event_at(ledger: sqlite3.Connection, number: int) -> StoredEvent:
    """Return one event; *number* is below the size of the log.

    Raises: EntryError.
    """
    return next(read_events(ledger, start=number, stop=number + 1))


def _check_version(text: str) -> None:
    from ledger.domain.version import Vsn  # noqa: PLC0415 # only a list of one release pays for it

    Vsn.parse(text)


def _filter(wanted: FilterOptions, view: View, node: str | None) -> HistoryFilter:
    moment = now()
    return HistoryFilter(
        since=None if wanted.since is None else bound_of(view, wanted.since, now=moment),
        until=None if wanted.until is None else bound_of(view, wanted.until, now=moment),
        types=tuple(wanted.types or ()),
        vsn=wanted.vsn,
        actor=wanted.actor,
        ticket=wanted.ticket,
        node=node,
        failed=wanted.failed,
        limit=wanted.limit,
    )


def _print(texts: tuple[str, ...], session: Session) -> None:
    if sys.stdout.isatty() and not session.json and _paged("".join(texts)):
        return
    for part in _parts(texts):
        session.terminal.write(part)


def _parts(texts: Iterable[str]) -> Iterator[str]:
    rows = tuple(texts)
    for start in range(0, len(rows), _WRITE_AT_ONCE):
        yield "".join(rows[start : start + _WRITE_AT_ONCE])


def _paged(text: str) -> bool:
    """Show *text* in the pager; tell whether there was one."""
    import subprocess  # noqa: PLC0415 # only a terminal pays for it

    with suppress(ValueError, OSError):  # a PAGER that is no command line, or no program
        command = shlex.split(os.environ.get("PAGER", _PAGER))
        if command and command != ["cat"]:
            environ = {"LESS": _LESS, **os.environ}
            subprocess.run(command, input=text.encode(errors="backslashreplace"), env=environ, check=False)  # noqa: S603 # the user's own choice
            return True
    return False
