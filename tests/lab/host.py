"""A host of the lab: a node, a ledger, and commands as a user runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

from ledger.domain.tables import Tables
from tests.lab.node import Lab, LabNode

REPOSITORY = Path(__file__).parents[2]
_NOT_PASSED_ON = ("RELEASE_LEDGER", "LEDGER_", "EMQX_", "ERL_")


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Host:
    """A node that is registered with a ledger beside it."""

    lab: Lab
    node: LabNode

    @property
    def ledger(self) -> Path:
        """The folder of the ledger."""
        return self.node.root.with_name("ledger")

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of its commands, which has no HOME."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
        kept.pop("HOME", None)
        return kept | {"RELEASE_LEDGER": str(self.ledger), "PYTHONPATH": str(REPOSITORY)}

    def offer(self, *vsns: str) -> None:
        """Put packages where EMQX looks for them."""
        for vsn in vsns:
            package = self.lab.package(vsn)
            copyfile(package, self.node.root / "releases" / package.name)

    def begin(self, *arguments: str, kill_at: int | None = None) -> "subprocess.Popen[str]":
        """Start a command; with *kill_at* it is killed at that point of its way."""
        program = ["-m", "cli"] if kill_at is None else ["-m", "tests.lab.killed", str(kill_at)]
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env=dict(self.environ),
        )

    def run(self, *arguments: str, kill_at: int | None = None) -> Answer:
        """Run a command to its end."""
        with self.begin(*arguments, kill_at=kill_at) as command:
            out, err = command.communicate(timeout=600)
        return Answer(command.returncode, out, err)

    def init(self) -> None:
        """Register the node."""
        answer = self.run("init", "--root", str(self.node.root), "--edition", "ce", "--os", "debian12")
        assert answer.code == 0, answer

    def events(self) -> tuple[Mapping[str, object], ...]:
        """Return the events of the ledger, oldest first."""
        lines = self.run("log", "--json").out.splitlines()
        return tuple(json.loads(line) for line in reversed(lines))

    def names(self) -> tuple[object, ...]:
        """Return the types of the events, oldest first."""
        return tuple(event["type"] for event in self.events())

    def versions(self) -> Mapping[str, str]:
        """Return the table of the ledger."""
        rows = json.loads(self.run("versions", "--json").out)["releases"]
        return {row["vsn"]: row["status"] for row in rows}

    def seen(self) -> Tables:
        """Return what node and disk show."""
        return self.node.driver().observe().tables

    def assert_all_agree(self) -> None:
        """Hold memory, boot files and record against each other."""
        tables = self.seen()
        assert tables.boot_files_agree(), tables
        assert self.versions() == {vsn: str(status) for vsn, status in tables.memory}
