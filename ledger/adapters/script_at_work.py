"""Whether a release command of EMQX is at work on an installation.

EMQX's script has no lock, so nothing keeps it away from a command of ours, nor ours from it. Its
processes tell: ``bin/emqx`` or ``install_upgrade.escript`` of this root, followed by a word that
changes releases. They are found by whatever name they were called, relative or through a link.
"""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from ledger.errors import LockedError

_VERBS = frozenset({"unpack", "install", "upgrade", "downgrade", "uninstall"})
_PROGRAMS = ("emqx", "install_upgrade.escript")


class ScriptAtWorkError(LockedError):
    """Somebody else runs a release command of EMQX on this installation."""

    def __init__(self, pids: tuple[int, ...]) -> None:
        word = "process is" if len(pids) == 1 else "processes are"
        super().__init__(
            "a release command of EMQX is at work on this installation",
            fact=f"its {word} {', '.join(map(str, pids))}; EMQX's script has no lock",
            hint="wait until it is done; a change, and `recover`, wait with `--wait SECONDS`",
        )
        self.pids = pids


def scripts_at_work(root: Path) -> tuple[int, ...]:
    """Return the processes of EMQX's release commands that work on the installation at *root*."""
    programs = {str((root / "bin" / name).resolve()) for name in _PROGRAMS}
    return tuple(
        int(pid)
        for pid in os.listdir("/proc")  # noqa: PTH208 # it is read before every step
        if pid.isdigit() and any(_resolved(pid, program) in programs for program in _called(pid))
    )


def _called(pid: str) -> Iterator[str]:
    """Return what process *pid* was called with before a word that changes releases."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 # as above
            raw = file.read()
    except OSError:
        return
    if b"emqx\0" in raw or b".escript\0" in raw:
        for program, verb in pairwise(os.fsdecode(raw).split("\0")):
            if verb in _VERBS and program.rpartition("/")[2] in _PROGRAMS:
                yield program


def _resolved(pid: str, program: str) -> str:
    """Return the path of *program* as process *pid* sees it."""
    try:
        return os.path.realpath(Path("/proc", pid, "cwd").readlink() / program)
    except OSError:
        return os.path.realpath(program)
