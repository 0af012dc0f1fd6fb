"""Handing over after each commit: what lags, what is resumed, what raises an alarm, and what policy demands."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ledger.adapters.anchor_store import EventMissingError, SqliteAnchorStore
from ledger.adapters.anchors.file import FileAnchor, HolderFileError
from ledger.adapters.outside import AnchorSettingError, open_holders
from ledger.application.anchor_ports import Anchor, HeldHistoryError, HolderAheadError, Receipt, SignedTip
from ledger.application.anchoring import HolderOutrunError, Holders, Outside, TooFewHoldersError, unheld
from ledger.application.nobody_outside import NobodyOutside
from ledger.errors import EvidenceError, LedgerError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.note import BadSignatureError
from ledger.tlog.tiled_tree import TiledTree
from tests.anchors.lab import NOW, LedgerLab, RunningWitness, forged, make_ledger
from tests.anchors.test_file import copy_of
from tests.anchors.test_holders import HolderContract


@dataclass
class MemoryHolder:
    """A holder in memory, which can be away or slow; it is a whole ``Anchor``."""

    lab: LedgerLab
    name: str = "memory:1"
    error: LedgerError | None = None
    seconds: float = 0
    clock: list[float] = field(default_factory=lambda: [0.0])
    notes: list[bytes] = field(default_factory=list)
    asked: int = 0
    vouches: bool = True

    def hand_over(self, tip: SignedTip, *, tree: TiledTree, last: int) -> bytes:
        assert last <= tree.size == tip.size
        self.asked += 1
        self.clock[0] += self.seconds
        if self.error is not None:
            raise self.error
        self.notes.append(tip.note)
        return tip.note

    def read(self, proof: bytes) -> Checkpoint:
        return open_checkpoint(proof, logs=[self.lab.log]).checkpoint


AWAY = HolderFileError(Path("/away"), "not there")


class TestMemoryHolder(HolderContract):
    @pytest.fixture
    def anchor(self, ledger: LedgerLab) -> Anchor:
        self._holder = MemoryHolder(ledger)
        return self._holder

    @pytest.fixture
    def away(self, ledger: LedgerLab) -> Anchor:
        return MemoryHolder(ledger, error=AWAY)

    def held(self) -> bytes:
        return self._holder.notes[-1]


@dataclass
class Command:
    """One command with its holders."""

    store: SqliteAnchorStore
    alarms: list[tuple[str, int, EvidenceError]] = field(default_factory=list)

    def outside(self, *anchors: Anchor, clock: list[float] | None = None) -> Outside:
        return Outside(
            anchors,
            store=self.store,
            seconds=lambda: clock[0] if clock else 0.0,
            keep_alarm=lambda sink, size, error: self.alarms.append((sink, size, error)),
        )


@pytest.fixture
def command(ledger: LedgerLab) -> Iterator[Command]:
    with ledger.store() as store:
        yield Command(store)


def test_each_commit_is_handed_over_once(command: Command, ledger: LedgerLab) -> None:
    holder = MemoryHolder(ledger)
    outside = command.outside(holder)

    assert outside.hand_over() == outside.hand_over() == ()
    ledger.append()
    outside.hand_over()

    assert holder.notes[-1] == ledger.tip().note
    assert holder.asked == 2
    assert command.store.receipts() == {holder.name: Receipt(4, ledger.tip().note)}


def test_nobody_outside_does_what_no_holders_do(command: Command) -> None:
    none, nobody = command.outside(), NobodyOutside()

    assert nobody.hand_over(patient=True) == none.hand_over(patient=True)
    assert nobody.confront() == none.confront()
    assert (nobody.late, nobody.alarms) == (none.late, none.alarms)
    nobody.demand(0)
    with pytest.raises(TooFewHoldersError) as demanded:
        none.demand(1)
    with pytest.raises(TooFewHoldersError) as refused:
        nobody.demand(1)
    assert (str(refused.value), refused.value.fact) == (str(demanded.value), demanded.value.fact)


def test_an_empty_ledger_hands_nothing_over(ledger: LedgerLab, tmp_path: Path) -> None:
    holder = MemoryHolder(ledger)
    with make_ledger(tmp_path / "empty").store() as store:
        assert Command(store).outside(holder).hand_over() == ()
        assert unheld([holder], store=store).count == 0
    assert holder.asked == 0


def test_one_that_failed_is_not_asked_again_before_the_next_command(command: Command, ledger: LedgerLab) -> None:
    holder, other = MemoryHolder(ledger, error=AWAY), MemoryHolder(ledger, name="memory:2")
    outside = command.outside(holder, other)

    news = [len(outside.hand_over()), len(outside.hand_over(patient=True))]
    holder.error = None
    later = command.outside(holder, other)
    later.hand_over()

    assert news == [1, 0]
    assert [(late.sink, late.alarm) for late in outside.late] == [(holder.name, False)]
    assert (outside.alarms, later.late) == ((), ())
    assert holder.notes == other.notes == [ledger.tip().note]


def test_a_slow_one_is_asked_after_the_first_commits_and_at_the_end(command: Command, ledger: LedgerLab) -> None:
    clock = [0.0]
    holder = MemoryHolder(ledger, seconds=0.3, clock=clock)
    outside = command.outside(holder, clock=clock)

    for _ in range(5):
        ledger.append()
        outside.hand_over()
    in_between = holder.asked
    outside.hand_over(patient=True)

    assert (in_between, holder.asked) == (2, 3)
    assert holder.notes[-1] == ledger.tip().note


def test_what_speaks_against_the_ledger_is_an_alarm_and_kept(command: Command, ledger: LedgerLab) -> None:
    error = HeldHistoryError("memory:1", "it holds more")
    outside = command.outside(MemoryHolder(ledger, error=error))

    outside.hand_over()

    assert outside.alarms == (error,)
    assert outside.late[0].alarm
    assert command.alarms == [("memory:1", 3, error)]


def test_a_note_that_was_only_stale_is_no_alarm(command: Command, ledger: LedgerLab, tmp_path: Path) -> None:
    """Another command committed and handed over its own newer note in between."""
    anchor = FileAnchor(tmp_path / "notes", ledger.keys)
    stale = command.store.tip()

    class Interrupted(SqliteAnchorStore):
        first = True

        def tip(self) -> SignedTip | None:
            if not self.first:
                return super().tip()
            self.first = False
            ledger.append()
            command.outside(anchor).hand_over()
            return stale

    with closing(Interrupted(ledger.places.database, now=lambda: NOW)) as store:
        outside = Command(store).outside(anchor)
        outside.hand_over()

    assert outside.late == ()


def test_one_that_is_ahead_of_each_note_is_no_alarm_where_the_ledger_has_its_size(
    command: Command, ledger: LedgerLab
) -> None:
    """Other hosts of a fleet hand over as well, and this one came too late each time."""
    busy = MemoryHolder(ledger, error=HolderAheadError("memory:1", 3, own=2))
    lost = MemoryHolder(ledger, name="memory:2", error=HolderAheadError("memory:2", 4, own=3))

    outside = command.outside(busy, lost)
    outside.hand_over()

    assert [(type(late.error), late.alarm) for late in outside.late] == [
        (HolderOutrunError, False),
        (HolderAheadError, True),
    ]
    assert (busy.asked, lost.asked) == (3, 1)


def test_what_nobody_outside_holds_is_counted_from_the_first_such_event(command: Command, ledger: LedgerLab) -> None:
    one, two = MemoryHolder(ledger), MemoryHolder(ledger, name="memory:2")
    command.outside(one, two).hand_over()
    ledger.append(2)
    command.outside(one).hand_over()
    ledger.append(4)

    any_one = unheld([one, two], store=command.store)
    both = unheld([one, two], store=command.store, holders=2)

    assert str(any_one) == "held outside: 5 of 9 (last 4 only on this host, since 2025-01-01T00:00:00.000005Z)"
    assert (both.held, both.count, both.since) == (3, 6, "2025-01-01T00:00:00.000003Z")
    assert [(held.sink, held.size) for held in both.holders] == [(one.name, 5), (two.name, 3)]
    assert unheld([], store=command.store).count == 9


def test_all_held_says_no_more_than_that(command: Command, ledger: LedgerLab) -> None:
    holder = MemoryHolder(ledger)
    command.outside(holder).hand_over()

    assert str(unheld([holder], store=command.store)) == "held outside: 3 of 3"


def test_a_risky_command_waits_for_the_holders_that_policy_demands(command: Command, ledger: LedgerLab) -> None:
    one, two = MemoryHolder(ledger), MemoryHolder(ledger, name="memory:2", error=AWAY)

    command.outside(one, two).demand(0)
    assert one.asked == 0
    command.outside(one, two).demand(1)
    with pytest.raises(TooFewHoldersError) as caught:
        command.outside(one, two).demand(2)

    assert caught.value.code == 2
    assert (caught.value.holding, caught.value.missing) == ((one.name,), (two.name,))


def test_a_risky_command_does_not_start_against_an_alarm(command: Command, ledger: LedgerLab) -> None:
    error = HeldHistoryError("memory:2", "it holds more")
    outside = command.outside(MemoryHolder(ledger), MemoryHolder(ledger, name="memory:2", error=error))

    with pytest.raises(HeldHistoryError):
        outside.demand(1)


@pytest.mark.parametrize("what", ["size", "ahead", "root", "forged"])
def test_a_receipt_counts_only_for_this_history(command: Command, ledger: LedgerLab, tmp_path: Path, what: str) -> None:
    """Rows of ``anchor`` are as easily written as any: what they show is checked."""
    holder, clone = MemoryHolder(ledger), copy_of(ledger, tmp_path / "clone")
    ledger.append()
    ahead = clone.append(2)
    note = {
        "size": ledger.tip().note,
        "ahead": ahead.note,
        "root": ahead.note,
        "forged": forged(ledger.tip().note, name=ledger.key.name),
    }[what]
    if what == "root":
        ledger.append(2, word="as somebody wants it")
    command.store.keep(holder.name, Receipt({"size": 3, "ahead": 5, "root": 5, "forged": 4}[what], note))

    with pytest.raises(BadSignatureError if what == "forged" else HeldHistoryError):
        unheld([holder], store=command.store)


def test_receipts_are_written_once(command: Command, ledger: LedgerLab) -> None:
    """Table ``anchor`` of evidence.md 5.1 is append-only; two commands may bring the same receipt."""
    command.store.keep("memory:1", Receipt(3, b"first"))
    command.store.keep("memory:1", Receipt(3, b"second"))
    command.store.keep("memory:1", Receipt(2, b"older"))

    with closing(sqlite3.connect(ledger.places.database)) as connection:
        rows = connection.execute("SELECT size, sink, proof, at FROM anchor ORDER BY size").fetchall()
    assert rows == [(2, "memory:1", b"older", NOW), (3, "memory:1", b"first", NOW)]
    assert command.store.receipts() == {"memory:1": Receipt(3, b"first")}


def test_an_event_that_is_missing_is_named(command: Command) -> None:
    with pytest.raises(EventMissingError) as caught:
        command.store.recorded_at(7)

    assert caught.value.index == 7


def test_a_damaged_tile_is_an_alarm(command: Command, ledger: LedgerLab, witness: RunningWitness) -> None:
    """A proof cannot be made of it; the command exits 6, and what it does is finished first."""
    client = witness.client(ledger)
    command.outside(client).hand_over()
    ledger.append()
    with closing(sqlite3.connect(ledger.places.database)) as connection:
        connection.execute("DROP TRIGGER log_tile_update")
        connection.execute("UPDATE log_tile SET hashes = substr(hashes, 1, 40)")
        connection.commit()

    outside = command.outside(client)
    outside.hand_over()

    assert len(outside.alarms) == 1


def opened(lab: LedgerLab, *settings: str) -> Holders:
    with open_holders(lab.places, settings=settings) as holders:
        return holders


def test_settings_name_the_holders(ledger: LedgerLab, witness: RunningWitness) -> None:
    assert opened(ledger).witnesses.add("w1", vkey=witness.vkey, url=witness.url)
    assert not opened(ledger).witnesses.add("w1", vkey=witness.vkey, url=witness.url)

    holders = opened(ledger, "file:/mnt/notes", "syslog", "syslog:/run/log")

    names = [anchor.name for anchor in holders.anchors]
    assert names == ["file:/mnt/notes", "syslog:/dev/log", "syslog:/run/log", "witness:w1"]
    text = (ledger.places.path / "witnesses").read_text()
    assert text == f"log {ledger.key.vkey}\nwitness w1 {witness.vkey} {witness.url}\nquorum none\n"


@pytest.mark.parametrize("text", ["", "file", "file:", "file:notes", "syslog:", "syslog:x", "ftp:/x", "file:/a\0b"])
def test_a_setting_that_names_no_holder_is_refused(ledger: LedgerLab, text: str) -> None:
    with pytest.raises(AnchorSettingError):
        opened(ledger, text)


def test_a_holder_is_named_once(ledger: LedgerLab) -> None:
    with pytest.raises(AnchorSettingError):
        opened(ledger, "syslog", "syslog:/dev/log")


def test_an_alarm_is_kept_beside_the_guard(ledger: LedgerLab, witness: RunningWitness, tmp_path: Path) -> None:
    """With the request that the witness answered, for whoever looks into it."""
    clone = copy_of(ledger, tmp_path / "clone")
    for lab in (ledger, clone):
        opened(lab).witnesses.add("w1", vkey=witness.vkey, url=witness.url)
    witness.trust(ledger.key.vkey)
    ledger.append()
    clone.append(2, word="as somebody wants it")
    with open_holders(ledger.places, settings=()) as holders:
        holders.outside.hand_over()
        assert holders.outside.late == ()

    with open_holders(clone.places, settings=()) as holders:
        holders.outside.hand_over()
        assert [type(alarm).__name__ for alarm in holders.outside.alarms] == ["WitnessForkError"]

    kept = (clone.places.tip / "alarm-witness-w1-5.json").read_text()
    assert '"request"' in kept
    shutil.rmtree(clone.places.path)
