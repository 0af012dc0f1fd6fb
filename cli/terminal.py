"""The three streams of a command: results on stdout, all else on stderr (PRODUCT section 5, RULINGS 23).

Advice and progress show on a terminal or with ``-v``, never with ``-q``; errors always. A
reader of stdout that goes away (``| head -1``) or a full disk behind it must not break off a
change that is under way: what cannot be written is dropped, and *lost* remembers why.
"""

import errno
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from cli.plain_text import plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

WARNING_SCHEMA = "release-ledger/warning/1"
_PROGRESS_FROM_BYTES = 8 * 1024 * 1024
_PROGRESS_FROM_EVENTS = 2_000


class Terminal:
    """Where a command speaks; it is the *Teller* of an operation."""

    def __init__(
        self,
        *,
        out: TextIO,
        err: TextIO,
        json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        no_color: bool = False,
    ) -> None:
        self.out, self.err = out, err
        self.json = json
        self.lost: OSError | None = None
        self._talkative = not quiet and (verbose or err.isatty())
        self._bars = not quiet and err.isatty()
        self.no_color = no_color
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def say(self, line: str) -> None:
        """Print one line of the user guide's words; with ``--json`` the outcome is printed instead."""
        if not self.json:
            self.write(f"{plain(line)}\n")

    def write(self, text: str) -> None:
        """Write *text*, which is safe to show, to stdout at once."""
        if self.lost is not None:
            return
        try:
            self.out.write(text)
            self.out.flush()
        except OSError as exc:
            self.lost = exc
            drop_output(self.out)

    @property
    def reader_left(self) -> bool:
        """Tell whether nobody reads stdout any more, which is no error."""
        return self.lost is not None and self.lost.errno == errno.EPIPE

    def advise(self, text: str) -> None:
        """Print advice on stderr, where somebody reads it."""
        if self._talkative:
            self.complain(f"{plain(text)}\n")

    def warn(self, text: str) -> None:
        """Print a warning on stderr; with ``--json`` it is JSON, as errors are."""
        if self.json:
            import json  # noqa: PLC0415 # next to no command warns

            told = {"schema": WARNING_SCHEMA, "message": plain(text)}
            self.complain(json.dumps(told, separators=(",", ":")) + "\n")
        else:
            self.complain(f"warning: {plain(text)}\n")

    def complain(self, text: str) -> None:
        """Write *text*, which is safe to show, to stderr."""
        self._end_progress()
        try:
            self.err.write(text)
            self.err.flush()
        except OSError:
            # Nobody can be told; the exit code still says it.
            drop_output(self.err)

    def progress(self, done: int, total: int) -> None:
        """Show how many of *total* bytes are done, on a terminal and for what takes a while."""
        self._show(done, total, least=_PROGRESS_FROM_BYTES)

    def count(self, done: int, total: int) -> None:
        """Show how many of *total* events are done, as ``progress`` does."""
        self._show(done, total, least=_PROGRESS_FROM_EVENTS)

    def _show(self, done: int, total: int, *, least: int) -> None:
        if not self._bars or total < least:
            return
        if self._progress is None:
            self._begin_progress(total, in_bytes=least == _PROGRESS_FROM_BYTES)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done)
        if done >= total:
            self._end_progress()

    def _begin_progress(self, total: int, *, in_bytes: bool) -> None:
        from rich.console import Console  # noqa: PLC0415 # only a long unpacking on a terminal pays for it
        from rich.progress import (  # noqa: PLC0415 # as above
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TimeRemainingColumn,
        )

        console = Console(file=self.err, no_color=self.no_color or None)
        columns = (BarColumn(), DownloadColumn() if in_bytes else MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("", total=total)
        self._progress.start()

    def _end_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def usable_streams() -> None:
    """Make stdout and stderr usable: closed ones go nowhere, and no text breaks them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 # lives as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def colour_unwanted(environ: Mapping[str, str]) -> bool:
    """Tell whether NO_COLOR is set (no-color.org: to anything but an empty text)."""
    return bool(environ.get("NO_COLOR"))


def drop_output(stream: TextIO) -> None:
    """Let what *stream* could not write go nowhere; else the interpreter tries once more at its exit, and says so."""
    if any(stream is own for own in (sys.__stdout__, sys.__stderr__)):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
