"""What a command costs before it has done anything: instructions, against ``python -c pass``.

Instructions are counted by valgrind, so a busy machine changes nothing. The program is
installed as pip installs it: modules compiled, in a virtual environment without what only tests
need, behind the launcher that pip writes. Budgets: RULINGS 32.

A change is measured on releases that are unpacked. The rehearsal of an unpacking reads a package to
its last byte and checks every member; that is work and no start-up, so its limit is one higher.
"""

import compileall
import os
import pty
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

from benchmarks.table import Cost, report
from tests.cli.lab import PROJECT, make_lab

_LAUNCHER = """\
import sys
from cli.__main__ import main
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(main())
"""
_FAST = (("--version",), ("versions",), ("root_dir",), ("root_dir", "--raw"))
_READS = (
    ("versions", "--json"),
    ("versions", "--at", "2"),
    ("versions", "--status", "permanent"),
    ("nodes",),
    ("nodes", "--json"),
    ("log",),
    ("log", "-n", "20", "--oneline"),
    ("log", "--json"),
    ("show", "last"),
)
_TABLES = (("versions",), ("log", "-n", "20"))
_CHANGES = (
    ("permanent", "4.4.1"),
    ("upgrade", "4.4.16", "--dry-run"),
    ("install", "4.4.16", "--dry-run"),
    ("downgrade", "4.4.0", "--dry-run"),
    ("uninstall", "4.4.0", "--dry-run"),
    ("restart", "--dry-run"),
)
_UNPACKING = ("unpack", "4.4.16", "--dry-run")
_COLLECTED = re.compile(r"Collected : (\d+)")


def measure(folder: Path) -> tuple[Cost, ...]:
    """Return the cost of each kind of command, with the files in *folder*."""
    python, launcher = install(folder / "env")
    lab = make_lab(folder / "host").having(PYTHONHASHSEED="0", TERM="xterm", COLUMNS="100", PAGER="cat")
    lab.init()
    lab.offer("4.4.1", "4.4.16")
    lab.run("upgrade", "4.4.1", "--reason", "CVE fix")
    environ = {name: value for name, value in lab.variables.items() if name != "PYTHONPATH"}
    bare = instructions((python, "-c", "pass"), environ)

    def cost(arguments: tuple[str, ...], limit: float, *, terminal: bool = False) -> Cost:
        command = (python, launcher, *arguments)
        instructions(command, environ)
        value = instructions(command, environ, terminal=terminal) / bare
        where = ", on a terminal" if terminal else ""
        return Cost(" ".join(arguments) + where, "python -c pass, in instructions", value, limit)

    unpacking = cost(_UNPACKING, 15.0)
    lab.run("unpack", "4.4.16")
    return (
        *(cost(arguments, 2.0) for arguments in _FAST),
        *(cost(arguments, 7.5) for arguments in _READS),
        *(cost(arguments, 10.0, terminal=True) for arguments in _TABLES),
        *(cost(arguments, 14.0) for arguments in _CHANGES),
        unpacking,
    )


def install(folder: Path) -> tuple[str, str]:
    """Install the program into *folder*; return its interpreter and its launcher."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    for package in ("cli", "ledger", "projections"):
        shutil.copytree(PROJECT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(site, quiet=1)
    # What it needs is compiled where pip put it.
    (site / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    launcher = folder / "bin" / "release-ledger"
    launcher.write_text(_LAUNCHER, encoding="utf-8")
    return str(folder / "bin" / "python"), str(launcher)


def instructions(command: tuple[str, ...], environ: Mapping[str, str], *, terminal: bool = False) -> int:
    """Return the instructions that *command* takes."""
    with tempfile.NamedTemporaryFile("r") as log:
        counted = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log.name}", *command)
        if terminal:
            _on_terminal(counted, environ)
        else:
            ended = subprocess.run(counted, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            assert ended.returncode == 0, ended.stderr.decode()
        found = _COLLECTED.search(Path(log.name).read_text(encoding="utf-8"))
    assert found is not None, "valgrind counted nothing"
    return int(found[1])


def _on_terminal(command: tuple[str, ...], environ: Mapping[str, str]) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as started:
        os.close(theirs)
        try:
            while os.read(ours, 65536):
                pass
        except OSError:  # EIO: the command has ended
            os.close(ours)
        assert started.wait() == 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
