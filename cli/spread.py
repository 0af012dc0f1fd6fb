"""From a command that takes groups of options to the function that Typer asks for, and back.

Typer reads a signature and gives single values. ``spread`` shows it the options of each group
one by one, gathers what was parsed into the groups again, merges the options that stood before
the verb, and hands all of it to ``cli.run``.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer

from cli import VERSION
from cli.declared import Argument, Option
from cli.groups import REQUIRED, Command, Parameter, every_parameter_of, gathered, groups_of, parameters_in
from cli.options import Everywhere
from cli.session import Session

Runner = Callable[[Command, Mapping[str, Any], Session], int]
_Function = TypeVar("_Function", bound=Callable[..., object])


def spread(command: Command, *, run: Runner) -> Command:
    """Return *command* for Typer; *run* is called with it, its arguments and its session."""
    groups = groups_of(command)

    def function(ctx: typer.Context, **values: Any) -> int:  # noqa: ANN401 # what Typer parsed
        arguments = gathered(groups, values)
        session = Session(arguments["session"].within(ctx.obj or Everywhere()))
        return run(command, values | arguments | {"session": session}, session)

    return _shown(function, every_parameter_of(command))


def callback_for_root() -> Callable[..., None]:
    """Return what Typer calls for the root: it takes the options of every command."""

    def function(ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401 # what Typer parsed
        ctx.obj = Everywhere(**values)

    return _shown(function, parameters_in(Everywhere))


def _shown(function: _Function, parameters: Sequence[Parameter]) -> _Function:
    """Return *function* with a signature that names the context and *parameters*."""
    named = [_named("ctx", typer.Context), *(_named(p.name, _hint(p), p.default) for p in parameters)]
    function.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined] # inspect.signature reads it
    function.__annotations__ = {p.name: p.annotation for p in named}
    return function


def _named(name: str, hint: object, default: object = REQUIRED) -> inspect.Parameter:
    given = inspect.Parameter.empty if default is REQUIRED else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=given)


def _hint(parameter: Parameter) -> object:
    return Annotated[parameter.kind, _as_typers(parameter.declared)]


def _as_typers(declared: Option | Argument) -> object:
    if isinstance(declared, Argument):
        return typer.Argument(metavar=declared.metavar, help=declared.help)
    eager = "--version" in declared.names
    return typer.Option(
        *declared.names,
        help=declared.help,
        metavar=declared.metavar,
        hidden=declared.hidden,
        min=declared.min,
        max=declared.max,
        is_eager=eager,
        callback=_print_version if eager else _checked(declared.check),
    )


def _checked(check: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if check is None:
        return None

    def checked(value: Any) -> Any:  # noqa: ANN401 # what Typer parsed
        try:
            return check(value)
        except ValueError as exc:
            raise typer.BadParameter(str(exc)) from exc

    return checked


def _print_version(wanted: bool) -> bool:  # noqa: FBT001 # Typer calls it so
    if wanted:
        typer.echo(f"release-ledger {VERSION}")
        raise typer.Exit
    return wanted
