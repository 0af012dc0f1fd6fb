"""A host for the command line: an installation, its packages, a ledger, and the command itself.

``Lab.run`` calls the program inside this process, ``Lab.start`` as its own process. A real
command is started by the interpreter that runs the tests.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cli.app import main
from demo.emqx_installation import make_installation
from demo.emqx_package import make_package
from demo.emqx_tree import ReleaseSpec

SMALL = 1_000
PROJECT = Path(__file__).parents[2]
BASE = ReleaseSpec(vsn="4.4.0", extra_bytes=SMALL)
OFFERED = (
    ReleaseSpec(vsn="4.4.1", extra_bytes=SMALL).between("4.4.0"),
    ReleaseSpec(vsn="4.4.16", otp="24.3.4.2-1", erts="12.3.2.2", extra_bytes=SMALL).between("4.4.0", "4.4.1"),
    ReleaseSpec(vsn="4.5.0", otp="24.3.4.2-1", erts="12.3.2.2", extra_bytes=SMALL).between("4.4.16"),
)
STATED = ("--edition", "ce", "--os", "ubuntu20.04")


@dataclass(frozen=True)
class Result:
    """What one call of the command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 # what json.loads returns
        """The one object on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Lab:
    """One host, all of it under *folder*."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "emqx"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def packages(self) -> Path:
        return self.folder / "packages"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a command; nothing of this machine's own ledgers shows through."""
        own = {"RELEASE_LEDGER": str(self.ledger), "RELEASE_LEDGER_DRIVER": "embedded", "HOME": str(self.folder)}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)} | own | dict(self.environ)

    def copied(self, folder: Path) -> "Lab":
        """Return a copy of this host in *folder*, its ledger with it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Lab(folder)

    def having(self, **variables: str) -> "Lab":
        """Return this host for a user with these variables; an empty one is not set."""
        return replace(self, environ={**self.environ, **variables})

    def run(self, *arguments: str) -> Result:
        """Call the command in this process."""
        out, err = StringIO(), StringIO()
        with patch.dict(os.environ, self.variables, clear=True), redirect_stdout(out), redirect_stderr(err):
            code = main(arguments)
        return Result(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str | bytes, **options: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401 # those of Popen
        """Start the command as a process of its own."""
        streams: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        } | options
        started: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments], env=self.variables, **streams
        )
        return started

    def process(self, *arguments: str | bytes, **options: Any) -> Result:  # noqa: ANN401 # as above
        """Run the command as a process of its own, to its end."""
        with self.start(*arguments, **options) as started:
            out, err = started.communicate(timeout=600)
        return Result(started.returncode, (out or b"").decode(), (err or b"").decode())

    def init(self, *arguments: str) -> Result:
        """Make the ledger and register the installation."""
        return self.run("init", "--root", str(self.root), *(arguments or STATED))

    def offer(self, *vsns: str) -> None:
        """Put the packages of *vsns* where the command looks for them."""
        for package in self.packages.iterdir():
            if any(f"-{vsn}-" in package.name for vsn in vsns):
                shutil.copy2(package, self.root / "releases" / package.name)

    def rows(self) -> dict[str, str]:
        """Return the table of versions."""
        return {row["vsn"]: row["status"] for row in self.run("versions", "--json").json["releases"]}


def make_lab(folder: Path) -> Lab:
    """Write a host into *folder*."""
    lab = Lab(folder)
    make_installation(lab.root, BASE)
    for spec in OFFERED:
        make_package(lab.packages, spec)
    return lab
