"""A signed append and the tip guard (evidence.md 5.2, 5.4)."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from shutil import copyfile

import pytest

from ledger.adapters.keys import LogKey
from ledger.adapters.ledger_folder import LedgerFolder, create_folder
from ledger.adapters.sqlite_tree import EventOutsideError, ReadBackError, TileMissingError
from ledger.adapters.tip_guard import (
    CheckpointDiffersError,
    GuardAccessError,
    TipDamagedError,
    TipError,
    TipGuard,
    TipKeyError,
    TipLostError,
    TipPassedError,
    TipRewrittenError,
    TipRollbackError,
)
from ledger.application.release_ledger import ReleaseLedger
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from tests.fakes.recording import ORIGIN, installed, open_ledger, recording


class StuckGuard(TipGuard):
    """A guard that cannot be swapped: the process dies between steps 8 and 9."""

    def swap(self, note: bytes) -> None:
        raise KeyboardInterrupt(note)


@pytest.fixture
def folder(tmp_path: Path) -> LedgerFolder:
    return create_folder(tmp_path / "ledger", origin=ORIGIN)


@pytest.fixture
def ledger(folder: LedgerFolder) -> Iterator[ReleaseLedger]:
    with signed(folder) as opened:
        yield opened


def signed(folder: LedgerFolder, *, guard: TipGuard | None = None) -> ReleaseLedger:
    return open_ledger(folder.database, replace(recording(), signer=folder.read_key(), guard=guard or folder.guard))


def append(ledger: ReleaseLedger, versions: Sequence[int]) -> None:
    ledger.record([installed(version) for version in versions])


def change(folder: LedgerFolder, *statements: str) -> None:
    """Change the database as root would: without triggers."""
    with closing(sqlite3.connect(folder.database, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            connection.execute(statement)


def checkpoints(folder: LedgerFolder) -> list[Checkpoint]:
    with closing(sqlite3.connect(folder.database)) as connection:
        notes = connection.execute("SELECT note FROM log_checkpoint ORDER BY size").fetchall()
    return [open_checkpoint(note, logs=[folder.read_key()]).checkpoint for (note,) in notes]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def test_each_commit_ends_in_a_checkpoint_of_all_leaves(ledger: ReleaseLedger, folder: LedgerFolder) -> None:
    append(ledger, [1])
    append(ledger, [2, 3, 4])
    append(ledger, [5])

    leaves = [event.state for event in ledger.history()]
    assert [checkpoint.size for checkpoint in checkpoints(folder)] == [1, 4, 5]
    for checkpoint in checkpoints(folder):
        assert checkpoint == Checkpoint(ORIGIN, checkpoint.size, naive_root(leaves[: checkpoint.size]))


def test_tiles_grow_over_their_width(ledger: ReleaseLedger, folder: LedgerFolder) -> None:
    """evidence.md 2.5: size 600 has two full tiles, a partial one, and a parent of width 2."""
    for first in range(1, 601, 75):
        append(ledger, range(first, first + 75))

    with closing(sqlite3.connect(folder.database)) as connection:
        tiles = connection.execute("SELECT level, n, length(hashes) / 32 FROM log_tile ORDER BY level, n").fetchall()
    assert tiles == [(0, 0, 256), (0, 1, 256), (0, 2, 88), (1, 0, 2)]
    assert checkpoints(folder)[-1].root == naive_root([event.state for event in ledger.history()])


def test_the_guard_holds_the_newest_note_after_each_commit(ledger: ReleaseLedger, folder: LedgerFolder) -> None:
    append(ledger, [1])
    append(ledger, [2, 3])

    held = folder.guard.read()

    assert held is not None
    assert open_checkpoint(held, logs=[folder.read_key()]).checkpoint == checkpoints(folder)[-1]
    assert (folder.tip / "tip").stat().st_mode & 0o777 == 0o600


def test_a_crash_between_commit_and_guard_is_healed(folder: LedgerFolder) -> None:
    """evidence.md 5.4: exactly one checkpoint is newer, the guard's root is a prefix, the signature good."""
    with signed(folder) as ledger:
        append(ledger, [1])
    with signed(folder, guard=StuckGuard(folder.tip)) as ledger, pytest.raises(KeyboardInterrupt):
        append(ledger, [2])

    guard = folder.guard
    with signed(folder, guard=guard) as ledger:
        append(ledger, [3])

    assert guard.advanced
    assert [checkpoint.size for checkpoint in checkpoints(folder)] == [1, 2, 3]


