"""The commands, and the way from a command line to the one that is called.

A line that is spelt straight is read without Typer, which costs more than most answers; Typer
reads every other, and gives help and usage errors. Only the module of the command that is
called is imported: the table below has what the list of commands shows.
"""

import sys
from collections.abc import Mapping, Sequence

from cli.run import run
from cli.session import Session
from cli.straight import read
from cli.terminal import usable_streams

COMMANDS: Mapping[str, str] = {
    "init": "Make a ledger and register the installation in it.",
    "register": "Register another installation.",
    "versions": "List the installed versions.",
    "root_dir": "Print the root folder of the installation.",
    "unpack": "Unpack a release without installing it.",
    "install": "Install a release, up or down.",
    "permanent": "Make the current release permanent.",
    "upgrade": "Upgrade to a higher release.",
    "downgrade": "Go back to a lower release.",
    "uninstall": "Remove a release.",
    "restart": "Restart the node and record what that undid.",
    "log": "List what happened, newest first.",
    "show": "Show one attempt or event in full.",
    "diff": "Compare two moments, two nodes or two ledgers.",
    "replay": "Fold every event afresh and compare.",
    "check": "Say what is in order, what is not, and what a restart would do.",
    "packages": "List the packages at hand and whether they may go now.",
    "unregister": "Let an installation leave the ledger; its history stays.",
    "note": "Write a note or a correction beside an event.",
    "witness": "Let others hold the history, or hold that of others.",
    "export": "Write evidence that others can check, or a listing.",
    "report": "Write a report for auditors, one HTML file that checks itself.",
    "recover": "Close an attempt that was interrupted.",
    "verify": "Verify the history, a bundle, or a log of other software.",
}


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
