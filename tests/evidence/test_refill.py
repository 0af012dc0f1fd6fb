"""Row 22 of evidence.md 7: a restored ledger gets back exactly what it lost, or nothing."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cli.app import main
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.adapters.refill import refill
from ledger.adapters.tip_guard import TipLostError
from ledger.application.audit_report import Verdict
from ledger.application.audit_source import PartMissingError, PartWrongError
from ledger.application.audit_trust import Guard
from ledger.application.refill import NothingLostError, RefillDiffersError, RefillShortError
from ledger.errors import LedgerError
from tests.cli.schemas import schema_of

from .bundles import leaves_of, sample, whole, write
from .ledgers import Case, build, copy_case, edit_state, newest, record, redo, upgrades
from .test_writing import rows


def guarded(case: Case) -> Case:
    case.guard = Guard(name="the tip guard", data=case.folder.guard.read())
    return case


@dataclass(frozen=True)
class History:
    """A ledger of 19 events, and copies of its database from when it had 8 and 14."""

    now: Case
    backup: Path
    half: Path


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = tmp_path_factory.mktemp("history")
    case = build(folder / "ledger", events=8, commit=2)
    events = [event for _, event in zip(range(19), upgrades(), strict=False)]
    shutil.copytree(case.folder.path, folder / "backup")
    record(case.folder, events[8:14], commit=3)
    shutil.copytree(case.folder.path, folder / "half")
    record(case.folder, events[14:], commit=3)
    return History(case, folder / "backup", folder / "half")


def put_back(history: History, tmp_path: Path) -> Case:
    """Return the ledger after its database was put back from the backup; the guard is today's."""
    path = tmp_path / "ledger"
    shutil.copytree(history.backup, path)
    shutil.copytree(history.now.folder.tip, path.with_name("ledger.tip"))
    return Case(LedgerFolder(path), history.now.key)


@pytest.mark.parametrize("form", ["bundle", "database"])
def test_what_was_lost_comes_back_byte_for_byte(form: str, history: History, tmp_path: Path) -> None:
    """Leaves, commits and checkpoints are those of before; the log goes on."""
    before, case = history.now, put_back(history, tmp_path)
    bundle = write(tmp_path / "bundle", whole(before)) if form == "bundle" else before.folder.path
    lost = guarded(case).verify()

    found = refill(case.folder, bundle, wait=0)

    assert lost.verdict is Verdict.FAILED
    assert (found.first, found.size) == (8, 19)
    assert leaves_of(case) == leaves_of(before)
    assert (rows(case), newest(case.database)) == (rows(before), newest(before.database))
    record(case.folder, [event for _, event in zip(range(21), upgrades(), strict=False)][19:])
    assert guarded(case).verify().verdict is Verdict.VERIFIED


def test_a_guard_that_was_put_back_as_well_moves_on(history: History, tmp_path: Path) -> None:
    """The bundle's own checkpoint, signed by the key of the ledger, says how far it had come."""
    before, case = history.now, put_back(history, tmp_path)
    case.folder.guard.swap(newest(case.database))

    found = refill(case.folder, write(tmp_path / "bundle", whole(before)), wait=0)

    assert found.size == 19
    assert case.folder.guard.read() == newest(before.database)
    assert guarded(case).verify().verdict is Verdict.VERIFIED


def test_a_refill_that_broke_off_goes_on(history: History, tmp_path: Path) -> None:
    before, case = history.now, put_back(history, tmp_path)
    half = Case(LedgerFolder(history.half), before.key)
    case.folder.guard.swap(newest(half.database))
    refill(case.folder, half.folder.path, wait=0)
    case.folder.guard.swap(newest(before.database))

    found = refill(case.folder, before.folder.path, wait=0)

    assert (found.first, found.size) == (14, 19)
    assert leaves_of(case) == leaves_of(before)


def another_history(history: History, tmp_path: Path) -> Path:
    other = copy_case(history.now, tmp_path / "other")
    edit_state(other.database, 12, lambda state: state.replace(b"CVE", b"cve"))
    redo(other.database, key=other.key)
    return other.folder.path


def too_short(history: History, _: Path) -> Path:
    return history.half


def of_another_key(_: History, tmp_path: Path) -> Path:
    return build(tmp_path / "stranger", events=19, seed=2).folder.path


def only_a_sample(history: History, tmp_path: Path) -> Path:
    return write(tmp_path / "sample", sample(history.now, 12))


def damaged(history: History, tmp_path: Path) -> Path:
    files = whole(history.now)
    entries = next(name for name in files if name.startswith("tile/entries/"))
    return write(tmp_path / "damaged", {**files, entries: files[entries][:-1] + b"!"})


@pytest.mark.parametrize(
    ("bundle", "error"),
    [
        (another_history, RefillDiffersError),
        (too_short, RefillShortError),
        (of_another_key, RefillDiffersError),
        (only_a_sample, PartMissingError),
        (damaged, PartWrongError),
    ],
)
def test_anything_else_is_refused_and_nothing_is_written(
    bundle: Callable[[History, Path], Path], error: type[LedgerError], history: History, tmp_path: Path
) -> None:
    """A wrong tree must never be signed: it would be a fork for ever."""
    case = put_back(history, tmp_path)
    stood = rows(case), newest(case.database), case.folder.guard.read()

    with pytest.raises(error):
        refill(case.folder, bundle(history, tmp_path), wait=0)

    assert (rows(case), newest(case.database), case.folder.guard.read()) == stood


def test_a_whole_ledger_is_not_refilled(history: History, tmp_path: Path) -> None:
    case = copy_case(history.now, tmp_path / "ledger")

    with pytest.raises(NothingLostError):
        refill(case.folder, history.now.folder.path, wait=0)


def test_without_a_guard_nobody_knows_what_was_lost(history: History, tmp_path: Path) -> None:
    before, case = history.now, put_back(history, tmp_path)
    (case.folder.tip / "tip").unlink()

    with pytest.raises(TipLostError):
        refill(case.folder, before.folder.path, wait=0)


def test_the_command_refills_records_it_and_the_log_goes_on(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """evidence.md 5.5: the log goes on, with an event that says so."""
    case = put_back(history, tmp_path)
    monkeypatch.setenv("RELEASE_LEDGER", str(case.folder.path))
    bundle = str(write(tmp_path / "bundle", whole(history.now)))

    lost = main(["verify"])
    code = main(["recover", "--refill", bundle, "--reason", "the disk was put back from Tuesday"])
    again = main(["recover", "--refill", bundle])
    sound = main(["verify"])

    assert (lost, code, again, sound) == (6, 0, 1, 0)
    told = capsys.readouterr().out
    assert "Refilled: events 8 to 18, recorded as event 19" in told
    assert "ok: 20 events" in told


def test_the_answer_of_the_command_as_json(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = put_back(history, tmp_path)
    monkeypatch.setenv("RELEASE_LEDGER", str(case.folder.path))

    assert main(["recover", "--json", "--refill", str(history.now.folder.path)]) == 0

    answer = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema_of("refill")).validate(answer)
    assert {key: answer[key] for key in ("schema", "first", "last", "tree_size", "event")} == {
        "schema": "release-ledger/refill/1",
        "first": 8,
        "last": 18,
        "tree_size": 19,
        "event": 19,
    }
