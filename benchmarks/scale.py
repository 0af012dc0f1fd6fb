"""One ledger of 500 nodes: what a question costs at 100,000 events, against the same at 1,000.

Instructions are counted by valgrind, of the whole command, with a view that is current. The
events are those of upgrades without end, five to an attempt, dealt to the nodes in turn.

What lists every event takes longer with each, and streams: neither its memory grows, nor the
time to its first line.
"""

import os
import subprocess
import sys
import tempfile
import time
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
_LIMIT, _LIMIT_OF_TIME = 1.25, 3.0
_TRIES = 5
_PEAK = (
    "import os, sys\n"
    "child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ,"
    " file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])\n"
    "_, status, usage = os.wait4(child, 0)\n"
    "sys.stderr.write(str(usage.ru_maxrss))\n"
    "sys.exit(os.waitstatus_to_exitcode(status))\n"
)
_QUESTIONS = (
    ("versions",),
    ("versions", "--at", "900"),
    ("log", "-n", "20"),
    ("log", "-n", "20", "--node", "emqx@10.0.0.7"),
    ("show", "last"),
    ("show", "900"),
)
_LISTS = (
    ("log",),
    ("log", "--json"),
    ("log", "--vsn", "4.4.16"),
    ("export", "--format", "jsonl"),
    ("export", "--format", "csv"),
    ("replay", "--step"),
)


def measure(folder: Path) -> tuple[Cost, ...]:
    """Return how each question grows, with the files in *folder*."""
    program = install(folder / "env")
    ledgers = tuple(build(folder / str(size), events=size) for size in _SIZES)

    def growth(arguments: tuple[str, ...]) -> Cost:
        small, large = (instructions((*program, "--ledger", str(made), *arguments), os.environ) for made in ledgers)
        return Cost(" ".join(arguments), f"the same at {_SIZES[0]:,} events", large / small, _LIMIT)

    def memory(arguments: tuple[str, ...]) -> Cost:
        small, large = (_memory((*program, "--ledger", str(made), *arguments)) for made in ledgers)
        what = f"memory of {' '.join(arguments)}, {large} MiB"
        return Cost(what, f"the same at {_SIZES[0]:,} events", large / small, _LIMIT)

    def first_line(arguments: tuple[str, ...]) -> Cost:
        small, large = (_first_line((*program, "--ledger", str(made), *arguments)) for made in ledgers)
        what = f"{' '.join(arguments)} to its first line, {large:.2f} s"
        return Cost(what, f"the same at {_SIZES[0]:,} events", large / small, _LIMIT_OF_TIME)

    return (
        *(growth(arguments) for arguments in _QUESTIONS),
        *(first_line(arguments) for arguments in _LISTS),
        *(memory(arguments) for arguments in _LISTS),
    )


def build(folder: Path, *, events: int, nodes: int = _NODES) -> Path:
    """Make a ledger of so many *events* of so many *nodes* in *folder*, with a view that is current."""
    folder.mkdir()
    create_database(folder / "ledger.db")
    with closing(open_ledger(folder / "ledger.db")) as ledger:
        history = islice(fleet_history(nodes), events)
        while batch := tuple(islice(history, _BATCH)):
            ledger.record(batch)
    assert read_folder(folder, lambda view, _: view.size()) == events
    return folder


def fleet_history(nodes: int) -> Iterator[AnyReleaseEvent]:
    """Yield the events of so many *nodes* without end: each is registered, then upgraded again and again."""
    names = tuple(f"emqx@10.0.{number // 250}.{number % 250}" for number in range(nodes))
    for name in names:
        yield replace(registered(stream=f"release:{name}"), context=replace(CONTEXT, node=name, attempt=None))
    for turn in count():
        for at, name in enumerate(names):
            context = replace(CONTEXT, node=name, attempt=f"0190d1ab-1234-7abc-8def-{turn * nodes + at:012x}")
            for step, event in enumerate(attempt_events()):
                version = 2 + 5 * turn + step
                yield replace(event, originator_id=f"release:{name}", originator_version=version, context=context)


def _first_line(command: tuple[str, ...]) -> float:
    """Return the seconds that *command* takes to its first line, at its best."""
    return min(_seconds(command) for _ in range(_TRIES))


def _seconds(command: tuple[str, ...]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as started:
        line = started.stdout.readline()  # type: ignore[union-attr] # it is a pipe
        taken = time.perf_counter() - began
        # Its reader leaves, so it ends.
        started.stdout.close()  # type: ignore[union-attr] # as above
    assert line
    assert started.returncode == 0
    return taken


def _memory(command: tuple[str, ...]) -> int:
    """Return the peak memory of *command* in MiB."""
    # From a small process: until it runs its own program, a child counts as large as its parent.
    ended = subprocess.run((sys.executable, "-c", _PEAK, *command), check=True, capture_output=True, text=True)
    return int(ended.stderr) // 1024


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
