"""Tables on a real terminal: drawn and wrapped, narrow or wide, without colour where nobody wants it; piped: cheap."""

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl

import pytest

from tests.cli.lab import Lab

HEAVY = ("eventsourcing", "rich", "cryptography", "pydantic")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(lab: Lab, *arguments: str, width: int = 100) -> str:
    """Return what the command writes to a terminal of this width."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environ = {"TERM": "xterm-256color", "COLUMNS": str(width)}
    with lab.having(**environ).start(*arguments, stdout=slave, stderr=subprocess.DEVNULL) as started:
        os.close(slave)
        text = b""
        while True:
            try:
                part = os.read(master, 65_536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            text += part
        started.wait()
    os.close(master)
    return text.decode().replace("\r\n", "\n")


def test_a_table_is_drawn_with_headings_on_a_terminal(lab: Lab) -> None:
    text = on_terminal(lab, "check", width=120)

    assert re.search(r"Point +Verdict +Value +What to do", ESCAPE.sub("", text))
    assert "\x1b[32mok" in text


def test_long_reasons_are_wrapped_and_nothing_is_cut(lab: Lab) -> None:
    text = ESCAPE.sub("", on_terminal(lab, "check", width=80))

    assert max(len(line) for line in text.splitlines()) <= 80
    assert "vouches" in text.replace("\n", " ")


def test_a_narrow_terminal_gets_blocks(lab: Lab) -> None:
    text = on_terminal(lab, "check", width=40)

    assert "Point: restart\nVerdict: ok\nValue: boots 4.4.0; nothing changes\n" in text


@pytest.mark.parametrize(("option", "variable"), [(("--no-color",), {}), ((), {"NO_COLOR": "1"})])
def test_colour_can_be_refused(lab: Lab, option: tuple[str, ...], variable: dict[str, str]) -> None:
    """no-color.org."""
    text = on_terminal(lab.having(**variable), "check", *option)

    assert "Point" in text
    assert "\x1b" not in text


def test_what_operators_wrote_never_steers_a_terminal(lab: Lab) -> None:
    (lab.root / "releases/emqx-\x1b[31m4.4.9.zip").write_bytes(b"PK")

    assert "\x1b[31m4.4.9" not in on_terminal(lab, "packages")
    assert "\\x1b[31m4.4.9" in lab.run("packages").out


def test_the_table_of_several_nodes_is_drawn(bare: Lab) -> None:
    bare.init("--node", "emqx@10.0.0.7")
    other = bare.folder / "other"
    bare.root.rename(other)
    bare.run("register", "--root", str(other), "--node", "emqx@10.0.0.8")

    text = ESCAPE.sub("", on_terminal(bare, "versions"))

    assert text.startswith("Installed versions:\n")
    assert re.search(r"Node +Version +Status", text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("diff", "0", "last"),
        ("replay",),
        ("replay", "--step", "--json"),
        ("show", "1", "--json"),
        ("log", "--json"),
        ("packages",),
        ("versions", "--live"),
        ("replay", "--live"),
    ],
)
def test_a_read_that_is_piped_loads_nothing_heavy(lab: Lab, arguments: tuple[str, ...]) -> None:
    """RULINGS 32."""
    lab.run("unpack", "4.4.1")
    program = (
        "import sys; from cli.app import main; main(sys.argv[1:]);"
        f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r})), file=sys.stderr)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=lab.variables, capture_output=True, text=True, check=False
    )

    assert ended.stderr == "[]\n"


def test_the_moment_inside_a_commit_has_its_root_too(lab: Lab) -> None:
    """PRODUCT section 7: number and root of the last event that the answer rests on."""
    lab.run("upgrade", "4.4.16", "--no-permanent")
    (lab.root / "data/embedded_node.json").unlink()
    by_hand = lab.having(RELEASE_LEDGER=str(lab.folder / "elsewhere"))
    by_hand.init()
    by_hand.run("upgrade", "4.4.1")
    lab.run("check", "--record")

    roots = [lab.run("versions", "--at", number, "--json").json["as_of"]["root"] for number in ("4", "5", "6")]

    assert len(set(roots)) == 3
    assert "as of event 5, root " in lab.run("versions", "--at", "5", "-v").err
