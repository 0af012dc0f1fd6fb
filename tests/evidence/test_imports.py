"""Attacks on what was imported: whoever has the key of the receiving ledger alters it, and redoes all the rest.

The keys that signed the original are not theirs, so the tree of the original gives them away
(docs/decisions/0024).
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from ledger.adapters.audit_place import Task, own_policy, verify_path
from ledger.adapters.audit_sqlite import open_source
from ledger.adapters.import_source import open_original
from ledger.adapters.keys import LogKey
from ledger.adapters.ledger_folder import LedgerFolder, create_folder
from ledger.adapters.moved_ledger import LedgerMovedError
from ledger.application.audit import Asked
from ledger.application.audit_report import AuditReport, Level, Verdict
from ledger.application.audit_source import HeldNote
from ledger.application.importing import Import
from ledger.application.record_ports import Disclosure
from ledger.application.release_ledger import ReleaseLedger
from ledger.application.verification import verify_log
from ledger.domain.canonical import canonical_json
from ledger.domain.imported import note_lines, notes_of
from ledger.domain.ledger_events import AnyEvent, LedgerMoved, LedgerNoteAdded
from ledger.domain.records import Context
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.note import Note, sign_note
from ledger.tlog.policy import Log
from ledger.tlog.tree_builder import TreeBuilder
from ledger.tlog.vkey import Vkey
from tests.evidence.bundles import leaves_of, sample, write
from tests.evidence.ledgers import Case, alter, cosigned, newest, redo, upgrades
from tests.evidence.test_spread import OneProcess
from tests.fakes.recording import CONTEXT, ORIGIN, STREAM, recording

OTHER = "other.example.com/release-ledger/1"
STRANGER = LogKey(OTHER, b"\x09" * 32)
EVENTS = 11
EVENT = "0190d1ab-1234-7abc-8def-000000000009"
Data = dict[str, Any]


class Receiving(ReleaseLedger):
    """A ledger as an import records in it."""

    def record(  # type: ignore[override] # private, as the record of a command has it
        self, events: Sequence[AnyEvent], *, private: Sequence[Disclosure] = ()
    ) -> tuple[int, ...]:
        return super().record(events, disclosures=private)


def written(folder: LedgerFolder, origin: str) -> Receiving:
    """Return the ledger in *folder*, to record in."""
    how = replace(recording(origin=origin), signer=folder.read_key(), guard=folder.guard)
    env = {"PERSISTENCE_MODULE": "ledger.adapters.sqlite:LedgerFactory", "SQLITE_DBNAME": str(folder.database)}
    return Receiving(env, recording=how)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return a ledger that imported another one of eleven events, two of them in each commit."""
    return imported(a_source(tmp_path), tmp_path)


