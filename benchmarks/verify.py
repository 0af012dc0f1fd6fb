"""Verification of 1,000,000 events, against reading and hashing the rows.

Ours: levels 0 to 4 over the database, in commits of 1,000 events: rows, form, tree, tiles,
checkpoints and their signatures. Reading and hashing: the rows in the order of the log, by the
statement with which the ledger itself reads it, and SHA-256 over each leaf. A signature costs
0.1 ms, so a ledger of single commits takes longer by that for each. ``BENCHMARK_EVENTS`` sets
another number of events.
"""

import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from hashlib import sha256
from itertools import islice
from pathlib import Path

from benchmarks.table import Ratio, compare, report
from ledger.adapters.audit_sqlite import open_source
from ledger.adapters.ledger_folder import create_folder
from ledger.adapters.signatures import PRIMITIVES
from ledger.application.audit import audit
from ledger.application.audit_report import Verdict
from ledger.application.audit_trust import Guard, Trust
from ledger.application.leaf_form import LeafReader
from ledger.tlog.policy import Log, Policy
from tests.evidence.ledgers import record, repeated
from tests.fakes.recording import ORIGIN

_EVENTS = int(os.environ.get("BENCHMARK_EVENTS", "1000000"))
_COMMIT = 1_000
_LIMIT = 0.5
_MEMORY = 200
_ROWS = (
    "SELECT l.idx, e.originator_id, e.originator_version, e.topic, e.state FROM log_leaf AS l "
    "CROSS JOIN stored_events AS e USING (originator_id, originator_version) ORDER BY l.idx"
)


def measure(folder: Path) -> tuple[Ratio, ...]:
    """Return the ratios of time and memory, with the files in *folder*."""
    places = create_folder(folder / "ledger", origin=ORIGIN)
    history = repeated()
    for _ in range(0, _EVENTS, 100 * _COMMIT):
        record(places, tuple(islice(history, min(_EVENTS, 100 * _COMMIT))), commit=_COMMIT)
    policy = Policy((Log(places.read_key().vkey),), (), (), None)
    trust = Trust(policy=policy, primitives=PRIMITIVES, guard=Guard(name="guard", data=places.guard.read()))

    def verify() -> None:
        with open_source(places.database) as source:
            assert audit(source, trust=trust, read=LeafReader()).verdict is Verdict.VERIFIED

    def read() -> None:
        with closing(sqlite3.connect(f"{places.database.as_uri()}?immutable=1", uri=True)) as bare:
            for row in bare.execute(_ROWS):
                sha256(b"\0" + row[4]).digest()

    value = compare(verify, read, rounds=3)
    peak = _peak_of(verify)
    return (
        Ratio(f"verify {_EVENTS:,} events", "reading and hashing the rows", value, _LIMIT),
        Ratio(f"memory of it, {peak} MiB", f"{_MEMORY} MiB", _MEMORY / peak, 1.0),
    )


def _peak_of(verify: object) -> int:
    """Return the peak memory of *verify* in MiB, in a process that did nothing else."""
    child = os.fork()
    if child == 0:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        assert callable(verify)
        verify()
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        os._exit(min(255, int(peak.split()[1]) // 1024 // 2))
    _, status = os.waitpid(child, 0)
    return max(1, 2 * os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
