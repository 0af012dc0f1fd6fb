"""The commands, and the way from a command line to the one that is called.

A line that is spelt straight is read without Typer, which costs more than most answers; Typer
reads every other, and gives help and usage errors. Only the module of the command that is
called is imported.
"""

import sys
from collections.abc import Sequence

from cli.command_table import COMMANDS
from cli.run import run
from cli.session import Session
from cli.straight import read
from cli.terminal import usable_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    usable_streams()
    line = tuple(sys.argv[1:] if arguments is None else arguments)
    called = read(line, commands=COMMANDS)
    if called is None:
        from cli.typer_root import run_line  # noqa: PLC0415 # a line that is understood does not pay for Typer

        return run_line(line, commands=COMMANDS, run=run)
    session = Session(called.everywhere)
    return run(called.command, {**called.arguments, "session": session}, session)
