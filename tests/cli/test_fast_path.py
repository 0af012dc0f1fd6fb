"""The fast path answers as the full one does, byte for byte, or not at all (RULINGS 32)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli import config, fast_path
from projections import sqlite_store
from tests.cli.lab import STATED, Lab

ASKED = (["versions"], ["root_dir"], ["root_dir", "--raw"], ["--version"])
LIFE = (
    ("unpack", "4.4.1"),
    ("upgrade", "4.4.9"),
    ("upgrade", "4.4.1", "--reason", "CVE fix"),
    ("upgrade", "4.4.16", "--no-permanent"),
    ("restart",),
    ("install", "4.4.16"),
    ("uninstall", "4.4.0", "--yes"),
    ("downgrade", "4.4.1"),
)
FAST_MODULES = frozenset(
    {
        "cli",
        "cli.__main__",
        "cli.fast_path",
        "cli.policy_text",
        "sqlite3",
        "sqlite3.dbapi2",
        "_sqlite3",
        "datetime",
        "_datetime",
    }
    | {"math", "operator", "_operator", "collections", "collections.abc", "_collections", "itertools", "keyword"}
    | {"reprlib", "functools", "_functools", "types", "time", "gc"}
)
"""All that a fast command may load beside what the interpreter starts with: sqlite3 and what it needs."""


def fast(lab: Lab, *arguments: str) -> tuple[str, str] | None:
    """Return what the fast path answers."""
    return fast_path.answer(list(arguments), lab.variables)


def full(lab: Lab, *arguments: str) -> tuple[str, str]:
    """Return what the full path answers, with its advice."""
    answer = lab.run(*arguments, "-v")
    assert answer.code == 0
    return answer.out, answer.err


def test_both_paths_give_the_same_in_every_state(lab: Lab) -> None:
    for change in LIFE:
        lab.run(*change)

        assert [fast(lab, *asked) for asked in ASKED] == [full(lab, *asked) for asked in ASKED], change


def test_both_paths_give_the_same_of_several_nodes(lab: Lab) -> None:
    other = lab.folder / "other"
    shutil.copytree(lab.root, other)
    lab.run("register", "--root", str(other), "--node", "another@10.0.0.8", *STATED)

    assert fast(lab, "versions") == full(lab, "versions")
    assert fast(lab, "root_dir") is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["versions", "--json"],
        ["versions", "--at", "0"],
        ["versions", "-v"],
        ["--raw", "root_dir"],
        ["root_dir", "--raw", "--raw"],
        ["version"],
        ["versions", "versions"],
        [],
    ],
)
def test_only_the_plain_question_is_answered(arguments: list[str]) -> None:
    assert fast_path.main(arguments) is None


def test_a_view_that_is_behind_is_left_to_the_full_path(lab: Lab) -> None:
    shutil.copy2(lab.ledger / "views.db", lab.folder / "old.db")
    lab.run("unpack", "4.4.1")
    shutil.copy2(lab.folder / "old.db", lab.ledger / "views.db")

    behind = fast(lab, "versions")
    caught_up = full(lab, "versions")

    assert behind is None
    assert fast(lab, "versions") == caught_up


def test_the_view_of_another_ledger_is_left_to_the_full_path(lab: Lab) -> None:
    elsewhere = lab.having(RELEASE_LEDGER=str(lab.folder / "elsewhere"))
    elsewhere.init()
    shutil.copy2(lab.folder / "elsewhere" / "views.db", lab.ledger / "views.db")

    assert fast(lab, "versions") is None


@pytest.mark.parametrize("damage", ["no view", "no ledger", "no SQLite", "another schema", "no releases"])
def test_what_is_missing_or_damaged_is_left_to_the_full_path(lab: Lab, damage: str) -> None:
    views = lab.ledger / "views.db"
    match damage:
        case "no view":
            views.unlink()
        case "no ledger":
            (lab.ledger / "ledger.db").unlink()
        case "no SQLite":
            views.write_bytes(b"not a view" * 1000)
        case _:
            connection = sqlite_store.create_views(views)
            connection.execute("PRAGMA user_version = 99" if damage == "another schema" else "DELETE FROM versions")
            connection.close()

    assert [fast(lab, *asked) for asked in ASKED] == [None, None, None, fast(lab, "--version")]


@pytest.mark.parametrize(
    "variables",
    [
        {"RELEASE_LEDGER_NODE": "emqx@elsewhere"},
        {"RELEASE_LEDGER_DRIVER": "telnet"},
        {"RELEASE_LEDGER": "postgresql://db/ledger"},
        {"RELEASE_LEDGER": "/nowhere?mode=memory"},
        {"RELEASE_LEDGER": "/nowhere"},
    ],
)
def test_settings_that_say_something_are_left_to_the_full_path(lab: Lab, variables: dict[str, str]) -> None:
    assert fast(lab.having(**variables), "versions") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment: é\n",
        "[policy]\nrequire_reason = true\n",
        '[policy]\nanchors = ["syslog", "file:/srv/notes"]\nholders = 2  # both\n',
        "[policy]\nrequire_ticket = false\nholders = 10",
    ],
)
def test_settings_of_policy_alone_stay_fast(lab: Lab, text: str) -> None:
    (lab.ledger / "config.toml").write_text(text, encoding="utf-8")

    assert fast(lab, "versions") == full(lab, "versions")


@pytest.mark.parametrize(
    "text",
    [
        'node = "emqx@elsewhere"\n',
        "require_reason = true\n",
        "[policy]\nrequire_reason = yes\n",
        "[policy]\nrequire_reason = true\nrequire_reason = true\n",
        "[policy]\n[policy]\n",
        "[policy]\nholders = 02\n",
        "[policy]\nholders = \u0662\n",
        '[policy]\nanchors = ["a" "b"]\n',
        '[policy]\nanchors = ["a\\"]\n',
        '[policy]\nanchors = ["a", ""b"]\n',
        "[policy]\nunknown = 1\n",
        "[policy]\nholders\n",
        "[policy]\nholders = 1 # a bell: \x07\n",
        "[other]\n",
    ],
)
def test_other_settings_are_left_to_the_full_path(lab: Lab, text: str) -> None:
    (lab.ledger / "config.toml").write_text(text, encoding="utf-8")

    assert fast(lab, "versions") is None


def test_settings_that_cannot_be_read_are_left_to_the_full_path(lab: Lab) -> None:
    (lab.ledger / "config.toml").write_bytes(b"# \xff\n")
    no_text = fast(lab, "versions")
    (lab.ledger / "config.toml").unlink()
    (lab.ledger / "config.toml").mkdir()

    assert (no_text, fast(lab, "versions")) == (None, None)


def test_settings_of_the_host_that_say_something_are_left_to_the_full_path(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = lab.folder / "host.toml"
    host.write_text(f'ledger = "{lab.ledger}"\n', encoding="utf-8")
    monkeypatch.setattr(fast_path, "HOST_CONFIG", str(host))

    assert fast(lab, "versions") is None


def test_text_that_is_not_plain_ascii_is_left_to_the_full_path(lab: Lab) -> None:
    other = lab.having(RELEASE_LEDGER=str(lab.folder / "second"))
    named = lab.folder / "r\u00e9pertoire"
    lab.root.rename(named)
    other.run("init", "--root", str(named), *STATED)

    assert (fast(other, "root_dir"), fast(other, "versions")) == (None, full(other, "versions"))


def test_the_default_ledger_is_the_one_of_the_full_path(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULINGS 8: the host's for root, or where it exists; else the user's state folder."""
    monkeypatch.setattr(fast_path, "HOST_LEDGER", str(lab.ledger))
    unnamed = {name: value for name, value in lab.variables.items() if name != "RELEASE_LEDGER"}
    of_host = fast_path.answer(["versions"], unnamed)
    monkeypatch.setattr(fast_path, "HOST_LEDGER", str(lab.folder / "none"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    shutil.copytree(lab.ledger, lab.folder / ".local" / "state" / "release-ledger")
    of_user = fast_path.answer(["versions"], unnamed)
    stated = fast_path.answer(["versions"], unnamed | {"XDG_STATE_HOME": str(lab.folder / ".local" / "state")})
    homeless = fast_path.answer(["versions"], {"HOME": "relative"})

    assert of_host == of_user == stated == full(lab, "versions")
    assert homeless is None


def test_what_is_written_down_twice_is_the_same_in_both_places() -> None:
    assert fast_path.APPLICATION_ID == sqlite_store.APPLICATION_ID
    assert fast_path.SCHEMA_VERSION == sqlite_store.SCHEMA_VERSION
    assert str(config.HOST_FOLDER / config.FILE_NAME) == fast_path.HOST_CONFIG
    assert str(config.HOST_LEDGER) == fast_path.HOST_LEDGER
    assert set(fast_path.DRIVERS) <= {"", *config.DRIVERS}


@pytest.mark.parametrize("asked", ASKED)
def test_a_fast_command_loads_only_what_is_named_here(lab: Lab, asked: list[str]) -> None:
    program = (
        "import sys; before = set(sys.modules); from cli.__main__ import main; code = main();"
        "print(*(set(sys.modules) - before), file=sys.stderr); sys.exit(code)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, *asked], env=lab.variables, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (0, full(lab, *asked)[0])
    assert set(ended.stderr.split()) <= FAST_MODULES


@pytest.mark.parametrize("asked", ASKED)
def test_output_that_cannot_be_written_is_told_as_on_the_full_path(lab: Lab, asked: list[str]) -> None:
    with Path("/dev/full").open("wb") as disk:
        answer = lab.process(*asked, stdout=disk)
        slow = lab.process(*asked, "-q", stdout=disk)

    assert (answer.code, answer.err) == (slow.code, slow.err)
    assert answer.code != 0


def test_a_closed_stdout_breaks_nothing(lab: Lab) -> None:
    ended = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m cli versions >&-"], env=lab.variables, capture_output=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, b"")