def a_source(tmp_path: Path) -> LedgerFolder:
    source = create_folder(tmp_path / "source", origin=OTHER)
    history = upgrades()
    with closing(written(source, OTHER)) as ledger:
        for _ in range(EVENTS // 2):
            ledger.record([next(history), next(history)])
        note = LedgerNoteAdded(
            originator_version=1, context=around(), event_id=EVENT, kind="note", text=("of the ledger",)
        )
        ledger.record([note])
    return source


def imported(source: LedgerFolder, tmp_path: Path, *, name: str = "target", origin: str = ORIGIN) -> Case:
    target = create_folder(tmp_path / name, origin=origin)
    with (
        closing(written(target, origin)) as ledger,
        open_original(source.path, policy=own_policy(source.path), moves=False, progress=nobody) as original,
    ):
        Import(original, ledger, into=origin).run(context=around, progress=nobody)
    return Case(target, target.read_key())


def around(node: str | None = None) -> Context:
    return replace(CONTEXT, node=node, attempt=None)


def nobody(_done: int, _total: int) -> None:
    """Tell nobody."""


def forged(case: Case, index: int, change: Callable[[Data], object]) -> AuditReport:
    """Change the data of one event, sign everything anew with the key of the receiving ledger, and verify."""
    with closing(sqlite3.connect(case.database)) as connection:
        (state,) = connection.execute("SELECT state FROM stored_events WHERE rowid = ?", (index + 1,)).fetchone()
    envelope = json.loads(state)
    change(envelope["data"])
    changed = canonical_json(envelope)
    assert changed != state
    alter(case.database, ("UPDATE stored_events SET state = ? WHERE rowid = ?", (changed, index + 1)))
    redo(case.database, key=case.key)
    return case.verify()


def one_byte(data: Data) -> None:
    data["leaf"][0] = data["leaf"][0].replace('"CVE fix"', '"CVE fiX"')


def other_note(data: Data) -> None:
    (note,) = notes_of(data["checkpoint"])
    parsed = Note.parse(note)
    line = replace(parsed.signatures[0], payload=bytes(64))
    data["checkpoint"] = list(note_lines(Note(parsed.text, (line,)).encode()))


def test_what_was_imported_verifies_and_is_told(case: Case) -> None:
    report = case.verify()

    assert report.verdict is Verdict.VERIFIED
    (told,) = [remark for remark in report.remarks if OTHER in remark]
    assert told.startswith(f"{EVENTS} events of {OTHER} (import, announced by event 0) have the tree that it signed")
    assert "that the import recorded and the policy does not list" in told


@pytest.mark.parametrize(
    ("index", "change", "named"),
    [
        (3, one_byte, "event 4"),  # the next checkpoint that was carried stands there
        (4, one_byte, "event 4"),
        (4, lambda data: data.update(checkpoint=[]), None),  # it may have come from a bundle: the last one holds all
        (4, other_note, "event 4"),
        (5, lambda data: data.update(index=5), "event 5"),
        (5, lambda data: data.update(index=3), "event 5"),
        (5, lambda data: data.update(origin="another.example.com/x"), "event 5"),
        (5, lambda data: data.update(leaf=["{}"]), "event 5"),
        (5, lambda data: data.update(leaf_deflated=["eJw="]), "event 5"),
        (0, lambda data: data.update(first=1), "event 0"),
        (0, lambda data: data.update(tree_size=EVENTS - 1), "event 0"),
        (0, lambda data: data.update(origin="another.example.com/x"), "event 0"),
        (0, lambda data: data.update(vkeys=[str(STRANGER.vkey)]), "event 2"),
        (0, lambda data: data.update(root_sha256="0" * 64), "event 0"),
        (
            EVENTS,
            lambda data: data["leaf"].__setitem__(0, data["leaf"][0].replace("of the", "of a")),
            f"event {EVENTS}",
        ),
    ],
)
def test_a_change_that_is_signed_by_the_receiving_ledger_is_named(
    case: Case, index: int, change: Callable[[Data], object], named: str | None
) -> None:
    report = forged(case, index, change)

    found = report.reason.where if report.reason else None
    assert (report.verdict, found) == (Verdict.FAILED if named else Verdict.VERIFIED, named)


def test_an_original_that_was_made_anew_by_another_key_is_refused_by_whoever_knows_its_own(case: Case) -> None:
    """What the import recorded is the importer's word; a policy that lists the original's key is not."""
    (true,) = data_of(case, 0)["vkeys"]
    made_anew(case, STRANGER)

    believing, knowing = case.verify(), verified_with(case, Vkey.parse(true))

    assert believing.verdict is Verdict.VERIFIED
    assert any(STRANGER.key_id.hex() in remark for remark in believing.remarks)
    assert (knowing.verdict, knowing.reason.where if knowing.reason else "") == (Verdict.FAILED, "event 2")


def test_a_key_of_the_policy_is_said_to_be_one(case: Case) -> None:
    (true,) = data_of(case, 0)["vkeys"]

    report = verified_with(case, Vkey.parse(true))

    assert report.verdict is Verdict.VERIFIED
    assert any("under the key of the policy" in remark for remark in report.remarks)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (EVENTS, "the state file is continued by the import, from size 11 on"),
        (4, "the state file is continued by the import, from size 4 on"),
        (EVENTS + 1, f"the state file holds size 12 of {OTHER}, of which 11 are there: the rest is not compared"),
    ],
)
def test_what_the_auditor_saw_of_the_original_is_held_against_the_import(
    seen: int, told: str, case: Case, tmp_path: Path
) -> None:
    """Who followed a ledger before it moved goes on with its memory."""
    case.held = (remembered(tmp_path, seen),)

    report = case.verify()

    assert report.verdict is Verdict.VERIFIED
    assert told in report.remarks
    assert Level.HISTORY not in report.asked


