"""``release-ledger verify`` for an auditor who follows many logs with one policy and one state file."""

from pathlib import Path

import pytest

from cli.app import main
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note
from tests.evidence import another
from tests.evidence.bundles import sample, whole, write
from tests.evidence.ledgers import Case, build, newest, record, upgrades


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    case = build(tmp_path / "ledger")
    monkeypatch.setenv("RELEASE_LEDGER", str(case.folder.path))
    return case


@pytest.fixture
def other(tmp_path: Path) -> str:
    """Return the folder of another log."""
    return str(write(tmp_path / "other", another.whole([b"%d" % index for index in range(300)])))


@pytest.fixture
def asked(ledger: Case, tmp_path: Path) -> tuple[str, ...]:
    """Return the options of an auditor who follows both."""
    policy = tmp_path / "policy"
    policy.write_text(f"log {another.vkey()}\nlog {ledger.key.vkey}\nquorum none\n")
    return ("--policy", str(policy), "--state", str(tmp_path / "auditor.state"))


def remembered(tmp_path: Path) -> dict[str, int]:
    from ledger.adapters.audit_state import read_state  # noqa: PLC0415 # what the commands wrote

    notes = dict(read_state(tmp_path / "auditor.state").notes)
    return {origin: Checkpoint.parse(Note.parse(note).text).size for origin, note in notes.items()}


def test_what_was_seen_of_one_log_says_nothing_of_another(
    ledger: Case, other: str, asked: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forms = (whole(ledger), sample(ledger, 1))
    bundles = [str(write(tmp_path / f"bundle{number}", files)) for number, files in enumerate(forms)]

    codes = [main(["verify", path, *asked]) for path in (other, *bundles, str(ledger.folder.path), other)]

    assert codes == [0] * 5
    assert remembered(tmp_path) == {another.ORIGIN: 300, ledger.key.name: 19}
    first, second, *later = capsys.readouterr().out.split("ok: ")[1:]
    assert all("no earlier note was compared" in told for told in (first, second))
    assert all("shown: form, tree, signature, history" in told or "shown: tree" in told for told in later)


def test_each_log_begins_where_it_was_seen_last(
    ledger: Case, other: str, asked: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = str(ledger.folder.path)
    unseen = main(["verify", own, *asked, "--since", "last"])
    for path in (other, own):
        main(["verify", path, *asked])
    record(ledger.folder, [event for _, event in zip(range(21), upgrades(), strict=False)][19:])

    codes = [main(["verify", path, *asked, "--since", "last"]) for path in (own, other)]

    told = capsys.readouterr()
    assert (unseen, codes) == (1, [0, 0])
    assert "--since last has nothing to begin at" in told.err
    assert "the events before 19 were not read again" in told.out
    assert "the events before 300 were not read again" in told.out
    assert remembered(tmp_path) == {another.ORIGIN: 300, ledger.key.name: 21}


def test_a_log_that_is_not_remembered_cannot_begin_at_the_note_of_another(
    ledger: Case, other: str, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["verify", other, *asked])

    assert main(["verify", str(ledger.folder.path), *asked, "--since", "last"]) == 1
    assert "it has seen nothing of this log" in capsys.readouterr().err


def test_a_rewritten_log_is_found_among_many(
    ledger: Case, other: str, asked: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (other, str(ledger.folder.path)):
        main(["verify", path, *asked])
    forked = another.whole([b"%d" % (index + (index == 7)) for index in range(300)])

    code = main(["verify", str(write(tmp_path / "forked", forked)), *asked])

    assert code == 6
    assert "it holds another history up to size 300" in capsys.readouterr().out


def test_a_file_that_holds_notes_of_this_log_need_not_hold_those_of_others(
    ledger: Case, asked: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").write_bytes(newest(ledger.database))
    settings = ledger.folder.path / "config.toml"
    settings.write_text(f'[policy]\nanchors = ["file:{tmp_path / "notes"}"]\n')

    code = main(["verify", *asked])

    assert code == 0, capsys.readouterr().out
    assert "held outside: 19 of 19" in capsys.readouterr().out
