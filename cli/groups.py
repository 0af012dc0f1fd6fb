"""Groups of options in a command's signature, found and filled.

Both readers of a command line use it: Typer's, and ``straight.py``.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from cli.declared import Argument, Group, Option
from cli.options import Everywhere

Command = Callable[..., int]
REQUIRED = object()


class Parameter(NamedTuple):
    """One option or argument: how it is declared, the type of its value, and its default or *REQUIRED*."""

    name: str
    declared: Option | Argument
    kind: Any
    default: object


def groups_of(command: Command) -> Mapping[str, type[Any]]:
    """Return the groups that *command* takes, by the names of its parameters; its session is the last."""
    hints = command.__annotations__.items()
    groups = {name: kind for name, kind in hints if isinstance(kind, type) and issubclass(kind, Group)}
    return groups | {"session": Everywhere}


def parameters_of(command: Command) -> tuple[Parameter, ...]:
    """Return what *command* itself declares, groups apart."""
    return _parameters(command, apart=groups_of(command))


def parameters_in(group: type[Any]) -> tuple[Parameter, ...]:
    """Return what a group declares."""
    return tuple(
        _parameter(name, hint, group.__dict__.get(name, REQUIRED)) for name, hint in group.__annotations__.items()
    )


def every_parameter_of(command: Command) -> tuple[Parameter, ...]:
    """Return all that *command* takes, in the order of its signature, options for every command last."""
    groups = groups_of(command)
    return (*parameters_of(command), *(p for group in groups.values() for p in parameters_in(group)))


def gathered(groups: Mapping[str, type[Any]], values: dict[str, Any]) -> dict[str, Any]:
    """Return each group, filled from *values*, which keeps the rest."""
    return {
        name: group(**{field: values.pop(field) for field in group.__annotations__}) for name, group in groups.items()
    }


def _parameters(command: Command, *, apart: Mapping[str, object]) -> tuple[Parameter, ...]:
    code, positional = command.__code__, command.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    defaults = dict(zip(names[code.co_argcount - len(positional) : code.co_argcount], positional, strict=True))
    defaults |= command.__kwdefaults__ or {}
    hints = command.__annotations__
    return tuple(_parameter(name, hints[name], defaults.get(name, REQUIRED)) for name in names if name not in apart)


def _parameter(name: str, hint: Any, default: object) -> Parameter:  # noqa: ANN401 # an annotation
    kind, declared, *_ = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    if not isinstance(declared, Option | Argument):
        raise TypeError(f"{name} is not declared by cli.declared.Option or Argument")
    return Parameter(name, declared, kind, default)
