"""Appends that hosts sign, each with its own key, and their tip guards (evidence.md 5.2, 5.4)."""

import errno
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.adapters import postgres_place
from ledger.adapters.audit_postgres import open_served
from ledger.adapters.durable import WriteFailedError
from ledger.adapters.keys import LogKey
from ledger.adapters.postgres_head import asked_head, head_in
from ledger.adapters.postgres_place import KeysNotKeptError
from ledger.adapters.postgres_server import create_ledger
from ledger.adapters.postgres_tree import FleetTree
from ledger.adapters.sqlite_errors import TriggerRefusedError
from ledger.adapters.sqlite_tree import LeafAlteredError, ReadBackError, TileMissingError
from ledger.adapters.tip_guard import (
    CheckpointDiffersError,
    TipGuard,
    TipLostError,
    TipRewrittenError,
    TipRollbackError,
)
from ledger.application.release_ledger import ReleaseLedger
from ledger.dataclass import replace
from ledger.errors import LedgerError, UsageError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.note import Note, SignatureError, sign_note
from tests.fakes.recording import ORIGIN, STREAM, installed
from tests.postgres.hosts import Host, change, checkpoints, guarded, host_at
from tests.postgres.server import Server


class StuckGuard(TipGuard):
    """A guard that cannot be swapped: the process dies between steps 8 and 9."""

    def swap(self, note: bytes) -> None:
        raise KeyboardInterrupt(note)


@pytest.fixture
def address(server: Server, database: str) -> str:
    create_ledger(server.url(database), origin=ORIGIN)
    return server.url(database)


@pytest.fixture
def one(tmp_path: Path, address: str) -> Host:
    """Give a host that made the ledger, so that its guard holds the empty tree."""
    return guarded(host_at(tmp_path / "one", address))


@pytest.fixture
def two(tmp_path: Path, one: Host) -> Host:
    return guarded(host_at(tmp_path / "two", one.address))


def append(ledger: ReleaseLedger, versions: Sequence[int], *, stream: str = STREAM) -> None:
    ledger.record([installed(version, stream=stream) for version in versions])


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def test_each_commit_ends_in_a_checkpoint_by_the_host_that_wrote_it(one: Host, two: Host) -> None:
    with one.ledger() as first, two.ledger() as second:
        append(first, [1])
        append(second, [2, 3])
        append(first, [4])
        leaves = [event.state for event in first.history()]

    found = checkpoints(one.address, one, two)
    assert [checkpoint.size for checkpoint in found] == [1, 3, 4]
    assert all(c == Checkpoint(ORIGIN, c.size, naive_root(leaves[: c.size])) for c in found)
    with pytest.raises(SignatureError):
        checkpoints(one.address, one)


def test_tiles_are_those_of_the_tree_at_every_width(server: Server, one: Host) -> None:
    """evidence.md 2.5: size 600 has two full tiles, a partial one, and a parent of width 2."""
    with one.ledger() as ledger:
        for first in range(1, 601, 75):
            append(ledger, range(first, first + 75))
        leaves = [event.state for event in ledger.history()]

    database = one.address.partition("@/")[2].partition("?")[0]
    rows = server.execute("SELECT level, n, length(hashes) / 32 FROM ledger.log_tile ORDER BY 1, 2", database=database)
    assert rows == [(0, 0, 256), (0, 1, 256), (0, 2, 88), (1, 0, 2)]
    assert checkpoints(one.address, one)[-1].root == naive_root(leaves)


def test_a_host_learns_the_keys_of_the_others_and_keeps_them(one: Host, two: Host) -> None:
    with one.ledger() as first, two.ledger() as second:
        append(first, [1])
        append(second, [2])
        append(first, [3])

    assert str(two.signer.key.vkey) in one.place.policy_file.read_text(encoding="ascii")
    assert not one.place.guard.advanced


