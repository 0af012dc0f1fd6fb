"""The commands, and the root that finds them.

Only the module of the command that is called is imported: the table below has what the list of
commands shows. A usage error of Typer is exit 1, in three parts or as JSON (RULINGS 22).
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cli.error_report import as_json, as_text
from cli.errors import CommandLineError, InterruptedByUserError, UnexpectedError
from cli.exit_codes import USAGE, exit_code
from cli.run import run
from cli.spread import Command, callback_for_root, spread
from cli.terminal import drop_output, usable_streams

if TYPE_CHECKING:
    from ledger.errors import LedgerError

PROGRAM = "release-ledger"

COMMANDS = {
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
    "witness": "Let others hold the history, or hold that of others.",
    "export": "Write evidence that others can check, or a listing.",
    "recover": "Close an attempt that was interrupted.",
    "verify": "Verify the history, a bundle, or a log of other software.",
}
_EXAMPLE = f"Example: {PROGRAM} upgrade 4.4.16 --reason 'CVE fix' --ticket CHG-1042"
_CONTEXT = {"help_option_names": ["-h", "--help"]}


class _Formatter(Protocol):
    def section(self, name: str) -> AbstractContextManager[None]: ...

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None: ...


class LazyCommands(TyperGroup):
    """The root; a command is imported when it is called."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 # Typer's own signature
        """Return the names of the commands, in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002 # as above
        """Return the command of this name, None where there is none."""
        return _command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: object, formatter: _Formatter) -> None:  # noqa: ARG002 # as above
        """Write the list of the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(tuple(COMMANDS.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    usable_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        with redirect_stdout(sys.stderr):
            _root()(["--help"], prog_name=PROGRAM, standalone_mode=False)
        return USAGE
    try:
        return int(_root()(given, prog_name=PROGRAM, standalone_mode=False) or 0)
    except typer.TyperException as exc:
        error: LedgerError = _usage(exc)
    except (typer.Abort, KeyboardInterrupt):
        error = InterruptedByUserError()
    except Exception as exc:  # noqa: BLE001 # before a command runs: a help text that cannot be written, and what nobody foresaw
        error = UnexpectedError(exc)
        if isinstance(exc, OSError):
            drop_output(sys.stdout)
    sys.stderr.write(as_json(error) if _asks_for_json(given) else as_text(error))
    return exit_code(error)


def _root() -> TyperGroup:
    app = typer.Typer(
        cls=LazyCommands,
        help="Hot-upgrade EMQX 4.x and keep an audit-grade history of it.",
        epilog=_EXAMPLE,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings=_CONTEXT,
    )
    app.callback()(callback_for_root())
    root = cast("TyperGroup", get_command(app))
    # Only their names are looked at, for "did you mean".
    root.commands = cast("dict[str, Any]", dict.fromkeys(COMMANDS))
    return root


def _command(name: str) -> TyperCommand:
    module = import_module(f"cli.commands.{name}")
    app = typer.Typer(
        rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, context_settings=_CONTEXT
    )
    if hasattr(module, "SUBCOMMANDS"):
        app.callback(help=module.__doc__, epilog=f"Example: {PROGRAM} {module.EXAMPLE}")(_nothing)
        for verb, (function, example) in module.SUBCOMMANDS.items():
            _add(app, verb, function, text=function.__doc__, example=example)
    else:
        _add(app, name, getattr(module, name), text=module.__doc__, example=module.EXAMPLE)
    return cast("TyperCommand", get_command(app))


def _add(app: typer.Typer, name: str, function: Command, *, text: str | None, example: str) -> None:
    app.command(name, help=text, epilog=f"Example: {PROGRAM} {example}", context_settings=_CONTEXT)(
        spread(function, run=run)
    )


def _nothing() -> None:
    """Do nothing: a group has only its commands."""


def _usage(exc: typer.TyperException) -> CommandLineError:
    context = getattr(exc, "ctx", None)
    usage = context.get_usage() if context is not None else f"Usage: {PROGRAM} COMMAND"
    command = context.command_path if context is not None else PROGRAM
    return CommandLineError(exc.format_message(), usage=usage, command=command)


def _asks_for_json(given: Sequence[str]) -> bool:
    options = given[: given.index("--")] if "--" in given else given
    return "--json" in options
