"""Listing events for a command: the filters as they were typed, and the events they mean.

On a terminal a long list goes through the user's pager (PAGER, else less), nowhere else.
"""

import os
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, islice
from shutil import which
from typing import NamedTuple

from cli.notes import Notes, notes_of
from cli.personal import Personal, personal_in
from cli.read_options import FilterOptions
from cli.reading import Moment, as_then, ask_for_lines, check_version, now, require_in_history
from cli.render_log import event_json, one_line, paragraphs
from cli.session import Session
from cli.wrapping import fitted
from ledger.errors import EvidenceError, UsageError
from projections.history import HistoryFilter, Line
from projections.read import StoredEvent, log_size, read_events
from projections.view import View
from projections.when import bound_of

_CALLING = ("node_restarted", "drift_observed")
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


class PeriodError(UsageError):
    """A period ends before it begins."""

    def __init__(self, since: str, until: str) -> None:
        super().__init__(
            f"--until {until} lies before --since {since}",
            fact="no event lies between them: --since says where the period begins, --until where it ends",
            hint="name the earlier moment with --since and the later one with --until",
        )


def list_events(
    wanted: FilterOptions, *, at: str | None = None, session: Session, oneline: bool, proof: bool = False
) -> None:
    """Print the events that are wanted, newest first; with *at* as the list was then.

    Raises: the errors of reading a ledger and of proofs; those of ``filter_of``; VsnError, ProofWithoutJsonError.
    """
    if proof and not session.json:
        raise ProofWithoutJsonError
    if wanted.vsn is not None:
        check_version(wanted.vsn)

    def question(view: View, ledger: sqlite3.Connection) -> _Listed:
        then, moment = as_then(view, ledger, at) if at is not None else (view, None)
        require_in_history(then, session.settings.node.value)
        lines = then.lines(filter_of(wanted, then, session.settings.node.value))
        return _Listed(started(lines), notes_of(then), ledger, moment)

    with ask_for_lines(session, question) as listed:
        hints = _Hints()
        lines = hints.seen(listed.lines)
        if session.json:
            print_texts(_as_json(listed._replace(lines=lines), proof=proof), session)
        elif oneline:
            _show((one_line(line, notes=listed.notes) for line in lines), session)
        else:
            named = _named(listed.ledger)
            texts = (paragraphs(line, notes=listed.notes, personal=named(line.number)) for line in lines)
            _show(map(fitted, texts), session)
    if listed.moment is not None:
        session.terminal.advise(listed.moment.in_words)
    if not session.json:
        for hint in hints.told(wanted):
            session.terminal.advise(hint)


class _Listed(NamedTuple):
    """What is listed: lines as they are asked for, every note, the ledger behind them, and the moment asked for."""

    lines: Iterator[Line]
    notes: Notes
    ledger: sqlite3.Connection
    moment: Moment | None