def test_a_host_whose_disk_is_full_records_nothing_behind_a_key_that_it_cannot_keep(
    one: Host, two: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two.ledger() as ledger:
        append(ledger, [1], stream="release:other")

    def full(path: Path, *_: object, **__: object) -> None:
        raise WriteFailedError("write", path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), changed=False)

    with one.ledger() as ledger, monkeypatch.context() as patched:
        patched.setattr(postgres_place, "replace_file", full)
        for _ in range(2):
            with pytest.raises(KeysNotKeptError, match=r"policy: no space left on device") as caught:
                append(ledger, [1])
            assert isinstance(caught.value, UsageError), "nothing was recorded"
    with one.ledger() as ledger:
        append(ledger, [1])

    assert [checkpoint.size for checkpoint in checkpoints(one.address, one, two)] == [1, 2]


def test_a_checkpoint_by_a_key_that_is_not_enrolled_is_refused(one: Host, two: Host) -> None:
    with two.ledger() as second:
        append(second, [1])
    change(one.address, "DELETE FROM log_key WHERE host = 'two'")

    refuses(one, SignatureError)


def test_a_crash_between_commit_and_guard_is_healed(one: Host, two: Host) -> None:
    with one.ledger(guard=StuckGuard(one.place.tip)) as ledger, pytest.raises(KeyboardInterrupt):
        append(ledger, [1])
    with two.ledger() as ledger:
        append(ledger, [2])

    guard = one.place.guard
    with one.ledger(guard=guard) as ledger:
        append(ledger, [3])

    assert guard.advanced
    assert [checkpoint.size for checkpoint in checkpoints(one.address, one, two)] == [1, 2, 3]


def test_a_commit_whose_answer_was_lost_is_not_doubled(one: Host) -> None:
    with one.ledger(guard=StuckGuard(one.place.tip)) as ledger, pytest.raises(KeyboardInterrupt):
        ledger.record([installed(1)], commit_id="c")

    with one.ledger() as ledger:
        assert ledger.record([installed(1)], commit_id="c") == (0,)

    assert [checkpoint.size for checkpoint in checkpoints(one.address, one)] == [1]


def refuses(host: Host, error: type[LedgerError], *, version: int = 9) -> LedgerError:
    with host.ledger() as ledger:
        before = ledger.tree_size()
        with pytest.raises(error) as caught:
            append(ledger, [version])
        assert ledger.tree_size() == before
    return caught.value


def test_a_tail_that_was_cut_is_a_rollback(one: Host) -> None:
    """evidence.md 7, rows 7 and 8: also when the checkpoints go with it."""
    with one.ledger() as ledger:
        append(ledger, [1])
        append(ledger, [2])
    change(
        one.address,
        "DELETE FROM stored_events WHERE originator_version = 2",
        "DELETE FROM log_leaf WHERE idx = 1",
        "DELETE FROM log_commit WHERE first_idx = 1",
        "DELETE FROM log_checkpoint WHERE size = 2",
    )

    error = refuses(one, TipRollbackError)

    assert (error.code, error.kind) == (6, "failed")


def test_many_commits_of_other_hosts_move_the_guard_on(one: Host, two: Host) -> None:
    """evidence.md 5.4: prefix proven, every newer checkpoint signed."""
    with one.ledger() as ledger:
        append(ledger, [1])
    with two.ledger() as ledger:
        for version in range(2, 300):
            append(ledger, [version])

    with one.ledger() as ledger:
        append(ledger, [300])

    assert checkpoints(one.address, one, two)[-1].size == 300


def test_a_lost_guard_is_undecided(one: Host) -> None:
    with one.ledger() as ledger:
        append(ledger, [1])
    (one.place.tip / "tip").unlink()

    assert refuses(one, TipLostError).kind == "undecided"


def test_a_history_that_another_host_signed_anew_is_a_rewrite(one: Host, two: Host) -> None:
    """A stolen key of one host signs another history: the guards of all others tell."""
    with one.ledger() as ledger:
        append(ledger, [1])
    change(one.address, "TRUNCATE stored_events, log_leaf, log_commit, log_checkpoint")
    with two.ledger() as ledger:
        append(ledger, [1])

    assert refuses(one, TipRewrittenError).kind == "failed"


