"""What a command shows while it works, and who sees it (RULINGS 23)."""

from io import StringIO

import pytest

from cli.terminal import Terminal

MIB = 1024 * 1024


class Screen(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("err", "quiet", "verbose", "shown"),
    [
        (Screen(), False, False, True),
        (Screen(), True, False, False),
        (StringIO(), False, False, False),
        (StringIO(), False, True, True),
        (StringIO(), True, True, False),
    ],
)
def test_advice_shows_on_a_terminal_or_with_verbose(err: StringIO, quiet: bool, verbose: bool, shown: bool) -> None:  # noqa: FBT001 # pytest's parameters
    terminal = Terminal(out=StringIO(), err=err, quiet=quiet, verbose=verbose)

    terminal.advise("recorded as event 1")

    assert err.getvalue() == ("recorded as event 1\n" if shown else "")


def test_progress_of_a_long_unpacking_shows_and_goes_on_a_terminal() -> None:
    out, err = StringIO(), Screen()
    terminal = Terminal(out=out, err=err, no_color=True)

    for done in range(0, 65, 8):
        terminal.progress(done * MIB, 64 * MIB)
    terminal.say("Unpacked successfully")

    assert "67.1 MB" in err.getvalue()
    assert "\x1b[3" not in err.getvalue()
    assert out.getvalue() == "Unpacked successfully\n"


@pytest.mark.parametrize(
    ("err", "quiet", "total"), [(Screen(), True, 64 * MIB), (StringIO(), False, 64 * MIB), (Screen(), False, MIB)]
)
def test_progress_shows_nowhere_else(err: StringIO, quiet: bool, total: int) -> None:  # noqa: FBT001 # as above
    terminal = Terminal(out=StringIO(), err=err, quiet=quiet, verbose=True)

    terminal.progress(total // 2, total)
    terminal.progress(total, total)

    assert err.getvalue() == ""


def test_words_are_not_mixed_into_json() -> None:
    out = StringIO()
    terminal = Terminal(out=out, err=StringIO(), json=True)

    terminal.say("Installed Release: 4.4.16")

    assert out.getvalue() == ""
