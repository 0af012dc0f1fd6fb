"""A node, or a command, one of whose system calls breaks: it runs under strace(1), so the fault is the kernel's.

A fault is named by a call, by the file that it is for, and by what becomes of it: the process is killed
as it makes the call, or the call fails, as it does where the disk is full.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError
from tests.lab.host import Answer, Host
from tests.lab.node import LabNode
from tests.needs import need

_SECONDS = 300
KILLED, FULL = "signal=SIGKILL", "error=ENOSPC"


@dataclass(frozen=True)
class Fault:
    """*call* on *path*, relative to the root, goes *how*, each time."""

    call: str
    path: str
    how: str

    def __str__(self) -> str:
        return f"{self.call} {self.path} {self.how.partition('=')[2]}"

    def around(self, root: Path, *command: str | Path) -> tuple[str | Path, ...]:
        """Return *command* with this fault."""
        need("strace", packages="strace")
        inject = ("-e", f"trace={self.call}", "-e", f"inject={self.call}:{self.how}")
        return ("strace", "-f", "-qq", "-o", "/dev/null", "-P", root / self.path, *inject, *command)


@contextmanager
def started_with(fault: Fault, node: LabNode) -> Iterator[None]:
    """Start *node*, which is down, with *fault*; at the end it is killed."""
    with subprocess.Popen(
        fault.around(node.root, node.root / "bin/emqx", "start"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(node.environ),
    ):
        try:
            _wait_for(node)
            yield
        finally:
            node.kill()  # and with it ends strace


def run_with(fault: Fault, host: Host, *arguments: str) -> Answer:
    """Run a command of ours with *fault*."""
    done = subprocess.run(
        fault.around(host.node.root, sys.executable, "-m", "cli", *arguments),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        env=dict(host.environ),
        timeout=_SECONDS,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def _wait_for(node: LabNode) -> None:
    limit = time.monotonic() + _SECONDS
    while True:
        try:
            node.driver().observe()
        except LedgerError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            return
