"""``help``, its topics, and the manual page that is made of them."""

import re
import shutil
import subprocess

import pytest

from cli.command_table import COMMANDS
from cli.exit_codes import MEANINGS
from cli.man_page import man_page
from cli.topics import TOPICS
from ledger.domain.event_codec import TOPICS as EVENTS
from tests.cli.lab import PROJECT, Lab
from tests.needs import need

PAGE = PROJECT / "docs" / "man" / "release-ledger.1"


def test_help_lists_topics_and_commands(bare: Lab) -> None:
    answer = bare.run("help")

    assert answer.code == 0
    assert {line.split()[0] for line in answer.out.splitlines() if line.startswith("  ")} == {*TOPICS, *COMMANDS}


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_explained(bare: Lab, topic: str) -> None:
    answer = bare.run("help", topic)

    assert (answer.code, answer.out, answer.err) == (0, TOPICS[topic](), "")


def test_topics_are_made_of_the_tables_of_the_program(bare: Lab) -> None:
    codes, events = bare.run("help", "exit-codes").out, bare.run("help", "events").out

    assert all(f"  {code:<3}  {meaning}\n" in codes for code, meaning in MEANINGS.items())
    assert all(f"  {topic.split('.')[-2]} " in events for topic in EVENTS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_its_own_help(bare: Lab, command: str) -> None:
    assert bare.run("help", command).out == bare.run(command, "--help").out


def test_the_options_of_a_command_stand_in_groups(bare: Lab) -> None:
    """What a command has of its own comes first; ``--ticket`` is a filter of ``log``, and a fact of each change."""
    change, reading = bare.run("upgrade", "--help").out, bare.run("log", "--help").out

    own, _, shared = change.partition("Options of every change:")
    of_changes, _, of_all = shared.partition("Options of every command:")
    assert "--no-permanent" in own
    assert all(
        option in of_changes for option in ("--reason", "--ticket", "--dry-run", "--wait", "--driver", "--allow")
    )
    assert all(option in of_all for option in ("--ledger", "--node", "--json", "--help"))
    assert "every change" not in reading
    assert "--ticket" in reading.partition("Options of every command:")[0]


def test_an_unknown_topic_is_a_usage_error(bare: Lab) -> None:
    answer = bare.run("help", "everything")

    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: 'everything' is neither a topic nor a command\n")


def test_the_manual_page_is_the_one_that_is_made() -> None:
    assert PAGE.read_text(encoding="utf-8") == man_page(), "make man"


def test_the_manual_page_renders_without_warnings() -> None:
    """With man where it is there, which is what readers have; else with groff, which man calls."""
    man = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(PAGE)]
    groff = ["groff", "-man", "-ww", "-Tutf8", "-Kutf8", str(PAGE)]

    if shutil.which("man") is None:
        need("groff", packages="man-db")
    ended = subprocess.run(
        man if shutil.which("man") else groff,
        env={"LC_ALL": "C", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    plain = re.sub(r".\x08|\x1b\[[0-9;]*m", "", ended.stdout)
    assert ended.stderr == ""
    assert all(re.search(rf"^ +{re.escape(command)}\b", plain, re.MULTILINE) for command in COMMANDS)
