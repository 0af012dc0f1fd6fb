"""A verifier's memory does not grow with the ledger (issue 9, PRODUCT section 13)."""

import subprocess
import sys

from ledger.adapters.postgres_server import create_ledger
from tests.fakes.recording import ORIGIN
from tests.postgres.server import Server

_READ = """
import resource, sys
from ledger.adapters.audit_postgres import open_served
with open_served(sys.argv[1]) as source:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    notes = sum(len(note) for _, note in source.checkpoints(0))
    states = sum(len(row[2]) for rows in source.leaves(0, source.size()) for row in rows)
    assert list(source.surplus(source.size())) == []
    print(notes, states, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
_ROWS, _BYTES = 20_000, 4_000


def test_160_megabytes_of_events_and_notes_are_read_through_a_few(server: Server, database: str) -> None:
    address = server.url(database)
    create_ledger(address, origin=ORIGIN)
    state = f"""convert_to('{{"commit_id":"' || n || '","x":"' || repeat('x', {_BYTES}) || '"}}', 'UTF8')"""
    rows = {
        "stored_events": f"'s', n, 't', {state}",
        "log_leaf": "n - 1, 's', n, sha256('x')",
        "log_commit": "n, n - 1, n - 1",
        "log_checkpoint": f"n, convert_to(repeat('n', {_BYTES}), 'UTF8')",
    }
    for table, row in rows.items():
        filled = f"INSERT INTO ledger.{table} SELECT {row} FROM generate_series(1, {_ROWS}) AS n"  # noqa: S608 # as above
        server.execute(filled, database=database)

    done = subprocess.run([sys.executable, "-c", _READ, address], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    notes, states, grown = map(int, done.stdout.split())
    assert notes == _ROWS * _BYTES
    assert states > notes
    assert grown < 24_000  # KiB; a few thousand rows at a time
