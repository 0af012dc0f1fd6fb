"""Command lines that are understood without Typer.

Importing Typer and building its parser costs more than most answers. A line that is spelt
straight needs neither: options of every command before the verb, then options and arguments in
any order, ``--option VALUE`` or ``--option=VALUE``, each option once unless it may be repeated.
For anything else, and at the first doubt, ``read`` gives None and Typer reads the line: every
usage error, every help text and every list of suggestions is Typer's. What is read here, Typer
would read the same; ``tests/cli/test_straight.py`` compares the two.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from importlib import import_module
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin

from cli.declared import Option
from cli.groups import REQUIRED, Command, Parameter, every_parameter_of, gathered, groups_of, parameters_in
from cli.options import Everywhere

_MOST_DIGITS = 18  # Python refuses numbers of some thousand


class Called(NamedTuple):
    """A command with its arguments, and the options of every command, wherever they stood."""

    command: Command
    arguments: Mapping[str, Any]
    everywhere: Everywhere


class _OddError(Exception):
    """The line is not straight; Typer reads it, and tells what is wrong with it."""


def read(line: Sequence[str], *, commands: Mapping[str, str]) -> Called | None:
    """Return what *line* calls, None where Typer must read it."""
    verb = next((at for at, word in enumerate(line) if word in commands), None)
    if verb is None:
        return None
    module = import_module(f"cli.commands.{line[verb]}")
    command: Command | None = getattr(module, line[verb], None)
    after = verb + 1
    if subcommands := getattr(module, "SUBCOMMANDS", None):
        command, _ = subcommands.get(line[after] if after < len(line) else None, (None, None))
        after += 1
    if command is None:
        return None
    try:
        outer = Everywhere(**_values(line[:verb], parameters_in(Everywhere)))
        values = _values(line[after:], every_parameter_of(command))
    except _OddError:
        return None
    if values["version"] or outer.version:
        return None
    groups = gathered(groups_of(command), values)
    everywhere: Everywhere = groups.pop("session")
    return Called(command, values | groups, everywhere.within(outer))


def _values(line: Sequence[str], parameters: Sequence[Parameter]) -> dict[str, Any]:
    options = {name: p for p in parameters if isinstance(p.declared, Option) for name in p.declared.names}
    arguments = iter([p for p in parameters if not isinstance(p.declared, Option)])
    values: dict[str, Any] = {}
    words = iter(line)
    for word in words:
        if not word.startswith("-"):
            _put(values, next(arguments, None), word)
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        parameter = options.get(name)
        if parameter is not None and parameter.kind is bool:
            _put(values, None if equals else parameter, "")
        else:
            _put(values, parameter, value if equals else next(words, "-"))
    if any(p.default is REQUIRED and p.name not in values for p in parameters):
        raise _OddError
    return {p.name: p.default for p in parameters} | values


def _put(values: dict[str, Any], parameter: Parameter | None, text: str) -> None:
    # A value that begins with a hyphen may be a forgotten one.
    if parameter is None or text.startswith("-"):
        raise _OddError
    kind = _kind(parameter.kind)
    if get_origin(kind) is list:
        values.setdefault(parameter.name, []).append(_value(parameter, get_args(kind)[0], text))
    elif parameter.name in values:
        raise _OddError
    else:
        values[parameter.name] = _value(parameter, kind, text)


def _kind(hint: Any) -> Any:  # noqa: ANN401 # an annotation
    """Return the type without the None that stands for an option that is not given."""
    parts = [part for part in get_args(hint) if part is not NoneType]
    return parts[0] if NoneType in get_args(hint) else hint


def _value(parameter: Parameter, kind: Any, text: str) -> Any:  # noqa: ANN401 # a value of that type
    if kind is bool:
        return True
    if kind is str:
        value: Any = text
    elif kind is int and text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        value = int(text)
    elif kind is float and text.isascii() and text.replace(".", "", 1).isdecimal():
        value = float(text)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        value = next((member for member in kind if member.value == text), None)
    else:
        raise _OddError
    if value is None or not _allowed(parameter.declared, value):
        raise _OddError
    return value


def _allowed(declared: object, value: Any) -> bool:  # noqa: ANN401 # as above
    if not isinstance(declared, Option):
        return True
    check: Callable[[Any], Any] = declared.check or (lambda _: None)
    try:
        check(value)
    except ValueError:
        return False
    return (declared.min is None or value >= declared.min) and (declared.max is None or value <= declared.max)