def test_a_commit_whose_answer_was_lost_is_not_doubled(folder: LedgerFolder) -> None:
    with signed(folder) as ledger:
        append(ledger, [1])
    with signed(folder, guard=StuckGuard(folder.tip)) as ledger, pytest.raises(KeyboardInterrupt):
        ledger.record([installed(2)], commit_id="c")

    with signed(folder) as ledger:
        assert ledger.record([installed(2)], commit_id="c") == (1,)

    assert [checkpoint.size for checkpoint in checkpoints(folder)] == [1, 2]


def _refuses(folder: LedgerFolder, error: type[LedgerError], *, version: int = 9) -> LedgerError:
    with closing(sqlite3.connect(folder.database)) as connection:
        before = connection.execute("SELECT COUNT(*) FROM stored_events").fetchone()
        with signed(folder) as ledger, pytest.raises(error) as caught:
            append(ledger, [version])
        assert connection.execute("SELECT COUNT(*) FROM stored_events").fetchone() == before
    return caught.value


def test_a_restored_backup_is_a_rollback(folder: LedgerFolder, tmp_path: Path) -> None:
    """evidence.md 7, row 8."""
    with signed(folder) as ledger:
        append(ledger, [1])
    copyfile(folder.database, tmp_path / "backup")
    with signed(folder) as ledger:
        append(ledger, [2])
    copyfile(tmp_path / "backup", folder.database)

    error = _refuses(folder, TipRollbackError)

    assert (error.code, error.kind) == (6, "failed")


def test_two_commits_past_the_guard_are_undecided(folder: LedgerFolder, tmp_path: Path) -> None:
    with signed(folder) as ledger:
        append(ledger, [1])
        copyfile(folder.tip / "tip", tmp_path / "old")
        append(ledger, [2])
        append(ledger, [3])
    copyfile(tmp_path / "old", folder.tip / "tip")

    assert _refuses(folder, TipPassedError).kind == "undecided"


def test_a_lost_guard_is_undecided(folder: LedgerFolder) -> None:
    """evidence.md 7, row 11."""
    with signed(folder) as ledger:
        append(ledger, [1])
    (folder.tip / "tip").unlink()

    assert _refuses(folder, TipLostError).kind == "undecided"


def test_a_history_that_was_signed_again_is_a_rewrite(folder: LedgerFolder, tmp_path: Path) -> None:
    """evidence.md 7, row 6: with the key, all redone."""
    with signed(folder) as ledger:
        append(ledger, [1])
    other = create_folder(tmp_path / "other", origin=ORIGIN)
    copyfile(folder.key_file, other.key_file)
    (other.tip / "tip").unlink()  # that of the other's own key
    with signed(other) as ledger:
        append(ledger, [1])
    copyfile(other.database, folder.database)

    assert _refuses(folder, TipRewrittenError).kind == "failed"


def test_a_dropped_checkpoint_is_found(folder: LedgerFolder) -> None:
    """evidence.md 5.2, step 3: size and newest checkpoint must agree."""
    with signed(folder) as ledger:
        append(ledger, [1])
        append(ledger, [2])
    change(folder, "DELETE FROM log_checkpoint WHERE size = 2")

    _refuses(folder, CheckpointDiffersError)


@pytest.mark.parametrize("row", ["NULL", "-7", "99"])
def test_an_event_outside_the_tree_is_no_rival_and_stops_every_append(folder: LedgerFolder, row: str) -> None:
    """evidence.md 7, row 3: what nobody signed is not folded, and trying again does not help."""
    with signed(folder) as ledger:
        append(ledger, [1])
    columns = "originator_id, originator_version, topic, state"
    others = f"SELECT {row}, originator_id, 9, topic, state FROM stored_events LIMIT 1"  # noqa: S608 # numbers of ours
    change(folder, f"INSERT INTO stored_events (rowid, {columns}) {others}")

    _refuses(folder, EventOutsideError)
    _refuses(folder, EventOutsideError, version=2)


