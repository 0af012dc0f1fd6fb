"""Running one command: whatever happens in it becomes an exit code and, where it failed, three parts on stderr.

No traceback reaches a user, unless ``RELEASE_LEDGER_DEBUG`` asks for it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from cli.declared import Group
from cli.error_report import as_json, as_text
from cli.errors import InterruptedByUserError, UnexpectedError, UnexpectedInChangeError, debugging
from cli.exit_codes import DONE, USAGE, exit_code
from cli.groups import Command
from cli.plain_text import plain
from cli.session import Session
from cli.terminal import Terminal
from cli.variables import unknown_variables
from ledger.errors import LedgerError


def run(command: Command, arguments: Mapping[str, Any], session: Session) -> int:
    """Return the exit code of *command*, called with *arguments*."""
    for sentence in unknown_variables(os.environ):
        session.terminal.warn(sentence)
    changes = any(isinstance(argument, Group) and _changes(argument) for argument in arguments.values())
    try:
        with _ended_like_ctrl_c() if changes else nullcontext():
            code = command(**arguments)
    except LedgerError as exc:
        return _failed(exc, session.terminal)
    except KeyboardInterrupt:
        return _failed(InterruptedByUserError(), session.terminal)
    except Exception as exc:  # noqa: BLE001 # the last border: nothing unforeseen goes past it as a traceback
        if debugging():
            import traceback  # noqa: PLC0415 # only who asks for details pays for it

            for line in "".join(traceback.format_exception(exc)).splitlines():
                session.terminal.complain(f"{plain(line)}\n")
        return _failed(UnexpectedInChangeError(exc) if changes else UnexpectedError(exc), session.terminal)
    return _written(code, session.terminal, done=changes or session.records)


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let a change that is ended, or whose terminal goes away, stop where Ctrl-C stops it, and say what stays open.

    What the caller had ignored, as ``nohup`` does, stays ignored.
    """
    import signal  # noqa: PLC0415 # what only reads may end at any point

    ends = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    with suppress(ValueError):  # in a thread, where no signal arrives
        for number in ends:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        with suppress(ValueError):
            for number in ends:
                signal.signal(number, signal.SIG_DFL)


def report(error: LedgerError, terminal: Terminal) -> None:
    """Tell *error* on stderr."""
    terminal.complain(as_json(error) if terminal.json else as_text(error))


def _changes(options: Group) -> bool:
    return options.changes and not getattr(options, "dry_run", False)


def _failed(error: LedgerError, terminal: Terminal) -> int:
    report(error, terminal)
    return exit_code(error)


def _written(code: int, terminal: Terminal, *, done: bool) -> int:
    if terminal.lost is None or terminal.reader_left:
        return code
    terminal.warn(f"the output could not be written: {terminal.lost.strerror}")
    # What is done or recorded stays so: the exit code speaks of that, and nobody does it twice.
    return USAGE if code == DONE and not done else code
