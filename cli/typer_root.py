"""Typer's reading of a command line: help, usage errors, and every line that is not spelt straight.

Only the module of the command that is called is imported: the list of commands is made from
their table. A usage error of Typer is exit 1, in three parts or as JSON (RULINGS 22).
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cli.error_report import as_json, as_text
from cli.errors import CommandLineError, InterruptedByUserError, UnexpectedError
from cli.exit_codes import DONE, USAGE, exit_code
from cli.groups import Command
from cli.options import ChangeOptions, Everywhere
from cli.spread import Runner, callback_for_root, spread
from cli.terminal import drop_output

if TYPE_CHECKING:
    from ledger.errors import LedgerError

PROGRAM = "release-ledger"
_EXAMPLE = f"Example: {PROGRAM} upgrade 4.4.16 --reason 'CVE fix' --ticket CHG-1042"
_CONTEXT = {"help_option_names": ["-h", "--help"]}
_CHANGES, _EVERYWHERE = "Options of every change", "Options of every command"
_OF_CHANGES, _OF_EVERYWHERE = frozenset(ChangeOptions.__annotations__), frozenset({*Everywhere.__annotations__, "help"})


class _Formatter(Protocol):
    def section(self, name: str) -> AbstractContextManager[None]: ...

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None: ...


class GroupedCommand(TyperCommand):
    """A command whose help lists its own options first, then those that it shares."""

    def format_options(self, ctx: Any, formatter: _Formatter) -> None:  # noqa: ANN401 # Typer's own types are private
        """Write arguments and options under the headings of their groups."""
        parameters = self.get_params(ctx)
        is_change = {parameter.name for parameter in parameters} >= _OF_CHANGES
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], _CHANGES: [], _EVERYWHERE: []}
        for parameter in parameters:
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                heading = "Arguments" if is_argument else _heading(str(parameter.name), is_change=is_change)
                groups[heading].append(record)
        for heading, records in groups.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


class LazyCommands(TyperGroup):
    """The root; a command is imported when it is called."""

    table: Mapping[str, str]
    runner: Runner

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 # Typer's own signature
        """Return the names of the commands, in the order of their use."""
        return list(self.table)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002 # as above
        """Return the command of this name, None where there is none."""
        return _command(cmd_name, self.runner) if cmd_name in self.table else None

    def format_commands(self, ctx: object, formatter: _Formatter) -> None:  # noqa: ARG002 # as above
        """Write the list of the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(tuple(self.table.items()))


def run_line(line: Sequence[str], *, commands: Mapping[str, str], run: Runner) -> int:
    """Read *line* and let *run* run what it calls; return the exit code."""
    if not line:
        with redirect_stdout(sys.stderr):
            _root(commands, run)(["--help"], prog_name=PROGRAM, standalone_mode=False)
        return USAGE
    try:
        return int(_root(commands, run)(list(line), prog_name=PROGRAM, standalone_mode=False) or 0)
    except typer.TyperException as exc:
        error: LedgerError = _usage(exc)
    except (typer.Abort, KeyboardInterrupt):
        error = InterruptedByUserError()
    except SystemExit:  # so Click ends where the reader of a help text has gone away (`| head`); nothing else does
        return DONE
    except Exception as exc:  # noqa: BLE001 # before a command runs: a help text that cannot be written, and what nobody foresaw
        error = UnexpectedError(exc)
        if isinstance(exc, OSError):
            drop_output(sys.stdout)
    sys.stderr.write(as_json(error) if _asks_for_json(line) else as_text(error))
    return exit_code(error)


def _root(commands: Mapping[str, str], run: Runner) -> LazyCommands:
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
    root = cast("LazyCommands", get_command(app))
    root.table, root.runner = commands, run
    # Only their names are looked at, for "did you mean".
    root.commands = cast("dict[str, Any]", dict.fromkeys(commands))
    return root


def _command(name: str, run: Runner) -> TyperCommand:
    module = import_module(f"cli.commands.{name}")
    app = typer.Typer(
        rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, context_settings=_CONTEXT
    )
    if hasattr(module, "SUBCOMMANDS"):
        app.callback(help=module.__doc__, epilog=f"Example: {PROGRAM} {module.EXAMPLE}")(_nothing)
        for verb, (function, example) in module.SUBCOMMANDS.items():
            _add(app, verb, spread(function, run=run), text=function.__doc__, example=example)
    else:
        _add(app, name, spread(getattr(module, name), run=run), text=module.__doc__, example=module.EXAMPLE)
    return cast("TyperCommand", get_command(app))


def _add(app: typer.Typer, name: str, function: Command, *, text: str | None, example: str) -> None:
    epilog = f"Example: {PROGRAM} {example}"
    app.command(name, cls=GroupedCommand, help=text, epilog=epilog, context_settings=_CONTEXT)(function)


def _heading(name: str, *, is_change: bool) -> str:
    if name in _OF_EVERYWHERE:
        return _EVERYWHERE
    return _CHANGES if is_change and name in _OF_CHANGES else "Options"


def _nothing() -> None:
    """Do nothing: a group has only its commands."""


def _usage(exc: typer.TyperException) -> CommandLineError:
    context = getattr(exc, "ctx", None)
    usage = context.get_usage() if context is not None else f"Usage: {PROGRAM} COMMAND"
    command = context.command_path if context is not None else PROGRAM
    return CommandLineError(" ".join(exc.format_message().split()), usage=usage, command=command)


def _asks_for_json(line: Sequence[str]) -> bool:
    options = line[: line.index("--")] if "--" in line else line
    return "--json" in options