def test_an_original_of_another_history_than_the_auditor_saw_is_refused(case: Case) -> None:
    """Row 6, for a log that was imported."""
    note = sign_note(Checkpoint(OTHER, 4, bytes(32)).encode(), signers=(STRANGER,))
    case.held = (HeldNote("the state file", note, log=OTHER),)

    report = case.verify()

    assert (report.verdict, report.reason.where if report.reason else "") == (Verdict.FAILED, "event 4")
    assert f"the state file, of 4 events of {OTHER}, has another root" in report.words


def remembered(tmp_path: Path, size: int) -> HeldNote:
    """Return a note of the original, or one that is said to be of a later one."""
    if size > EVENTS:
        return HeldNote(
            "the state file", sign_note(Checkpoint(OTHER, size, bytes(32)).encode(), signers=(STRANGER,)), log=OTHER
        )
    with closing(sqlite3.connect(tmp_path / "source/ledger.db")) as connection:
        ((note,),) = connection.execute("SELECT note FROM log_checkpoint WHERE size = ?", (size,)).fetchall()
    return HeldNote("the state file", note, log=OTHER)


def test_an_import_that_is_cut_is_said_to_be_unfinished(case: Case) -> None:
    """Whoever cuts the newest events of a ledger is found out by its tip guard; what is left says what is missing."""
    alter(
        case.database,
        ("DELETE FROM stored_events WHERE rowid > ?", (EVENTS,)),
        ("DELETE FROM log_leaf WHERE idx >= ?", (EVENTS,)),
        ("UPDATE log_commit SET last_idx = ?", (EVENTS - 1,)),
    )
    redo(case.database, key=case.key)

    report = case.verify()

    assert any(f"is not finished: {EVENTS - 1} of {EVENTS} events" in remark for remark in report.remarks)


def test_nothing_may_stand_behind_the_end_of_a_ledger_that_moved(case: Case) -> None:
    with closing(written(case.folder, ORIGIN)) as ledger:
        moved = LedgerMoved(
            originator_version=3, context=around(), to="postgresql://db/x", to_origin=OTHER, to_vkey=str(STRANGER.vkey)
        )
        ledger.record([moved])
        note = LedgerNoteAdded(originator_version=4, context=around(), event_id=EVENT, kind="note", text=("late",))
        with pytest.raises(LedgerMovedError):
            ledger.record([note])
        with pytest.raises(LedgerMovedError):
            ledger.verify_tail()
    assert case.verify().verdict is Verdict.VERIFIED
    with patch("ledger.adapters.sqlite.refuse_moved"), closing(written(case.folder, ORIGIN)) as ledger:
        ledger.record([note])

    report = case.verify()

    assert (report.verdict, report.reason.where if report.reason else "") == (Verdict.FAILED, f"event {EVENTS + 2}")


def test_what_others_signed_comes_along_and_is_held_against_the_tree(tmp_path: Path) -> None:
    source = a_source(tmp_path)
    note = cosigned(newest(source.database))
    alter(source.database, ("INSERT INTO anchor VALUES (?, 'w', ?, 'then')", (EVENTS, note)))
    alter(source.database, ("INSERT INTO anchor VALUES (?, 's', ?, 'then')", (EVENTS, newest(source.database))))

    case = imported(source, tmp_path)

    assert list(notes_of(data_of(case, 0)["anchors"])) == [note]
    assert case.verify().verdict is Verdict.VERIFIED
    other = cosigned(sign_note(Checkpoint(OTHER, EVENTS - 1, bytes(32)).encode(), signers=(STRANGER,)))
    report = forged(case, 0, lambda data: data.update(anchors=list(note_lines(other))))
    assert (report.verdict, report.reason.where if report.reason else "") == (Verdict.FAILED, f"event {EVENTS - 1}")


