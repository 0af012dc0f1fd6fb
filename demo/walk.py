"""The walk of EMQX's user guide on a made-up installation: ``python -m demo.walk DIR``.

It makes EMQX 4.4.0 and packages of 4.4.1, 4.4.16 and 4.5.0 in DIR, then upgrades, tries a release,
loses the trial by a restart, keeps it, goes back, is refused, and reads what was recorded. Each
command must end with the exit code that is written here, else the walk stops with 1.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from demo.__main__ import make_demo
from demo.session import Run, Session

_WHY = '--reason "CVE fix" --ticket CHG-1042'


class Step(NamedTuple):
    """A command, what it is there to show, and its exit code."""

    command: str
    shows: str = ""
    code: int = 0


STEPS = (
    Step(
        "release-ledger init --root emqx --edition ce --os ubuntu20.04",
        "An installation comes under a ledger. This one is a rehearsal: real files, no Erlang.",
    ),
    Step("release-ledger versions"),
    Step("cp packages/emqx-4.4.* emqx/releases/", "Packages go where EMQX looks for them."),
    Step(f"release-ledger upgrade 4.4.1 {_WHY}", "Unpack, install and make permanent in one command."),
    Step("release-ledger unpack 4.4.16", "Or step by step: unpack first, then try it without keeping it."),
    Step(f"release-ledger upgrade 4.4.16 --no-permanent {_WHY}"),
    Step("release-ledger versions"),
    Step("release-ledger restart", "A restart boots what is permanent, so the trial is lost, and that is recorded."),
    Step("release-ledger versions"),
    Step(f"release-ledger upgrade 4.4.16 --no-permanent {_WHY}", "Try it again, and keep it this time."),
    Step("release-ledger permanent 4.4.16"),
    Step("release-ledger versions"),
    Step('release-ledger downgrade 4.4.1 --reason "plugin fails"', "Go back, and clear away what is not wanted."),
    Step("release-ledger uninstall 4.4.16"),
    Step("release-ledger restart"),
    Step("release-ledger versions"),
    Step("cp packages/emqx-4.5.0-* emqx/releases/", "Another minor version is refused before anything is touched."),
    Step("release-ledger upgrade 4.5.0", code=2),
    Step("release-ledger versions --at 10", "What ran then, what happened, and one attempt in full."),
    Step("release-ledger log --oneline"),
    Step("release-ledger show 2"),
)


def walk(folder: Path) -> Iterator[tuple[Step, Run]]:
    """Make the installation in *folder* and yield each step with its run, as it is done.

    Raises: FileExistsError: one was made there before.
    """
    make_demo(folder)
    session = Session(folder)
    for step in STEPS:
        yield step, session.run(step.command)


def main(arguments: list[str] | None = None) -> int:
    """Walk in the folder that the command line names, and say where the files lie; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.walk", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where installation, packages and ledger are written")
    folder: Path = parser.parse_args(arguments).folder.absolute()
    try:
        for step, run in walk(folder):
            _print(step, run)
            if run.code != step.code:
                sys.stderr.write(f"this ended with {run.code} instead of {step.code}\n")
                return 1
    except FileExistsError as exc:
        sys.stderr.write(f"{exc.filename} exists: name another folder or delete it first\n")
        return 1
    _say_where(folder)
    return 0


def _print(step: Step, run: Run) -> None:
    lines = (f"\n# {step.shows}", *run.lines) if step.shows else run.lines
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _say_where(folder: Path) -> None:
    places = {
        "emqx/": "the installation, with the packages in releases/",
        "ledger/ledger.db": "the record: open it with any SQLite program",
        "ledger/log.key": "its signing key: keep it to yourself",
        "ledger.tip/tip": "the newest signed note: tells when the record was cut",
        "ledger/views.db": "tables for reading: delete them and they are made again",
    }
    sys.stdout.write(f"\n# The files lie in {folder}\n")
    sys.stdout.writelines(f"{path:18} {what}\n" for path, what in places.items())
    sys.stdout.write(f'RELEASE_LEDGER="{folder}/ledger" {Path(sys.executable).parent}/release-ledger log\n')


if __name__ == "__main__":
    sys.exit(main())
