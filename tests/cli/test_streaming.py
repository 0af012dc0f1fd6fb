"""Lists whose reader leaves early, reads slowly or pages: quiet, and nobody waits for them."""

import os
import pty

import pytest

from tests.cli.lab import Lab

LISTS = (
    ("log",),
    ("log", "--oneline"),
    ("log", "--json"),
    ("export", "--format", "jsonl"),
    ("export", "--format", "csv"),
    ("replay", "--step"),
    ("versions",),
    ("show", "last"),
    ("diff", "0", "last"),
)


@pytest.fixture
def grown(lab: Lab) -> Lab:
    """Return a host whose log is longer than a pipe."""
    lab.run("upgrade", "4.4.1")
    for number in range(40):
        lab.run("note", "0", f"note {number}: {'long ' * 90}")
    return lab


@pytest.mark.parametrize("arguments", [*LISTS, ("--help",), ("log", "--help")], ids=" ".join)
def test_a_reader_that_leaves_after_a_line_ends_a_list_quietly(grown: Lab, arguments: tuple[str, ...]) -> None:
    """``release-ledger log | head -1`` under ``set -o pipefail``."""
    reading, writing = os.pipe()
    os.close(reading)

    with grown.start(*arguments, stdout=writing) as started:
        os.close(writing)
        _, err = started.communicate(timeout=600)

    assert started.returncode in ((7,) if arguments[0] == "diff" else (0,))
    assert err == b""


def test_a_change_is_recorded_while_a_list_waits_for_its_reader(grown: Lab) -> None:
    with grown.start("log", "--json") as slow:
        assert slow.stdout is not None
        first = slow.stdout.readline()
        changed = grown.process("note", "0", "meanwhile")
        newest = grown.process("log", "-n", "1", "--oneline")
        rest = slow.stdout.read().splitlines()

    assert slow.returncode == 0
    assert changed.code == 0
    assert "meanwhile" in newest.out
    assert len([first, *rest]) == 46  # six of the upgrade and forty notes, without the new one


def test_export_goes_upwards_and_a_limit_counts_from_the_newest(grown: Lab) -> None:
    rows = grown.run("export", "--format", "csv", "-n", "3").out.split("\r\n")

    assert [row.partition(",")[0] for row in rows] == ["index", "43", "44", "45", ""]


def _of_pager(lab: Lab, pager: str, *arguments: str) -> tuple[int, str]:
    """Return exit code and text of a command on a terminal with this pager."""
    ours, theirs = pty.openpty()
    with lab.having(PAGER=pager, TERM="xterm").start(*arguments, stdout=theirs, stderr=theirs) as started:
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 65536):
                text += part
        except OSError:  # EIO: the command has ended
            os.close(ours)
    return started.returncode, text.decode()


def test_a_pager_gets_the_list_and_may_be_left_early(grown: Lab) -> None:
    whole = _of_pager(grown, "sed s/^event/paged/", "log")
    left = _of_pager(grown, "head -n 1", "log")

    assert (whole[0], whole[1].count("paged ")) == (0, 46)
    assert left[0] == 0
    assert left[1].startswith("event 45:")
    assert "Traceback" not in left[1]
