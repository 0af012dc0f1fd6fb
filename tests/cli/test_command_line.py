"""How a command line is read: options before and after the verb, help, usage errors (RULINGS 22)."""

import json
import tomllib
from pathlib import Path

import pytest

from cli import VERSION
from cli.command_table import COMMANDS
from cli.config import DRIVERS
from cli.exit_codes import FAMILIES, MEANINGS
from cli.installation_options import EditionChoice
from cli.options import DriverChoice, Overridable
from ledger.domain.compatibility import OVERRIDABLE
from tests.cli.lab import PROJECT, Lab


def parts_of(text: str) -> list[str]:
    """Return the marks of the three parts that *text* has, in their order."""
    return [line.partition(": ")[0] if not line.startswith("  ") else "fact" for line in text.splitlines()]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "--ledger", "{ledger}", "versions"),
        ("versions", "--json", "--ledger", "{ledger}"),
        ("--ledger", "{ledger}", "versions", "--json"),
        ("--json", "versions", "--ledger={ledger}"),
    ],
)
def test_global_options_stand_before_or_after_the_verb(lab: Lab, arguments: tuple[str, ...]) -> None:
    elsewhere = lab.having(RELEASE_LEDGER=str(lab.folder / "nowhere"))

    answer = elsewhere.run(*(argument.format(ledger=lab.ledger) for argument in arguments))

    assert answer.json["schema"] == "release-ledger/versions/1"


def test_the_option_nearer_to_the_command_wins(lab: Lab) -> None:
    answer = lab.run("--ledger", str(lab.folder / "nowhere"), "versions", "--ledger", str(lab.ledger))

    assert answer.code == 0


@pytest.mark.parametrize("order", [("4.4.16", "--dry-run"), ("--dry-run", "4.4.16")])
def test_options_stand_before_or_after_the_version(lab: Lab, order: tuple[str, ...]) -> None:
    answer = lab.run("upgrade", *order)

    assert answer.code == 0
    assert answer.out.startswith("Plan of upgrade 4.4.16:\n")


def test_no_arguments_print_help_and_exit_1(bare: Lab) -> None:
    answer = bare.run()

    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("Usage: release-ledger ")


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_of_every_command_has_an_example(bare: Lab, command: str, option: str) -> None:
    answer = bare.run(*command.split(), option)

    assert (answer.code, answer.err) == (0, "")
    assert f"Example: release-ledger {command}" in answer.out


@pytest.mark.parametrize("arguments", [("--version",), ("versions", "--version"), ("upgrade", "--version")])
def test_the_version_is_printed_wherever_it_is_asked_for(bare: Lab, arguments: tuple[str, ...]) -> None:
    answer = bare.run(*arguments)

    assert (answer.code, answer.out, answer.err) == (0, f"release-ledger {VERSION}\n", "")


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION


USAGE_ERRORS = [
    (),
    ("--json",),
    ("upgrad", "4.4.16"),
    ("upgrade",),
    ("upgrade", "4.4.16", "4.4.17"),
    ("upgrade", "4.4.16", "--forc"),
    ("upgrade", "4.4.16", "--wait", "soon"),
    ("upgrade", "4.4.16", "--wait", "-1"),
    ("upgrade", "4.4.16", "--wait", "nan"),
    ("upgrade", "4.4.16", "--driver", "telnet"),
    ("upgrade", "4.4.16", "--allow", "package", "--reason", "r"),
    ("upgrade", "4.4.16", "--allow", "boot-files", "--reason", "r"),
    ("upgrade", "4.4.16", "--allow", "minor"),
    ("upgrade", "4.4.16", "--reason"),
    ("upgrade", "4.4.16", "--at", "1"),
    ("versions", "4.4.0"),
    ("versions", "--at", "someday"),
    ("versions", "--at", "99"),
    ("versions", "--node", "emqx@elsewhere"),
    ("log", "-n", "0"),
    ("log", "-n", "many"),
    ("log", "--type", "vanished"),
    ("log", "--since", "someday"),
    ("log", "--vsn", "4.4"),
    ("log", "--node", "emqx@elsewhere"),
    ("show",),
    ("show", "99"),
    ("show", "last~99"),
    ("init", "--edition", "opensource"),
    ("register", "--otp", "twenty"),
    ("register", "--os", "Windows 11"),
    ("register", "--arch", "A 64"),
    ("register", "--node", "emqx"),
    ("unpack", "--no-permanent", "4.4.16"),
    ("--node",),
    ("restart", "4.4.0"),
]


@pytest.mark.parametrize("arguments", USAGE_ERRORS)
def test_a_usage_error_exits_1_and_changes_nothing(lab: Lab, arguments: tuple[str, ...]) -> None:
    before = lab.rows()

    answer = lab.run(*arguments)

    assert (answer.code, answer.out) == (1, "")
    if arguments:
        assert parts_of(answer.err) == ["error", "fact", "hint"] or "--json" in arguments
    assert lab.rows() == before


def test_a_usage_error_is_one_line_whatever_the_parser_wrote(lab: Lab) -> None:
    answer = lab.run("completion")

    assert answer.err.startswith("error: Missing argument 'SHELL'. Choose from: bash, zsh\n  Usage: ")


@pytest.mark.parametrize("arguments", [arguments for arguments in USAGE_ERRORS if arguments])
def test_a_usage_error_is_json_where_json_is_asked_for(lab: Lab, arguments: tuple[str, ...]) -> None:
    answer = lab.run("--json", *arguments)

    error = json.loads(answer.err)
    assert (answer.code, answer.out, error["code"], error["kind"]) == (1, "", 1, "usage")
    assert all({"message", "fact", "hint"} <= set(reason) for reason in error["reasons"])


@pytest.mark.parametrize(
    "text", ["4.4", "v4.4.16", "latest", "4.4.016", "4.4.16/..", "", "4.4.16\n", "\uff14.4.16", "-1"]
)
@pytest.mark.parametrize("verb", ["unpack", "install", "upgrade", "downgrade", "permanent", "uninstall"])
def test_what_is_no_version_is_a_usage_error_of_every_command(pattern: Lab, verb: str, text: str) -> None:
    """PRODUCT section 3: it needs no ledger to be seen."""
    answer = pattern.run(verb, "--", text)

    assert (answer.code, answer.out) == (1, "")
    assert "is not a version of a release" in answer.err


def test_a_mistyped_command_is_guessed(bare: Lab) -> None:
    assert "'upgrade'" in bare.run("upgrad", "4.4.16").err


def test_every_exit_code_of_an_error_has_a_meaning() -> None:
    assert set(FAMILIES.values()) <= set(MEANINGS)
    assert all(family.code == code for family, code in FAMILIES.items())


def test_what_is_overridden_is_what_may_be_overridden() -> None:
    """PRODUCT section 3."""
    assert set(map(str, Overridable)) - {"offline"} == set(map(str, OVERRIDABLE))
    assert tuple(map(str, DriverChoice)) == DRIVERS
    assert set(map(str, EditionChoice)) == {"ce", "ee"}


def test_help_that_cannot_be_written_is_an_error(bare: Lab) -> None:
    with Path("/dev/full").open("w") as full:
        answer = bare.process("--help", stdout=full)

    assert (answer.code, parts_of(answer.err)) == (3, ["error", "fact", "hint"])
