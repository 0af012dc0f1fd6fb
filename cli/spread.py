"""From a command that takes groups of options to the function that Typer asks for, and back.

Typer reads a signature and gives single values. ``spread`` shows it the options of each group
one by one, gathers what was parsed into the groups again, merges the options that stood before
the verb, and hands all of it to ``cli.run``.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import typer

from cli.options import (
    ChangeOptions,
    Everywhere,
    ExportOptions,
    FilterOptions,
    InstallationOptions,
    ReadOptions,
    RecoverOptions,
)
from cli.session import Session

Command = Callable[..., int]
Runner = Callable[[Command, Mapping[str, Any], Session], int]
_Function = TypeVar("_Function", bound=Callable[..., object])
_GROUPS = (ChangeOptions, RecoverOptions, InstallationOptions, ReadOptions, FilterOptions, ExportOptions)


def spread(command: Command, *, run: Runner) -> Command:
    """Return *command* for Typer; *run* is called with it, its arguments and its session."""
    signature = inspect.signature(command, eval_str=True)
    groups = {p.name: p.annotation for p in signature.parameters.values() if p.annotation in _GROUPS}
    groups["session"] = Everywhere
    own = [p for p in signature.parameters.values() if p.name not in groups]

    def function(ctx: typer.Context, **values: Any) -> int:  # noqa: ANN401 # what Typer parsed
        gathered = {name: _gathered(group, values) for name, group in groups.items()}
        session = Session(gathered["session"].within(ctx.obj or Everywhere()))
        return run(command, values | gathered | {"session": session}, session)

    shared = [p for group in groups.values() for p in inspect.signature(group).parameters.values()]
    return _shown(function, (*own, *shared))


def callback_for_root() -> Callable[..., None]:
    """Return what Typer calls for the root: it takes the options of every command."""

    def function(ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401 # what Typer parsed
        ctx.obj = Everywhere(**values)

    return _shown(function, tuple(inspect.signature(Everywhere).parameters.values()))


def _shown(function: _Function, parameters: Sequence[inspect.Parameter]) -> _Function:
    """Return *function* with a signature that names the context and *parameters*."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    named = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (context, *parameters)]
    function.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined] # inspect.signature reads it
    function.__annotations__ = {p.name: p.annotation for p in named}
    return function


def _gathered(group: type[Any], values: dict[str, Any]) -> Any:  # noqa: ANN401 # an instance of *group*
    return group(**{field.name: values.pop(field.name) for field in fields(group)})
