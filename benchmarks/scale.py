"""One ledger of 500 nodes: what a question costs at 100,000 events, against the same at 1,000.

Instructions are counted by valgrind, of the whole command, with a view that is current. The
events are those of upgrades without end, five to an attempt, dealt to the nodes in turn.
``log --json`` lists every event, so it may grow with them; its memory is shown without a limit.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from benchmarks.replay import attempt_events
from benchmarks.startup import install, instructions
from benchmarks.table import Cost, report
from ledger.adapters.sqlite import create_database
from ledger.domain.events import AnyReleaseEvent
from projections.catch_up import read_folder
from tests.fakes.recording import CONTEXT, open_ledger, registered

_SIZES = (1_000, 100_000)
_NODES = 500
_BATCH = 1_000
_LIMIT = 1.25
_QUESTIONS = (
    ("versions",),
    ("versions", "--at", "900"),
    ("log", "-n", "20"),
    ("log", "-n", "20", "--node", "emqx@10.0.0.7"),
    ("show", "last"),
    ("show", "900"),
)


def measure(folder: Path) -> tuple[Cost, ...]:
    """Return how each question grows, with the files in *folder*."""
    program = install(folder / "env")
    ledgers = tuple(_build(folder / str(size), events=size) for size in _SIZES)

    def growth(arguments: tuple[str, ...]) -> Cost:
        small, large = (instructions((*program, "--ledger", str(made), *arguments), os.environ) for made in ledgers)
        return Cost(" ".join(arguments), f"the same at {_SIZES[0]:,} events", large / small, _LIMIT)

    small, large = (_memory((*program, "--ledger", str(made), "log", "--json")) for made in ledgers)
    return (
        *(growth(arguments) for arguments in _QUESTIONS),
        Cost(f"memory of log --json, {large} MiB", f"the same at {_SIZES[0]:,} events", large / small),
    )


def _build(folder: Path, *, events: int) -> Path:
    folder.mkdir()
    create_database(folder / "ledger.db")
    with closing(open_ledger(folder / "ledger.db")) as ledger:
        history = islice(_history(), events)
        while batch := tuple(islice(history, _BATCH)):
            ledger.record(batch)
    assert read_folder(folder, lambda view, _: view.size()) == events
    return folder


def _history() -> Iterator[AnyReleaseEvent]:
    names = tuple(f"emqx@10.0.{number // 250}.{number % 250}" for number in range(_NODES))
    for name in names:
        yield replace(registered(stream=f"release:{name}"), context=replace(CONTEXT, node=name, attempt=None))
    for turn in count():
        for at, name in enumerate(names):
            context = replace(CONTEXT, node=name, attempt=f"0190d1ab-1234-7abc-8def-{turn * _NODES + at:012x}")
            for step, event in enumerate(attempt_events()):
                version = 2 + 5 * turn + step
                yield replace(event, originator_id=f"release:{name}", originator_version=version, context=context)


def _memory(command: tuple[str, ...]) -> int:
    """Return the peak memory of *command* in MiB."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as started:
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    assert started.returncode == 0
    return usage.ru_maxrss // 1024


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
