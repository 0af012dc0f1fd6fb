"""One proof of a long ledger: its time, its reads, how both grow, and what the tree takes on disk.

A proof is what ``show --proof`` makes from an open record: the newest checkpoint, the tiles on
the way, the hashes, and the text of the C2SP file. Reads are statements to the database. The
events that are proved lie all over the log. Size is measured on 10,000 events in commits of one,
beside the bytes of the events themselves, which are the same with any tree: leaf hashes, tiles,
keys, commits and a signed checkpoint for each. ``BENCHMARK_EVENTS`` sets another number of
events than 200,000, like the 1,000,000 of the budget.
"""

import os
import sqlite3
import statistics
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.bulk import build_ledger
from benchmarks.table import Ratio, report, seconds
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note
from ledger.tlog.proof import check_entry
from projections.evidence import EvidenceReader
from projections.read import log_size, open_ledger

_EVENTS = int(os.environ.get("BENCHMARK_EVENTS", "200000"))
_FEW = 10_000
_PROOFS = 201
_MILLISECONDS = 5
_READS = 20
_MEGABYTES = 10


def measure(folder: Path) -> tuple[Ratio, ...]:
    """Return the ratios, with the files in *folder*."""
    many = build_ledger(folder / "many", events=_EVENTS, commit=1_000)
    few = build_ledger(folder / "few", events=_FEW, commit=1)
    time, reads = _prove(many)
    time_of_few, reads_of_few = _prove(few)
    beside = _megabytes_beside_events(few)
    return (
        Ratio(f"proof at {_EVENTS:,} events", f"the speed of {_MILLISECONDS} ms", _MILLISECONDS / 1000 / time, 1.0),
        Ratio(f"reads for it, {reads}", f"{_READS} reads", _READS / reads, 1.0),
        Ratio("its speed", f"the speed at {_FEW:,} events", time_of_few / time),
        Ratio("its reads", f"the {reads_of_few} reads at {_FEW:,} events", reads_of_few / reads),
        Ratio(f"tree of {_FEW:,}, {beside:.1f} MB", f"{_MEGABYTES} MB", _MEGABYTES / beside, 1.0),
    )


def _prove(places: LedgerFolder) -> tuple[float, int]:
    """Return the median time of a proof, and the most statements that one took."""
    with open_ledger(places.path) as ledger:
        size = log_size(ledger)
        statements: list[str] = []
        ledger.set_trace_callback(statements.append)
        times, reads = [], 0
        for at in range(_PROOFS):
            index = at * (size - 1) // (_PROOFS - 1)
            statements.clear()
            times.append(seconds(lambda number=index: EvidenceReader(ledger).proofs(size)(number).encode()))  # type: ignore[misc] # bound now, called now
            reads = max(reads, len(statements))
            _check(ledger, size, index)
    return statistics.median(times), reads


def _check(ledger: sqlite3.Connection, size: int, index: int) -> None:
    reader = EvidenceReader(ledger)
    checkpoint = Checkpoint.parse(Note.parse(reader.note(size)).text)
    check_entry(reader.proofs(size)(index), leaf=next(reader.leaves(index, index + 1)), checkpoint=checkpoint)


def _megabytes_beside_events(places: LedgerFolder) -> float:
    with closing(sqlite3.connect(f"{places.database.as_uri()}?mode=ro", uri=True)) as ledger:
        (events,) = ledger.execute("SELECT SUM(length(state)) FROM stored_events").fetchone()
    return float(places.database.stat().st_size - events) / 1_000_000


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
