"""Listing events for a command: the filters as they were typed, and the events they mean.

On a terminal a long list goes through the user's pager (PAGER, else less), nowhere else.
"""

import os
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from shutil import which

from cli.notes import Notes, notes_of
from cli.options import FilterOptions
from cli.personal import Personal, personal_in
from cli.reading import ask, meant, now
from cli.render_log import event_json, one_line, paragraphs
from cli.session import Session
from ledger.errors import EvidenceError, UsageError
from projections.history import HistoryFilter, Line
from projections.read import StoredEvent, log_size, open_ledger, read_events
from projections.view import View
from projections.when import bound_of

_WRITE_AT_ONCE = 200
_PAGER = "less"
# F: leave when it fits on the screen; R: nothing to interpret, because text is escaped; X: keep the screen.
_LESS = "FX"


class ProofWithoutJsonError(UsageError):
    """A list for people has no place for proofs."""

    def __init__(self) -> None:
        super().__init__(
            "--proof is for --json",
            fact="a proof is a text of some lines for each event",
            hint="add --json; or see one event: `release-ledger show EVENT --proof`",
        )


def list_events(wanted: FilterOptions, *, session: Session, oneline: bool, proof: bool = False) -> None:
    """Print the events that are wanted, newest first.

    Raises: the errors of reading a ledger and of proofs; WhenError, UnknownTypeError, LimitError, VsnError,
    ProofWithoutJsonError.
    """
    if proof and not session.json:
        raise ProofWithoutJsonError
    if wanted.vsn is not None:
        check_version(wanted.vsn)

    def question(view: View, _: sqlite3.Connection) -> tuple[tuple[Line, ...], Notes]:
        if session.settings.node.value is not None:
            meant(view.nodes(), session)
        return view.lines(filter_of(wanted, view, session.settings.node.value)), notes_of(view)

    lines, notes = ask(session, question)
    if session.json:
        with open_ledger(session.settings.ledger.value) as ledger:
            prove = _prover(ledger) if proof and lines else _unproved
            stored = ((line.number, event_at(ledger, line.number)) for line in lines)
            personal = personal_in(ledger)
            _print(
                (
                    event_json(event, proof=prove(number), notes=notes, personal=personal(event))
                    for number, event in stored
                ),
                session,
            )
        return
    if oneline:
        _show((one_line(line, notes=notes) for line in lines), session)
    else:
        with open_ledger(session.settings.ledger.value) as ledger:
            named = _named(ledger)
            _show((paragraphs(line, notes=notes, personal=named(line.number)) for line in lines), session)
    for hint in _hints(lines):
        session.terminal.advise(hint)


def _hints(lines: tuple[Line, ...]) -> Iterator[str]:
    """Yield what a reader of these lines may want next, newest first."""
    if lines:
        yield f"hint: `release-ledger show {lines[0].number}` tells one in full"
    if undone := next((line for line in lines if line.type == "node_restarted"), None):
        yield f"hint: `release-ledger diff {max(undone.number - 1, 0)} {undone.number}` tells what the restart changed"
    if drift := next((line for line in lines if line.type == "drift_observed"), None):
        yield f"hint: event {drift.number} was not done through the ledger: `release-ledger note {drift.number} TEXT`"


def _named(ledger: sqlite3.Connection) -> Callable[[int], tuple[Personal, ...]]:
    """Return what tells the personal fields of an event; a line stands without them where its entry does not read."""
    personal = personal_in(ledger)

    def named(number: int) -> tuple[Personal, ...]:
        try:
            return personal(event_at(ledger, number))
        except EvidenceError:  # its line comes from the view; the entry itself is for verify to judge
            return ()

    return named


def _unproved(_: int) -> None:
    return None


def _prover(ledger: sqlite3.Connection) -> Callable[[int], str]:
    from cli.proving import proofs_of  # noqa: PLC0415 # only who asks for proofs pays for them

    return proofs_of(ledger, log_size(ledger))


def event_at(ledger: sqlite3.Connection, number: int) -> StoredEvent:
    """Return one event; *number* is below the size of the log.

    Raises: EntryError.
    """
    return next(read_events(ledger, start=number, stop=number + 1))


def check_version(text: str) -> None:
    """Refuse a text that is no version.

    Raises: VsnError.
    """
    from ledger.domain.version import Vsn  # noqa: PLC0415 # only a list of one release pays for it

    Vsn.parse(text)


def filter_of(wanted: FilterOptions, view: View, node: str | None) -> HistoryFilter:
    """Return the filter that options mean.

    Raises: WhenError, NoSuchEventError, UnknownTypeError, LimitError.
    """
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


def _show(texts: Iterator[str], session: Session) -> None:
    if not (sys.stdout.isatty() and _paged(texts)):
        _print(texts, session)


def _print(texts: Iterator[str], session: Session) -> None:
    while session.terminal.lost is None and (part := "".join(islice(texts, _WRITE_AT_ONCE))):
        session.terminal.write(part)


def _paged(texts: Iterator[str]) -> bool:
    """Show *texts* in the pager; tell whether there was one."""
    import subprocess  # noqa: PLC0415 # only a terminal pays for it

    try:
        command = shlex.split(os.environ.get("PAGER", _PAGER))
    except ValueError:  # no command line
        return False
    if not command or command == ["cat"] or which(command[0]) is None:
        return False
    environ = {"LESS": _LESS, **os.environ}
    text = "".join(texts).encode(errors="backslashreplace")
    subprocess.run(command, input=text, env=environ, check=False)  # noqa: S603 # the user's own choice
    return True
