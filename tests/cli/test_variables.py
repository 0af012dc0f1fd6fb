"""A variable that is misspelt is said, whichever command runs; what is set to good use is not."""

import pytest

from cli.fast_path import VARIABLES
from cli.variables import unknown_variables
from tests.cli.lab import Lab


@pytest.mark.parametrize("command", [("versions",), ("log",), ("root_dir",)])
def test_a_misspelt_variable_is_told_and_the_command_runs(lab: Lab, command: tuple[str, ...]) -> None:
    """Also by the commands that are answered before anything is loaded."""
    told = lab.having(RELEASE_LEDGER_RESON="CVE fix").run(*command)

    assert told.code == 0
    assert told.err == (
        "warning: the variable RELEASE_LEDGER_RESON is set, and nothing here reads it; "
        "did you mean RELEASE_LEDGER_REASON?\n"
    )


def test_known_variables_and_those_of_others_are_not_told() -> None:
    known = dict.fromkeys(VARIABLES, "x")
    others = dict.fromkeys(["RELEASE_LEDGER", "_RELEASE_LEDGER_COMPLETE", "RELEASE_LEDGERS", "PATH"], "x")

    assert [*unknown_variables(known | others)] == []


def test_a_value_is_never_told_and_what_is_far_off_gets_no_advice() -> None:
    (sentence,) = unknown_variables({"RELEASE_LEDGER_QQQQQQQQQQQQQQQQQQ": "secret"})

    assert sentence == "the variable RELEASE_LEDGER_QQQQQQQQQQQQQQQQQQ is set, and nothing here reads it"
