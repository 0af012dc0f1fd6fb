"""Verification of a long log, against reading and hashing its rows.

Ours: levels 0 to 4 over the database, in commits of 1,000 events: rows, form, tree, tiles,
checkpoints and their signatures, in as many processes as the machine has cores, four at most.
Reading and hashing: the rows in the order of the log, by the statement with which the ledger
itself reads it, and SHA-256 over each leaf, in one process. Memory is that of the command with
all its processes, looked at fifty times a second.

A checkpoint costs a tenth of a millisecond, nearly all of it for its signature: fifty times
reading an event. So a ledger of single commits is bound by Ed25519, and is measured beside it.
``BENCHMARK_EVENTS`` sets another number of events than 200,000, like the 1,000,000 of the budget.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path

from benchmarks.bulk import build_ledger
from benchmarks.table import Ratio, compare, report
from ledger.adapters.audit_place import Task, verify_path
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.adapters.signatures import PRIMITIVES
from ledger.application.audit import Asked
from ledger.application.audit_report import Level
from ledger.application.audit_trust import Guard, Trust
from ledger.tlog.policy import Log, Policy

_EVENTS = int(os.environ.get("BENCHMARK_EVENTS", "200000"))
_SINGLE = _EVENTS // 10
_COMMIT = 1_000
_LIMIT = 0.5
_MEMORY = 200
_LOOK_EVERY = 0.02
_ROWS = (
    "SELECT l.idx, e.originator_id, e.originator_version, e.topic, e.state FROM log_leaf AS l "
    "CROSS JOIN stored_events AS e USING (originator_id, originator_version) ORDER BY l.idx"
)


def measure(folder: Path) -> tuple[Ratio, ...]:
    """Return the ratios of time and memory, with the files in *folder*."""
    many = build_ledger(folder / "ledger", events=_EVENTS, commit=_COMMIT)
    single = build_ledger(folder / "single", events=_SINGLE, commit=1)
    peak = _peak_of(many)
    return (
        Ratio(f"verify {_EVENTS:,} events", "reading and hashing the rows", _compare(many, rounds=3), _LIMIT),
        Ratio(f"memory of it, {peak} MiB", f"{_MEMORY} MiB", _MEMORY / peak, 1.0),
        Ratio(f"verify {_SINGLE:,} single commits", "reading and hashing the rows", _compare(single, rounds=1)),
    )


def _compare(places: LedgerFolder, *, rounds: int) -> float:
    def read() -> None:
        with closing(sqlite3.connect(f"{places.database.as_uri()}?immutable=1", uri=True)) as bare:
            for row in bare.execute(_ROWS):
                sha256(b"\0" + row[4]).digest()

    return compare(lambda: _verify(places), read, rounds=rounds)


def _verify(places: LedgerFolder) -> None:
    policy = Policy((Log(places.read_key().vkey),), (), (), None)
    trust = Trust(policy=policy, primitives=PRIMITIVES, guard=Guard(name="guard", data=places.guard.read()))
    found = verify_path(Task(path=places.path, trust=trust, asked=Asked(level=Level.OUTSIDE)))
    assert found.level is Level.HISTORY, found
    assert [finding.where for finding in found.findings] == ["the quorum"]


def _peak_of(places: LedgerFolder) -> int:
    """Return the memory of the command in MiB: that of all its processes, at its highest."""
    command = (sys.executable, "-m", "cli", "verify", "--level", "3")
    env = {**os.environ, "RELEASE_LEDGER": str(places.path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as running:
        peak = 0
        while running.poll() is None:
            peak = max(peak, sum(map(_memory_of, _family(running.pid))))
            time.sleep(_LOOK_EVERY)
    assert running.returncode == 0
    return peak // 1024


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from _family(int(child))


def _memory_of(pid: int) -> int:
    """Return the memory of a process in KiB, a page that several share counted in part for each."""
    with suppress(OSError):
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return int(next((row for row in rows if row.startswith("Pss:")), "Pss: 0").split()[1])
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
