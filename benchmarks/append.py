"""A durable, signed append, against a bare insert of the same bytes at the same durability.

Ours: one event recorded as one commit, with the writer's turn (flock), the system's clock, all
rows of the log, the read-back, a signed checkpoint, and the tip guard. Bare, at the same
durability: one row of the same bytes inserted into one table of SQLite, WAL and
``synchronous=FULL``, one transaction each, and the same note put outside the database by a
temporary file, fsync, rename and fsync of the folder; without that note a rollback would go
unseen, so it is part of what is promised. A second row without a limit tells the distance to the
insert alone, which flushes the disk once and keeps nothing outside.
"""

import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.table import Ratio, compare, report
from ledger.adapters.clock import SystemClock
from ledger.adapters.durable import replace_file
from ledger.adapters.identity import new_id
from ledger.adapters.ledger_folder import create_folder
from ledger.application.record_ports import Recording
from ledger.application.release_ledger import ReleaseLedger
from tests.fakes.recording import ORIGIN, installed

_COMMITS = 40
_ROUNDS = 25  # short ones: what else the machine does meets both sides alike
_LIMIT = 0.5


def measure(folder: Path) -> tuple[Ratio, ...]:
    """Return the ratio of one append, with the files in *folder*."""
    made = create_folder(folder / "ledger", origin=ORIGIN)
    env = {"PERSISTENCE_MODULE": "ledger.adapters.sqlite:LedgerFactory", "SQLITE_DBNAME": str(made.database)}
    how = Recording(
        origin=ORIGIN,
        clock=SystemClock(),
        new_id=new_id,
        turn=lambda: made.turn.hold("append", wait=5),
        signer=made.read_key(),
        guard=made.guard,
    )
    versions, event = count(1), installed(1)
    with ReleaseLedger(env, recording=how) as ledger, closing(_bare(folder / "bare.db")) as bare:
        row = ledger.mapper.to_stored_event(event)
        ledger.record([replace(event, originator_version=next(versions))])
        note = made.guard.read() or b""

        def append() -> None:
            for _ in range(_COMMITS):
                ledger.record([replace(event, originator_version=next(versions))])

        def insert() -> None:
            for _ in range(_COMMITS):
                bare.execute("BEGIN IMMEDIATE")
                bare.execute(
                    "INSERT INTO events VALUES (?,?,?,?)", (row.originator_id, next(versions), row.topic, row.state)
                )
                bare.execute("COMMIT")

        def replace_note() -> None:
            for _ in range(_COMMITS):
                replace_file(folder / "note", note, mode=0o600)

        def insert_and_replace() -> None:
            insert()
            replace_note()

        against_insert = compare(append, insert, rounds=_ROUNDS)
        against_both = compare(append, insert_and_replace, rounds=_ROUNDS)
    return (
        Ratio("durable, signed append", "bare inserts, and a note put aside by rename", against_both, _LIMIT),
        Ratio("durable, signed append", "bare inserts alone, with nothing outside", against_insert),
    )


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE events (stream TEXT, version INTEGER, topic TEXT, state BLOB, PRIMARY KEY (stream, version))"
    )
    return connection


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
