"""A line that is read without Typer is read as Typer reads it; every other is Typer's."""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.command_table import COMMANDS
from cli.declared import Group, Option
from cli.groups import Command, every_parameter_of, parameters_in
from cli.options import ChangeOptions, Everywhere
from cli.session import Session
from cli.straight import read
from cli.typer_root import run_line
from tests.cli.lab import Lab


def calls() -> Iterator[tuple[tuple[str, ...], Command, str]]:
    """Yield the words of every command and subcommand, the function and its example."""
    for name in COMMANDS:
        module = import_module(f"cli.commands.{name}")
        if hasattr(module, "SUBCOMMANDS"):
            yield from (((name, word), to, example) for word, (to, example) in module.SUBCOMMANDS.items())
        else:
            yield (name,), getattr(module, name), module.EXAMPLE


CALLS = tuple(calls())
VALUES = st.sampled_from(
    ("4.4.16", "12", "0", "1.5", "-1", "07", "", " ", "last~2", "embedded", "minor", "offline", "ce", "jsonl", "nan")
) | st.sampled_from(
    ("\N{ARABIC-INDIC DIGIT ONE}", "1e3", "_1", "--json", "--", "-", "versions", "86401", "a=b", "1_0", ".5", "5.")
)


def names_of(command: Command) -> list[str]:
    """Return the options that *command* takes."""
    return [name for p in every_parameter_of(command) if isinstance(p.declared, Option) for name in p.declared.names]


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, ...]:
    """Draw a command line: options of one command with and without values, in any order."""
    verb, command, _ = draw(st.sampled_from(CALLS))
    own = names_of(command)
    outer = [name for p in parameters_in(Everywhere) if isinstance(p.declared, Option) for name in p.declared.names]

    def words(names: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
        name = st.sampled_from(names)
        glued = st.builds("{}={}".format, name, VALUES).map(lambda word: (word,))
        return st.one_of(st.tuples(name), st.tuples(name, VALUES), glued)

    before = draw(st.lists(words(outer), max_size=2))
    after = draw(st.lists(st.one_of(words(own), st.tuples(VALUES)), max_size=4))
    return (*(word for part in before for word in part), *verb, *(word for part in after for word in part))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments so that they compare: each group as its options; sessions are compared apart."""
    return {n: v.items() if isinstance(v, Group) else v for n, v in values.items() if not isinstance(v, Session)}


def by_typer(line: tuple[str, ...]) -> tuple[Command, dict[str, Any], Mapping[str, Any]] | None:
    """Return what Typer calls, None for a usage error or a help text."""
    calls = []

    def note(command: Command, arguments: Mapping[str, Any], session: Session) -> int:
        calls.append((command, plain(arguments), session.options.items()))
        return 0

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_line(line, commands=COMMANDS, run=note)
    return calls[0] if calls else None


@given(lines())
def test_what_is_read_straight_is_what_typer_reads(line: tuple[str, ...]) -> None:
    called = read(line, commands=COMMANDS)

    if called is not None:
        assert by_typer(line) == (called.command, plain(called.arguments), called.everywhere.items())


@pytest.mark.parametrize("example", [example for _, _, example in CALLS])
def test_the_example_of_every_command_is_read_straight(example: str) -> None:
    line = tuple(shlex.split(example))

    called = read(line, commands=COMMANDS)

    assert called is not None
    assert by_typer(line) == (called.command, plain(called.arguments), called.everywhere.items())


@pytest.mark.parametrize(
    "line",
    [
        (),
        ("--help",),
        ("versions", "-h"),
        ("versions", "--version"),
        ("--version", "versions"),
        ("-qv", "versions"),
        ("versions", "--js"),
        ("versions", "--json=yes"),
        ("versions", "--node"),
        ("versions", "--node", "a", "--node", "b"),
        ("versions", "extra"),
        ("upgrade",),
        ("upgrade", "--", "4.4.16"),
        ("upgrade", "4.4.16", "--wait", "soon"),
        ("upgrade", "4.4.16", "--wait", "86401"),
        ("upgrade", "4.4.16", "--allow", "everything"),
        ("log", "-n20"),
        ("log", "-n", "1" * 5000),
        ("nonsense", "versions"),
        ("witness",),
        ("witness", "--json", "list"),
        ("fleet", "nonsense"),
    ],
)
def test_what_is_not_spelt_straight_is_left_to_typer(line: tuple[str, ...]) -> None:
    assert read(line, commands=COMMANDS) is None


def test_a_line_that_is_read_straight_loads_no_typer(lab: Lab) -> None:
    program = "import sys; from cli.app import main; main(sys.argv[1:]); print('typer' in sys.modules, file=sys.stderr)"

    ended = subprocess.run(
        [sys.executable, "-c", program, "log"], env=lab.variables, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "False\n")


def test_a_group_is_frozen() -> None:
    options = ChangeOptions(reason="CVE fix")

    with pytest.raises(AttributeError):
        options.reason = "another"  # type: ignore[misc] # what must not work

    assert (options.reason, options.ticket, options.wait) == ("CVE fix", None, 0.0)
