"""Playing a recorded scenario through our own command line, step by step.

Each step gives what it showed: exit code, words, memory table in order, RELEASES,
start_erl.data, the last REL_VSN. Commands run in this process, each with a ledger of its own
scenario; ``concurrent`` ones run as processes side by side.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from cli.app import main
from tests.conformance.compare import observe_disk
from tests.conformance.host import MEMORY, UnmetNeedError
from tests.conformance.lab import Lab, LabSite
from tests.conformance.transcripts import Command, Scenario, SetupStep, Step, Table

# What the node's own life-cycle commands and remote calls do is not ours to do.
NOT_OURS = frozenset({"stop", "ping", "eval"})
_AS_OURS = {"start": "restart"}
_FACTS = ("--edition", "ce", "--otp", "24.1.5-3", "--os", "ubuntu20.04", "--arch", "amd64")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What one step showed; *exit_code* and *stdout* are None for what happened on the host."""

    exit_code: int | None
    stdout: str | None
    memory: Table | None
    disk: Table | str
    start_erl: str
    rel_vsn: str


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A step that is not played, with the reason."""

    why: str


def play(scenario: Scenario, lab: Lab, folder: Path) -> Iterator[tuple[Step, Shown | Skipped]]:
    """Yield each step of *scenario* with what it showed here."""
    environment = {"RELEASE_LEDGER": str(folder / "ledger"), "RELEASE_LEDGER_DRIVER": "embedded"}
    with lab.site(scenario, folder / "site") as site, mock.patch.dict(os.environ, environment):
        code, _, stderr = _run("init", "--root", str(site.root), *_FACTS)
        assert code == 0, stderr
        for before in scenario.setup:
            _do(before, site)
        for step in scenario.steps:
            try:
                done = _do(step, site)
            except UnmetNeedError as exc:
                yield step, Skipped(why=str(exc))
                continue
            if done is None:
                yield step, Skipped(why="a command of the node itself, which is not ours")
                continue
            yield step, _shown(site.root, *done)


def _do(step: Step | SetupStep, site: LabSite) -> tuple[int | None, str | None] | None:
    """Do one step; return its exit code and words, None for a command that is not ours."""
    concurrent = step.concurrent if isinstance(step, Step) else ()
    if concurrent:
        _run_together(concurrent)
        return None, None
    if step.command is None:
        site.do(step.host_action or "")
        return None, None
    arguments = [_AS_OURS.get(word, word) for word in step.command.argv[1:]]
    if not NOT_OURS.isdisjoint(arguments[:1]):
        return None
    code, stdout, _ = _run(*arguments)
    if arguments[:1] == ["help"]:  # our own words, which grow with the commands and have tests of their own
        return code, ""
    return code, stdout.replace(str(site.root), "<ROOT>")


def _run(*arguments: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = main(arguments)
    return code, stdout.getvalue(), stderr.getvalue()


def _run_together(commands: tuple[Command, ...]) -> None:
    running = [subprocess.Popen([sys.executable, "-m", "cli", *command.argv[1:]]) for command in commands]
    for process in running:
        assert process.wait(600) == 0


def _shown(root: Path, exit_code: int | None, stdout: str | None) -> Shown:
    side = observe_disk(root)
    return Shown(
        exit_code=exit_code,
        stdout=stdout,
        memory=_memory(root),
        disk=side.disk_state,
        start_erl=side.start_erl_data,
        rel_vsn=side.rel_vsns[-1] if side.rel_vsns else "",
    )


def _memory(root: Path) -> Table | None:
    try:
        record = json.loads((root / MEMORY).read_bytes())
    except FileNotFoundError:
        return None
    return tuple((entry["vsn"], entry["status"]) for entry in record["memory"])
