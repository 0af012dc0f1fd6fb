"""Long texts on a terminal, and lists that are empty: what a hurried reader sees (PRODUCT section 10)."""

import fcntl
import os
import pty
import struct
import termios

import pytest

from tests.cli.lab import Lab

REASON = " ".join(f"word{number}" for number in range(40))


@pytest.fixture
def told(lab: Lab) -> Lab:
    """Return a host with an upgrade for a long reason."""
    lab.run("upgrade", "4.4.1", "--reason", REASON)
    return lab


def on_terminal(lab: Lab, width: int, *arguments: str) -> list[str]:
    """Return the lines that a terminal of this width gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    with lab.having(PAGER="cat", TERM="xterm").start(*arguments, stdout=theirs, stderr=theirs, stdin=theirs) as started:
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 65536):
                text += part
        except OSError:  # EIO: the command has ended
            os.close(ours)
    assert started.returncode == 0
    return text.decode().split("\r\n")


@pytest.mark.parametrize("arguments", [("log", "-n", "1"), ("show", "last")], ids=" ".join)
@pytest.mark.parametrize("width", [40, 80])
def test_a_long_reason_goes_on_under_its_beginning(told: Lab, arguments: tuple[str, ...], width: int) -> None:
    lines = on_terminal(told, width, *arguments)
    first = next(number for number, line in enumerate(lines) if line.startswith("  why     word0 "))
    rest = next(number for number in range(first + 1, len(lines)) if not lines[number].startswith(" " * 10))

    assert all(len(line) <= width for line in lines[first:rest])
    assert " ".join(" ".join(lines[first:rest]).split()) == f"why {REASON}"


def test_what_is_piped_is_not_broken(told: Lab) -> None:
    assert f"  why     {REASON}\n" in told.run("log", "-n", "1").out
    assert f"  why     {REASON}\n" in told.run("show", "last").out


def test_one_line_stays_one_line(told: Lab) -> None:
    told.run("note", "0", REASON)

    (line, *_) = on_terminal(told, 40, "log", "--oneline", "-n", "1")

    assert line.endswith("word39")


def test_an_empty_list_says_so_and_why_a_name_finds_nobody(told: Lab) -> None:
    """``log`` shows `os:0, root`, so root is what one asks for."""
    named = told.run("log", "--actor", "root", "-v")
    other = told.run("log", "--ticket", "CHG-9", "-v")
    piped = told.run("log", "--ticket", "CHG-9")

    assert (named.code, named.out) == (0, "")
    assert "no event is what was asked for\nhint: --actor takes an id" in named.err
    assert other.err == "no event is what was asked for\n"
    assert piped.err == ""
