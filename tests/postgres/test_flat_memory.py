"""The memory of a verifier, and of whoever reads the log, does not grow with it (issue 9, PRODUCT section 13)."""

import subprocess
import sys
from pathlib import Path

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
_READ_LOG = """
import resource, sys
from pathlib import Path
from projections.read import open_ledger, read_events
with open_ledger(Path(sys.argv[1])) as ledger:
    next(read_events(ledger, start=0, stop=1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    states = [0, 0]
    for stream in (None, "s"):
        for number, event in enumerate(read_events(ledger, stream=stream)):
            assert event.number == number
            states[stream is None] += len(event.state)
    print(*states, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
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


def test_80_megabytes_of_log_are_read_through_a_few_pages(server: Server, database: str, tmp_path: Path) -> None:
    """``replay`` and ``export`` read all of it."""
    create_ledger(server.url(database), origin=ORIGIN)
    (tmp_path / "address").write_text(f"{server.url(database)}\n", encoding="utf-8")
    state = (
        """convert_to('{"v":1,"stream":"s","type":"t","version":' || n || ',"data":{"x":"' """
        f"""|| repeat('x', {_BYTES}) || '"}}}}', 'UTF8')"""
    )
    for table, row in {"stored_events": f"'s', n, 't', {state}", "log_leaf": "n - 1, 's', n, sha256('x')"}.items():
        filled = f"INSERT INTO ledger.{table} SELECT {row} FROM generate_series(1, {_ROWS}) AS n"  # noqa: S608 # our own words
        server.execute(filled, database=database)

    done = subprocess.run([sys.executable, "-c", _READ_LOG, tmp_path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    of_stream, whole, grown = map(int, done.stdout.split())
    assert of_stream == whole > _ROWS * _BYTES
    assert grown < 24_000  # KiB