def test_a_dropped_checkpoint_is_found(one: Host) -> None:
    with one.ledger() as ledger:
        append(ledger, [1])
        append(ledger, [2])
    change(one.address, "DELETE FROM log_checkpoint WHERE size = 2")

    refuses(one, CheckpointDiffersError)


def test_a_changed_leaf_is_found_before_anything_is_signed(one: Host) -> None:
    with one.ledger() as ledger:
        append(ledger, [1, 2, 3])
    change(one.address, "UPDATE log_leaf SET leaf_hash = sha256('x') WHERE idx = 1")

    refuses(one, TipRewrittenError)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("DELETE FROM log_key WHERE host = 'two'", SignatureError),
        ("UPDATE log_leaf SET leaf_hash = sha256('x') WHERE idx = 0", TipRewrittenError),
        ("DELETE FROM log_leaf WHERE idx = 0", TileMissingError),
        ("UPDATE log_checkpoint SET note = 'x' WHERE size = 2", FormatError),
    ],
)
def test_what_others_wrote_is_checked_between_two_commits_of_one_command(
    one: Host, two: Host, statement: str, error: type[Exception]
) -> None:
    """What was seen by this command before is not read again; all since is."""
    with one.ledger() as first, two.ledger() as second:
        append(first, [1])
        append(second, [2])
        append(second, [3])
        change(one.address, statement)
        held = one.place.guard.read()

        with pytest.raises(error):
            append(first, [4])

    assert one.place.guard.read() == held