def test_a_ledger_that_holds_imports_can_be_imported_itself(case: Case, tmp_path: Path) -> None:
    third = "third.example.com/release-ledger/1"

    last = imported(case.folder, tmp_path, name="third", origin=third)

    report = last.verify()
    assert report.verdict is Verdict.VERIFIED
    assert any(remark.startswith(f"{ORIGIN}: {EVENTS} events of {OTHER}") for remark in report.remarks)
    with (
        closing(written(last.folder, third)) as ledger,
        closing(written(LedgerFolder(tmp_path / "source"), OTHER)) as first,
    ):
        node, original = ledger.releases(STREAM), first.releases(STREAM)
    assert replace(node, version=original.version) == original


def data_of(case: Case, index: int) -> Data:
    with closing(sqlite3.connect(case.database)) as connection:
        (state,) = connection.execute("SELECT state FROM stored_events WHERE rowid = ?", (index + 1,)).fetchone()
    data: Data = json.loads(state)["data"]
    return data


def verified_with(case: Case, vkey: Vkey) -> AuditReport:
    """Verify with a policy that lists *vkey* too."""
    policy = replace(case.policy, logs=(*case.policy.logs, Log(vkey)))
    with open_source(case.database) as source:
        return verify_log(source, trust=replace(case.trust, policy=policy))


def made_anew(case: Case, key: LogKey) -> None:
    """Let the carriers tell another history, whose checkpoints *key* signs."""
    with closing(sqlite3.connect(case.database)) as connection:
        rows = connection.execute("SELECT rowid, state FROM stored_events ORDER BY rowid").fetchall()
    builder, changed, lines = TreeBuilder(), dict[int, bytes](), list[str]()
    for rowid, state in rows[1:]:
        envelope = json.loads(state)
        data = envelope["data"]
        data["leaf"] = ["".join(data["leaf"]).replace("CVE fix", "CVE fiX")]
        builder.extend([hash_leaf(data["leaf"][0].encode())])
        if "checkpoint" in data:
            text = Checkpoint(OTHER, builder.size, builder.root()).encode()
            data["checkpoint"] = lines = list(note_lines(sign_note(text, signers=(key,))))
        changed[rowid] = canonical_json(envelope)
    announced = json.loads(rows[0][1])
    announced["data"] |= {"vkeys": [str(key.vkey)], "checkpoint": lines, "root_sha256": builder.root().hex()}
    changed[1] = canonical_json(announced)
    alter(
        case.database,
        *(("UPDATE stored_events SET state = ? WHERE rowid = ?", (state, rowid)) for rowid, state in changed.items()),
    )
    redo(case.database, key=case.key)


def test_what_was_not_looked_into_is_said_at_every_level_below_the_meaning(case: Case, tmp_path: Path) -> None:
    """docs/verify.md: only with the meaning is the tree of the other log built again."""
    tree = TreeBuilder()
    tree.extend(list(map(hash_leaf, leaves_of(case)[:4])))
    earlier = HeldNote("mine", sign_note(Checkpoint(ORIGIN, 4, tree.root()).encode(), signers=(case.key,)))
    part = verify_path(Task(path=write(tmp_path / "part", sample(case, 0, 3)), trust=case.trust))
    without = verify_path(Task(path=write(tmp_path / "without", sample(case, 0)), trust=case.trust))

    reports = [case.verify(level=level) for level in list(Level)[:5]]

    for report in (*reports, case.verify(since=earlier), part):
        assert [limit for limit in report.limits if limit.startswith("what imported events carry")], report
    for report in (case.verify(), case.verify(level=Level.MEANING), without):
        assert not [limit for limit in report.limits if limit.startswith("what imported events carry")], report


def test_a_log_that_is_walked_in_ranges_knows_what_was_not_looked_into(case: Case) -> None:
    spread = OneProcess(partial(open_source, case.database), 4)
    with open_source(case.database) as source:
        report = verify_log(source, trust=case.trust, asked=Asked(level=Level.SIGNATURE, spread=spread))

    assert None not in spread.segments
    assert any(limit.startswith("what imported events carry") for limit in report.limits)
