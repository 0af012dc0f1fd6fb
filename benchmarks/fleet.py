"""One ledger of 1,000 nodes and 100,000 events: what a question over the fleet costs, against counting the events.

Instructions are counted by valgrind, of whole processes, with a view that is current. The floor
is an interpreter that counts the events with SQLite, ``SELECT count(*)``, and does nothing else.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.scale import build
from benchmarks.startup import install, instructions
from benchmarks.table import Cost, report

_NODES, _EVENTS = 1_000, 100_000
_LIMIT = 10.0
_COUNT = (
    "import sqlite3, sys\n"
    "print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM stored_events').fetchone()[0])\n"
)
_QUESTIONS = (
    ("versions",),
    ("versions", "--json"),
    ("versions", "--status", "permanent", "--vsn", "4.4.16"),
    ("versions", "--status", "permanent", "--vsn", "4.4.16", "--at", "50000"),
    ("nodes",),
    ("nodes", "--json"),
    ("nodes", "--behind", "--sort", "seen"),
)


def measure(folder: Path) -> tuple[Cost, ...]:
    """Return what each question costs, with the files in *folder*."""
    program = install(folder / "env")
    made = build(folder / "ledger", events=_EVENTS, nodes=_NODES)
    floor = instructions((program[0], "-c", _COUNT, str(made / "ledger.db")), os.environ)

    def cost(arguments: tuple[str, ...]) -> Cost:
        value = instructions((*program, "--ledger", str(made), *arguments), os.environ) / floor
        return Cost(
            f"{' '.join(arguments)}, {_NODES:,} nodes", "count(*) of the events, in instructions", value, _LIMIT
        )

    return tuple(map(cost, _QUESTIONS))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
