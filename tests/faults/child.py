"""One command in a child of this process, with everything loaded already, and at most one broken call.

One that nothing breaks and nobody counts runs in this process: to copy what a child touches takes
several times as long as most commands do.
"""

import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401 # as `load_all` says

import cli
import ledger
import projections
from cli.app import main
from tests.faults import disk_calls, sqlite_calls
from tests.faults.disk_calls import Call, Fault, Watch


@cache
def load_all() -> None:
    """Load every module of the program here once, so that no child has to; PostgreSQL has no part in this."""
    for package in (ledger, projections, cli):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and "postgres" not in module.name:
                importlib.import_module(module.name)


@dataclass(frozen=True)
class Ran:
    """What one command gave; *code* is negative where a signal ended it."""

    code: int
    out: str
    err: str
    calls: tuple[Call, ...] = ()

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code < 0


def run(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    streams: Path,
    folders: Sequence[Path] = (),
    fault: Fault | None = None,
) -> Ran:
    """Run the command line in a child; *folders* are watched, and *fault* breaks one call there.

    *streams* is a folder for what it prints.
    """
    load_all()
    out, err, told = (streams / name for name in ("out", "err", "calls"))
    for path in (out, err, told):
        path.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            _live(list(arguments), environ, (out, err, told), Watch(tuple(map(str, folders)), fault))
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    calls = json.loads(told.read_text()) if told.exists() else []
    return Ran(
        os.waitstatus_to_exitcode(status), out.read_text(), err.read_text(), tuple(Call(*call) for call in calls)
    )


def run_here(arguments: Sequence[str], *, environ: Mapping[str, str]) -> Ran:
    """Run the command line in this process."""
    load_all()
    out, err = StringIO(), StringIO()
    with (
        open(os.devnull, encoding="utf-8") as nothing,  # noqa: PTH123 # it is no path
        patch.dict(os.environ, environ, clear=True),
        patch.object(sys, "stdin", nothing),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = main(list(arguments))
    return Ran(code, out.getvalue(), err.getvalue())


def _live(arguments: list[str], environ: Mapping[str, str], files: tuple[Path, Path, Path], watch: Watch) -> None:
    out, err, told = files
    sys.settrace(None)  # what measures the tests would slow the child, and hears nothing of it
    os.environ.clear()
    os.environ.update(environ)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 # as long as the process lives
    sys.stdout = out.open("w", encoding="utf-8", buffering=1)
    sys.stderr = err.open("w", encoding="utf-8", buffering=1)
    if watch.folders:
        disk_calls.install(watch)
        sqlite_calls.install(watch)
    code = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    with told.open("w", encoding="utf-8") as file:
        json.dump([[call.name, call.path] for call in watch.calls], file)
    os._exit(code)
