"""A writer killed after each step of an append (evidence.md 7, row 18; the steps are those of 5.2)."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.adapters.ledger_folder import LedgerFolder, create_folder
from ledger.application.release_ledger import ReleaseLedger
from ledger.tlog.checkpoint import open_checkpoint
from tests.fakes.recording import ORIGIN, installed, open_ledger, recording

ROOT = Path(__file__).parents[2]
KILLED = -9
WRITER = """
import os, sys
from pathlib import Path
from ledger.adapters import sqlite, sqlite_tree, tip_guard
from ledger.adapters.ledger_folder import LedgerFolder
from tests.adapters.test_append_faults import open_signed
from tests.fakes.recording import installed

def dies(where, name, when):
    act = getattr(where, name)
    def acted(*args, **kwargs):
        if when == "before":
            os.kill(os.getpid(), 9)
        done = act(*args, **kwargs)
        os.kill(os.getpid(), 9)
        return done
    setattr(where, name, acted)

folder, where, name, when = LedgerFolder(Path(sys.argv[1])), *sys.argv[2:]
place = {"recorder": sqlite.LedgerRecorder, "sqlite": sqlite, "tree": sqlite_tree.SignedTree,
         "rows": sqlite_tree.TileRows, "sqlite_tree": sqlite_tree, "guard": tip_guard.TipGuard,
         "durable": tip_guard}[where]
with open_signed(folder) as ledger:
    dies(place, name, when)
    ledger.record([installed(3), installed(4)])
"""
BEFORE_COMMIT = [
    ("sqlite", "_known_commit", "after"),
    ("tree", "check", "after"),
    ("recorder", "_insert_rows", "after"),
    ("rows", "store", "after"),
    ("sqlite_tree", "_read_back", "after"),
    ("tree", "_sign", "after"),
    ("tree", "grow", "after"),
]
AFTER_COMMIT = [("guard", "swap", "before"), ("durable", "overwrite_file", "before"), ("guard", "swap", "after")]


def open_signed(folder: LedgerFolder) -> ReleaseLedger:
    """Return a ledger that signs."""
    how = replace(
        recording(turn=lambda: folder.turn.hold("append", wait=5)), signer=folder.read_key(), guard=folder.guard
    )
    return open_ledger(folder.database, how)


def _after_a_kill(tmp_path: Path, step: tuple[str, str, str], version: int) -> tuple[list[int], list[int], int]:
    """Kill a writer of versions 3 and 4 at *step*, append *version*; return versions, sizes and the guard's size."""
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN)
    with open_signed(folder) as ledger:
        ledger.record([installed(1), installed(2)])
    ran = subprocess.run([sys.executable, "-c", WRITER, folder.path, *step], cwd=ROOT, check=False)
    assert ran.returncode == KILLED

    with open_signed(folder) as ledger:
        ledger.record([installed(version)])
        versions = [event.version for event in ledger.history()]
    with closing(sqlite3.connect(folder.database)) as connection:
        sizes = [size for (size,) in connection.execute("SELECT size FROM log_checkpoint ORDER BY size")]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    guarded = open_checkpoint(folder.guard.read() or b"", logs=[folder.read_key()]).checkpoint.size
    return versions, sizes, guarded


@pytest.mark.parametrize("step", BEFORE_COMMIT, ids="-".join)
def test_a_kill_before_the_commit_leaves_nothing(tmp_path: Path, step: tuple[str, str, str]) -> None:
    assert _after_a_kill(tmp_path, step, 3) == ([1, 2, 3], [2, 3], 3)


@pytest.mark.parametrize("step", AFTER_COMMIT, ids="-".join)
def test_a_kill_after_the_commit_leaves_all_of_it(tmp_path: Path, step: tuple[str, str, str]) -> None:
    """evidence.md 5.4: the guard is one checkpoint behind, and is advanced."""
    assert _after_a_kill(tmp_path, step, 5) == ([1, 2, 3, 4, 5], [2, 4, 5], 5)