def test_rows_that_were_numbered_anew_are_as_good(folder: LedgerFolder) -> None:
    """The number of a row proves nothing: a copy of the tables may have others."""
    with signed(folder) as ledger:
        append(ledger, [1])
    change(folder, "UPDATE stored_events SET rowid = 5")

    with signed(folder) as ledger:
        append(ledger, [2])

    assert [checkpoint.size for checkpoint in checkpoints(folder)] == [1, 2]


def test_a_flipped_tile_is_found_before_anything_is_signed(folder: LedgerFolder) -> None:
    """evidence.md 7, row 4; 5.2, step 6."""
    with signed(folder) as ledger:
        append(ledger, [1, 2, 3])
    change(folder, "UPDATE log_tile SET hashes = zeroblob(96)")

    _refuses(folder, TipRewrittenError)


def test_a_missing_tile_is_found(folder: LedgerFolder) -> None:
    with signed(folder) as ledger:
        append(ledger, [1, 2, 3])
    change(folder, "DELETE FROM log_tile")

    _refuses(folder, TileMissingError)


def test_a_note_in_the_guard_that_is_not_ours_is_refused(folder: LedgerFolder) -> None:
    with signed(folder) as ledger:
        append(ledger, [1])
    note = folder.guard.read() or b""
    folder.guard.swap(note.replace(b"\n1\n", b"\n2\n"))

    _refuses(folder, TipDamagedError)


@pytest.mark.parametrize("origin", [ORIGIN, "other.example.org/ledger"])
def test_a_ledger_whose_key_was_exchanged_is_not_signed_on(folder: LedgerFolder, tmp_path: Path, origin: str) -> None:
    """evidence.md 3.3 and 5.4: database and guard agree, and neither was signed by the key that would sign next."""
    with signed(folder) as ledger:
        append(ledger, [1])
    other = create_folder(tmp_path / "other", origin=origin)
    copyfile(other.key_file, folder.key_file)
    held = folder.guard.read()

    _refuses(folder, TipKeyError)

    assert folder.guard.read() == held


def test_a_database_that_does_not_keep_what_is_written_signs_nothing(folder: LedgerFolder) -> None:
    """evidence.md 5.2, step 6: read the new rows back."""
    with signed(folder) as ledger:
        append(ledger, [1])
    change(
        folder,
        "CREATE TRIGGER lie AFTER INSERT ON stored_events BEGIN "
        "UPDATE stored_events SET state = x'00' WHERE rowid = NEW.rowid; END",
    )

    _refuses(folder, ReadBackError)
    assert [checkpoint.size for checkpoint in checkpoints(folder)] == [1]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_guard_that_cannot_be_read_is_an_error(folder: LedgerFolder, make: Callable[[Path], None]) -> None:
    """A pipe in its place is not waited for."""
    (folder.tip / "tip").unlink()
    make(folder.tip / "tip")

    _refuses(folder, GuardAccessError)


def test_a_guard_that_is_too_long_for_a_note_is_damaged(folder: LedgerFolder) -> None:
    """evidence.md 3.1: a note has at most 1 MB; no more of it is read."""
    with signed(folder) as ledger:
        append(ledger, [1])
    os.truncate(folder.tip / "tip", 1 << 33)

    _refuses(folder, TipDamagedError)


def test_every_error_of_the_tip_has_a_way_out() -> None:
    for error in (TipLostError(3), TipPassedError(1, stored=3), TipRollbackError(3, stored=1), TipRewrittenError(2)):
        assert isinstance(error, TipError)
        assert error.fact
        assert "verify" in error.hint


def test_a_key_verifies_what_it_signed_and_nothing_else() -> None:
    key = LogKey(ORIGIN, bytes(range(32)))

    assert key.verify(b"text", key.sign(b"text"))
    assert not key.verify(b"texT", key.sign(b"text"))