@pytest.mark.parametrize("between", [0, 1, 3], ids="{} commits of another host".format)
def test_the_lock_is_held_for_two_answers_of_the_server(
    one: Host, two: Host, between: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/postgresql.md: one for the rows and what they rest on, one for the checkpoint with COMMIT."""
    asked = list[str]()
    execute = psycopg.Cursor.execute

    def told(cursor: Any, query: str, *more: Any, **options: Any) -> Any:  # noqa: ANN401 # those of psycopg
        asked.append(query)
        return execute(cursor, query, *more, **options)

    with one.ledger() as first, two.ledger() as second:
        append(first, [1])
        for version in range(between):
            append(second, [version + 1], stream="release:other")
        monkeypatch.setattr(psycopg.Cursor, "execute", told)
        append(first, [2])
    monkeypatch.undo()
    with one.ledger() as again, two.ledger() as second:
        append(second, [between + 1], stream="release:other")
        monkeypatch.setattr(psycopg.Cursor, "execute", told)
        append(again, [3])

    locks = [at for at, query in enumerate(asked) if "FOR UPDATE" in query]
    assert len(locks) == 2
    for at in locks:
        rows, read_back, head, checkpoint = (query.split()[:3] for query in asked[at + 1 : at + 5])
        assert (rows[0], read_back[0], head[0]) == ("WITH", "SELECT", "WITH")
        assert checkpoint == ["INSERT", "INTO", "log_checkpoint"]


def test_a_head_that_guard_and_database_share_must_be_signed_all_the_same(one: Host) -> None:
    """Somebody who can write both, and has no key that counts, is no host."""
    with one.ledger() as ledger:
        append(ledger, [1])
    with psycopg.connect(one.address, options="-c search_path=ledger") as connection, connection.cursor() as c:
        head = head_in(asked_head(connection))
        text = Note.parse(head.note).text
        forged = sign_note(text, signers=[LogKey(ORIGIN, bytes(32))])
        one.place.guard.swap(forged)

        with pytest.raises(SignatureError):
            FleetTree(one.signer, one.place.guard).check(replace(head, note=forged), c)


def test_a_note_that_is_replaced_at_its_size_is_opened_too(one: Host) -> None:
    """Between two commits of one command: the first was seen, and this is not it."""
    with one.ledger() as ledger:
        append(ledger, [1])
        with psycopg.connect(one.address, options="-c search_path=ledger") as connection, connection.cursor() as c:
            tree, head = FleetTree(one.signer, one.place.guard), head_in(asked_head(connection))
            seen = tree.check(head, c)
            again = tree.check(head, c)
            forged = sign_note(Note.parse(head.note).text, signers=[LogKey(ORIGIN, bytes(32))])

            with pytest.raises(SignatureError):
                tree.check(replace(head, note=forged), c)

    assert seen == again


def test_a_commit_of_an_event_that_is_no_json_is_a_finding(one: Host) -> None:
    """An audit that begins later does not read the event itself."""
    with one.ledger() as ledger:
        append(ledger, [1])
        append(ledger, [2])
    change(one.address, r"UPDATE stored_events SET state = '\xff7b' WHERE originator_version = 1")

    with open_served(one.address) as source:
        found = list(source.surplus(2))

    assert [words.partition("has not")[2] for words in found] == [" the commit_id of event 0"]


def test_triggers_that_are_missing_or_foreign_are_remarked(one: Host) -> None:
    """They are guard rails only, so they decide nothing; but somebody may be about to do something."""
    with one.ledger() as ledger:
        append(ledger, [1])
    with open_served(one.address) as source:
        sound = list(source.rail_faults())
    with psycopg.connect(one.address, options="-c search_path=ledger", autocommit=True) as connection:
        connection.execute("DROP TRIGGER log_leaf_keeps ON log_leaf")
        connection.execute("ALTER TABLE anchor DISABLE TRIGGER anchor_keeps")
        connection.execute("CREATE RULE deaf AS ON INSERT TO log_commit DO INSTEAD NOTHING")
        connection.execute("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not now'; END$$")
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON stored_events EXECUTE FUNCTION no()")

    with open_served(one.address) as source:
        found = list(source.rail_faults())
    change(one.address, "DROP RULE deaf ON log_commit")
    error = refuses(one, TriggerRefusedError)

    assert sound == []
    assert [words.partition(":")[0] for words in found] == [
        "the trigger anchor_keeps does not do what it did, or is switched off",
        "'deaf' on 'log_commit' is not the ledger's",
        "the trigger log_leaf_keeps is missing, which keeps its table append-only",
        "'no' on 'stored_events' is not the ledger's",
    ]
    assert "'not now'" in error.fact


def test_a_missing_leaf_is_found(one: Host) -> None:
    with one.ledger() as ledger:
        append(ledger, [1, 2, 3])
    change(one.address, "DELETE FROM log_leaf WHERE idx = 1")

    refuses(one, TileMissingError)


def test_a_changed_event_is_named_at_the_tail(one: Host) -> None:
    with one.ledger() as ledger:
        append(ledger, [1, 2, 3])
        change(one.address, "UPDATE stored_events SET state = 'x' WHERE originator_version = 2")

        with pytest.raises(LeafAlteredError) as caught:
            ledger.verify_tail()

    assert caught.value.index == 1


def test_a_database_that_does_not_keep_what_is_written_signs_nothing(one: Host) -> None:
    """evidence.md 5.2, step 6: read the new rows back."""
    with one.ledger() as ledger:
        append(ledger, [1])
    change(
        one.address,
        "CREATE FUNCTION lie() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.state = 'x'; RETURN NEW; END $$",
        "CREATE TRIGGER lie BEFORE INSERT ON stored_events FOR EACH ROW EXECUTE FUNCTION lie()",
    )

    refuses(one, ReadBackError)


def test_16_writers_at_once_leave_a_dense_log(one: Host, two: Host) -> None:
    """On one node and on many: each commit is there once, with the checkpoint of its size."""

    def write(number: int) -> None:
        with (one, two)[number % 2].ledger() as ledger:
            for version in range(1, 6):
                append(ledger, [version], stream=f"release:emqx@10.0.1.{number}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))

    with one.ledger() as ledger:
        numbers = [event.index for event in ledger.history()]
        leaves = [event.state for event in ledger.history()]
    assert numbers == list(range(80))
    found = checkpoints(one.address, one, two)
    assert [c.root for c in found] == [naive_root(leaves[: size + 1]) for size in range(80)]
