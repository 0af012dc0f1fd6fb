"""What a change looks at before it appends: the newest events against what was signed."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.adapters.clock import SystemClock
from ledger.adapters.identity import new_id
from ledger.adapters.ledger_folder import LedgerFolder, create_folder
from ledger.adapters.sqlite_tree import LeafAlteredError
from ledger.application.record_ports import Recording
from ledger.application.release_ledger import ReleaseLedger
from ledger.errors import EvidenceError
from tests.fakes.recording import ORIGIN, installed

EVENTS = 5


@pytest.fixture
def made(tmp_path: Path) -> LedgerFolder:
    """Give a ledger of five events."""
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN)
    with ledger_in(folder) as ledger:
        for version in range(1, EVENTS + 1):
            ledger.record([replace(installed(1), originator_version=version)])
    return folder


def ledger_in(folder: LedgerFolder) -> ReleaseLedger:
    env = {"PERSISTENCE_MODULE": "ledger.adapters.sqlite:LedgerFactory", "SQLITE_DBNAME": str(folder.database)}
    how = Recording(
        origin=ORIGIN,
        clock=SystemClock(),
        new_id=new_id,
        turn=lambda: folder.turn.hold("append", wait=5),
        signer=folder.read_key(),
        guard=folder.guard,
    )
    return ReleaseLedger(env, recording=how)


def damage(folder: LedgerFolder, table: str, statement: str) -> None:
    """Do what the triggers forbid, as whoever owns the file can."""
    with closing(sqlite3.connect(folder.database, isolation_level=None)) as connection:
        for action in ("update", "delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {table}_{action}")
        connection.execute(statement)


def test_a_sound_tail_is_accepted(made: LedgerFolder) -> None:
    with ledger_in(made) as ledger:
        ledger.verify_tail()

        assert ledger.tree_size() == EVENTS


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET state = CAST(state || ' ' AS BLOB) WHERE originator_version = 3",
        "UPDATE stored_events SET state = CAST(state AS TEXT) WHERE originator_version = 3",
        "DELETE FROM stored_events WHERE originator_version = 3",
    ],
)
def test_an_altered_event_is_named(made: LedgerFolder, statement: str) -> None:
    """PRODUCT 8: every change first verifies the tail it appends to, and refuses on a broken one."""
    damage(made, "stored_events", statement)

    with ledger_in(made) as ledger, pytest.raises(LeafAlteredError) as caught:
        ledger.verify_tail()

    assert (caught.value.index, caught.value.code) == (2, 6)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("log_leaf", "UPDATE log_leaf SET leaf_hash = zeroblob(32) WHERE idx = 3"),
        ("log_leaf", "DELETE FROM log_leaf WHERE idx = 4"),
        ("log_tile", "UPDATE log_tile SET hashes = zeroblob(160)"),
        ("log_checkpoint", "UPDATE log_checkpoint SET note = replace(note, ORIGIN, 'other')"),
        ("log_checkpoint", "DELETE FROM log_checkpoint WHERE size = 5"),
    ],
)
def test_an_altered_tree_is_refused(made: LedgerFolder, table: str, statement: str) -> None:
    """evidence.md 5.4 and 7."""
    damage(made, table, statement.replace("ORIGIN", f"'{ORIGIN}'"))

    with ledger_in(made) as ledger, pytest.raises(EvidenceError):
        ledger.verify_tail()
