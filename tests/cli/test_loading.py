"""What a piped read may load (RULINGS 32), and the tables that stand twice so that it need not load more."""

import subprocess
import sys

import pytest

from cli.render_checks import BINDING
from ledger.domain.compatibility import rules_of
from ledger.domain.records import Verb
from tests.cli.lab import Lab

HEAVY = (
    "typer",
    "eventsourcing",
    "rich",
    "cryptography",
    "pydantic",
    "tomllib",
    "difflib",
    "packaging",
    "ledger.domain",
)


@pytest.mark.parametrize(
    "arguments",
    [
        ("versions", "--json"),
        ("versions", "--at", "2"),
        ("root_dir", "--json"),
        ("log",),
        ("log", "-n", "2", "--oneline"),
        ("log", "--json"),
        ("show", "last"),
        ("show", "last", "--json"),
    ],
)
def test_a_piped_read_loads_neither_typer_nor_rules_nor_keys(lab: Lab, arguments: tuple[str, ...]) -> None:
    lab.run("upgrade", "4.4.1")
    program = (
        "import sys; from cli.app import main; code = main(sys.argv[1:]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=lab.variables, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "[]\n")


FOR_OTHERS = (
    "typer",
    "rich",
    "pydantic",
    "tomllib",
    "difflib",
    "jinja2",
    "ctypes",
    "shutil",
    "socket",
    "subprocess",
    "tarfile",
    "cli.discovery",
    "cli.export_options",
    "cli.fleet_options",
    "cli.installation_options",
    "cli.read_options",
    "cli.reading",
    "ledger.adapters.anchor_store",
    "ledger.adapters.left_overs",
    "ledger.adapters.outside",
    "ledger.adapters.package_tar",
    "ledger.adapters.staging_area",
    "ledger.adapters.witness_list",
    "ledger.application.anchoring",
    "ledger.tlog.cosignature",
    "ledger.tlog.policy_file",
    "ledger.tlog.witness_reply",
    "projections",
)
"""What a change that calls no node does without: it is for holders, tarballs, views, or other commands."""


@pytest.mark.parametrize(
    "arguments",
    [
        ("permanent", "4.4.1"),
        ("unpack", "4.4.16", "--dry-run"),
        ("upgrade", "4.4.16", "--dry-run"),
        ("downgrade", "4.4.0", "--dry-run"),
        ("uninstall", "4.4.0", "--dry-run"),
        ("restart", "--dry-run"),
    ],
)
def test_a_change_loads_nothing_that_only_others_need(lab: Lab, arguments: tuple[str, ...]) -> None:
    lab.run("upgrade", "4.4.1")
    lab.offer("4.4.16")
    program = (
        "import sys; from cli.app import main; code = main(sys.argv[1:]);"
        f"print([name for name in {FOR_OTHERS!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=lab.variables, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr.splitlines()[-1:]) == (0, ["[]"])


def test_a_piped_table_of_versions_loads_nothing_that_lists_events(lab: Lab) -> None:
    others = ("cli.listing", "hashlib", "shutil", "shlex")
    program = (
        "import sys; from cli.app import main; code = main(sys.argv[1:]);"
        f"print([name for name in {others!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, "versions", "--json"],
        env=lab.variables,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "[]\n")


def test_the_rules_that_show_names_are_those_that_bind() -> None:
    """RULINGS 20."""
    assert {verb: rules_of(Verb(verb)) for verb in BINDING} == BINDING
    assert set(BINDING) == set(map(str, Verb))