class _Hints:
    """What a reader of lines that went by may want next; the first of each kind is the newest."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}

    def seen(self, lines: Iterator[Line]) -> Iterator[Line]:
        """Yield *lines*, and remember those that call for a hint."""
        for line in lines:
            self._first.setdefault("", line.number)
            if line.type in _CALLING:
                self._first.setdefault(line.type, line.number)
            yield line

    def told(self, wanted: FilterOptions) -> Iterator[str]:
        """Yield the hints, after all that is *wanted* went by."""
        newest, undone, drift = (self._first.get(kind) for kind in ("", *_CALLING))
        if newest is None:
            yield "no event is what was asked for"
            if wanted.actor is not None and ":" not in wanted.actor:
                yield "hint: --actor takes an id as `log` shows it, for example os:1000; events hold no names"
        else:
            yield f"hint: `release-ledger show {newest}` tells one in full"
        if undone is not None:
            yield f"hint: `release-ledger diff {max(undone - 1, 0)} {undone}` tells what the restart changed"
        if drift is not None:
            yield f"hint: event {drift} was not done through the ledger: `release-ledger note {drift} TEXT`"


def started(lines: Iterator[Line]) -> Iterator[Line]:
    """Return *lines* with the first one read: a view that is damaged shows here, where it is folded afresh."""
    return chain(tuple(islice(lines, 1)), lines)


def _as_json(listed: _Listed, *, proof: bool) -> Iterator[str]:
    personal = personal_in(listed.ledger)
    prove: Callable[[int], str | None] = _unproved
    as_of = None if listed.moment is None else listed.moment.record
    for line in listed.lines:
        if proof and prove is _unproved:
            prove = _prover(listed.ledger)
        event = event_at(listed.ledger, line.number)
        yield event_json(event, proof=prove(line.number), notes=listed.notes, personal=personal(event), as_of=as_of)


def _unproved(_: int) -> None:
    return None


def _named(ledger: sqlite3.Connection) -> Callable[[int], tuple[Personal, ...]]:
    """Return what tells the personal fields of an event; a line stands without them where its entry does not read."""
    personal = personal_in(ledger)

    def named(number: int) -> tuple[Personal, ...]:
        try:
            return personal(event_at(ledger, number))
        except EvidenceError:  # its line comes from the view; the entry itself is for verify to judge
            return ()

    return named


def _prover(ledger: sqlite3.Connection) -> Callable[[int], str]:
    from cli.proving import proofs_of  # noqa: PLC0415 # only who asks for proofs pays for them

    return proofs_of(ledger, log_size(ledger))


def event_at(ledger: sqlite3.Connection, number: int) -> StoredEvent:
    """Return one event; *number* is below the size of the log.

    Raises: EntryError.
    """
    return next(read_events(ledger, start=number, stop=number + 1))


def filter_of(wanted: FilterOptions, view: View, node: str | None) -> HistoryFilter:
    """Return the filter that options mean.

    Raises: WhenError, NoSuchEventError, PeriodError, UnknownTypeError, LimitError.
    """
    moment = now()
    since = None if wanted.since is None else bound_of(view, wanted.since, now=moment)
    until = None if wanted.until is None else bound_of(view, wanted.until, now=moment)
    # The order of an event and a time is not that of the clock, which may have been set back.
    if type(since) is type(until) and since is not None and since > until:  # type: ignore[operator] # of one type
        raise PeriodError(wanted.since or "", wanted.until or "")
    return HistoryFilter(
        since=since,
        until=until,
        types=tuple(wanted.types or ()),
        vsn=wanted.vsn,
        actor=wanted.actor,
        ticket=wanted.ticket,
        node=node,
        origin=wanted.origin,
        failed=wanted.failed,
        limit=wanted.limit,
    )


def print_texts(texts: Iterator[str], session: Session) -> None:
    """Print *texts* as they come, for as long as somebody reads them."""
    while session.terminal.lost is None and (part := "".join(islice(texts, _WRITE_AT_ONCE))):
        session.terminal.write(part)


def _show(texts: Iterator[str], session: Session) -> None:
    if not (sys.stdout.isatty() and _paged(texts)):
        print_texts(texts, session)


def _paged(texts: Iterator[str]) -> bool:
    """Show *texts* in the pager; tell whether there was one."""
    import signal  # noqa: PLC0415 # only a terminal pays for it
    import subprocess  # noqa: PLC0415 # as above

    try:
        command = shlex.split(os.environ.get("PAGER", _PAGER))
    except ValueError:  # no command line
        return False
    if not command or command == ["cat"] or which(command[0]) is None:
        return False
    environ = {"LESS": _LESS, **os.environ}
    # Whoever leaves the pager has read enough, and Ctrl-C in it is the pager's own.
    with suppress(BrokenPipeError), subprocess.Popen(command, stdin=subprocess.PIPE, env=environ) as pager:  # noqa: S603 # the user's own choice
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for text in texts:
                pager.stdin.write(text.encode(errors="backslashreplace"))  # type: ignore[union-attr] # it is a pipe
            pager.stdin.close()  # type: ignore[union-attr] # as above
            pager.wait()
        finally:
            signal.signal(signal.SIGINT, before)
    return True
