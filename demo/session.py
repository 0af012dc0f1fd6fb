"""A session at a shell, as a transcript: ``$ command``, its output, its exit code where it is not 0.

Commands run one after the other in one folder, with ``release-ledger`` on the path and the ledger
in ``ledger/`` beside the installation. Nothing of the caller's own ledger or settings gets in.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROMPT = "$ "
_NOT_PASSED_ON = ("RELEASE_LEDGER", "LEDGER_", "EMQX_", "PYTHON")


@dataclass(frozen=True)
class Run:
    """One command with what it printed, on both streams, and its exit code."""

    command: str
    output: tuple[str, ...]
    code: int

    @property
    def lines(self) -> tuple[str, ...]:
        """The run as a transcript shows it."""
        code = (f"[{self.code}]",) if self.code else ()
        return (PROMPT + self.command, *self.output, *code)


class Session:
    """A shell in *folder*, whose installation is the only one that it knows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environ = environment(folder)

    def run(self, command: str) -> Run:
        """Run *command* to its end and return what it printed."""
        done = subprocess.run(  # noqa: S603 # the commands are those of the demo and of the pages
            ["/bin/sh", "-c", command],
            cwd=self._folder,
            env=dict(self._environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Run(command, tuple(done.stdout.decode(errors="replace").splitlines()), done.returncode)


def environment(folder: Path) -> Mapping[str, str]:
    """Return the environment of a session in *folder*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    programs = str(Path(sys.executable).parent)
    return kept | {
        "PATH": f"{programs}:{kept.get('PATH', os.defpath)}",
        "RELEASE_LEDGER": str(folder / "ledger"),
        "RELEASE_LEDGER_DRIVER": "embedded",
    }


def parse_transcript(lines: Iterator[str]) -> Iterator[Run]:
    """Yield the runs that a transcript shows; a line ``[2]`` is an exit code.

    Raises: ValueError: it does not begin with a command.
    """
    command, output = "", list[str]()
    for line in lines:
        if line.startswith(PROMPT):
            if command:
                yield _shown(command, output)
            command, output = line.removeprefix(PROMPT), []
        elif command:
            output.append(line)
        else:
            raise ValueError(line)
    if command:
        yield _shown(command, output)


def _shown(command: str, output: list[str]) -> Run:
    last = output[-1] if output else ""
    if last.startswith("[") and last.endswith("]") and last[1:-1].isdigit():
        return Run(command, tuple(output[:-1]), int(last[1:-1]))
    return Run(command, tuple(output), 0)
