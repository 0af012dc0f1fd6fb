"""``release-ledger verify``: words, exit codes, JSON and the auditor's memory (PRODUCT section 8)."""

import json
from pathlib import Path

import pytest

from cli.app import main
from tests.evidence.bundles import sample, whole, write
from tests.evidence.ledgers import WITNESS, Case, alter, build, edit_state, newest, record, upgrades


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    case = build(tmp_path / "ledger")
    monkeypatch.setenv("RELEASE_LEDGER", str(case.folder.path))
    return case


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_host_checks_its_own_ledger_and_writes_nothing(ledger: Case, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(ledger.folder.path)

    code = main(["verify"])

    told = capsys.readouterr().out
    assert code == 0
    assert told.startswith("ok: 19 events, root ")
    assert "held outside: 0 of 19 (last 19 only on this host)" in told
    assert files_of(ledger.folder.path) == before


def test_a_changed_event_is_exit_6_and_named(ledger: Case, capsys: pytest.CaptureFixture[str]) -> None:
    edit_state(ledger.database, 5, lambda state: state.replace(b"CVE", b"cve"))

    code = main(["verify"])

    told = capsys.readouterr()
    assert code == 6
    assert told.out.startswith("failed: event 4: ")
    assert "verification failed: event 4" in told.err


def test_without_the_guard_a_host_cannot_decide(ledger: Case, capsys: pytest.CaptureFixture[str]) -> None:
    (ledger.folder.tip / "tip").unlink()

    assert main(["verify"]) == 3
    assert "the tip guard" in capsys.readouterr().out


def test_a_bundle_needs_a_key_of_the_auditor(ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(write(tmp_path / "bundle", whole(ledger)))

    assert main(["verify", bundle]) == 3
    assert main(["verify", bundle, "--vkey", str(ledger.key.vkey)]) == 0
    assert main(["verify", bundle, "--level", "1"]) == 0
    assert "signature not checked" in capsys.readouterr().out


def test_the_auditor_remembers_what_was_verified_and_nothing_else(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, vkey = str(tmp_path / "auditor.state"), str(ledger.key.vkey)
    asked = ["verify", str(ledger.folder.path), "--vkey", vkey, "--state", state]

    first = main(asked)
    kept = Path(state).read_bytes()
    history = [event for _, event in zip(range(21), upgrades(), strict=False)]
    record(ledger.folder, history[19:])
    later = main([*asked, "--since", "last"])
    moved = Path(state).read_bytes()
    alter(ledger.database, "DELETE FROM log_leaf WHERE idx > 18")
    broken = main(asked)

    assert (first, later, broken) == (0, 0, 6)
    assert kept != moved
    assert Path(state).read_bytes() == moved
    assert "the events before 19 were not read again" in capsys.readouterr().out


def test_a_note_that_somebody_holds_is_compared(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = tmp_path / "note"
    note.write_bytes(newest(ledger.database))

    code = main(["verify", "--json", "--held", str(note)])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told["schema"] == "release-ledger/verify/1"
    assert (told["verdict"], told["level"], told["meaning"]) == ("verified", 3, True)
    assert told["held_outside"] == {"size": 19, "by": [str(note)], "missing": 0}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--vkey", "x"], 3),
        (["--vkey", "x", "--policy", "y"], 1),
        (["--policy", "/nowhere"], 3),
        (["--since", "last"], 1),
        (["--held", "/nowhere"], 3),
        (["/nowhere"], 3),
        (["--level", "6"], 1),
    ],
)
def test_what_cannot_be_used_is_said(
    arguments: list[str], code: int, ledger: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", *arguments]) == code
    assert "hint: " in capsys.readouterr().err
    assert ledger.database.exists()


def anchored_in(ledger: Case, tmp_path: Path, *, note: bytes | None) -> Path:
    """Return the file that the settings of *ledger* name as an anchor, with *note* in it."""
    anchor = tmp_path / "elsewhere"
    (ledger.folder.path / "config.toml").write_text(f'[policy]\nanchors = ["file:{anchor}"]\n')
    if note is not None:
        anchor.write_bytes(note + b"\n")
    return anchor


def test_a_file_anchor_holds_what_it_holds(ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is outside the database; that it lies on another disk is for the operator to see to."""
    anchor = anchored_in(ledger, tmp_path, note=newest(ledger.database))
    before = anchor.read_bytes()

    code = main(["verify"])

    assert code == 0
    assert "held outside: 19 of 19" in capsys.readouterr().out
    assert anchor.read_bytes() == before


def test_a_ledger_behind_its_file_anchor_has_lost_events(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows 8 and 9 of evidence.md 7: database and guard were both put back."""
    longer = build(tmp_path / "longer", events=21)
    anchored_in(ledger, tmp_path, note=newest(longer.database))

    assert main(["verify"]) == 6
    assert "events 19 to 20 are lost" in capsys.readouterr().out


@pytest.mark.parametrize(("note", "what"), [(None, "it cannot be read"), (b"x", "it holds no note")])
def test_a_file_anchor_that_is_gone_leaves_it_undecided(
    note: bytes | None, what: str, ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be gone to hide what it held."""
    anchored_in(ledger, tmp_path, note=note)

    assert main(["verify"]) == 3
    assert what in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--policy", "--state", "--since", "--held"])
@pytest.mark.parametrize("place", ["bundle/mine", "bundle/sub/../mine", "link/mine"])
def test_a_file_of_the_auditor_is_never_taken_from_the_record(
    option: str, place: str, ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Evidence.md 6.1: no key, policy or state from the record under test, and nothing is written to it."""
    bundle = write(tmp_path / "bundle", {**whole(ledger), "sub/x": b""})
    (tmp_path / "link").symlink_to(bundle)

    code = main(["verify", str(bundle), option, str(tmp_path / place)])

    told = capsys.readouterr().err
    assert code == 1
    assert "lies inside what is verified" in told
    assert "hint: " in told
    assert not (bundle / "mine").exists()


@pytest.mark.parametrize("option", ["--policy", "--state"])
@pytest.mark.parametrize("record", ["ledger", "ledger/ledger.db"])
@pytest.mark.parametrize("place", ["ledger/log.vkey", "ledger.tip/mine"])
def test_a_ledger_gives_neither_policy_nor_state(
    option: str, record: str, place: str, ledger: Case, tmp_path: Path
) -> None:
    before = files_of(ledger.folder.path)

    code = main(["verify", str(tmp_path / record), option, str(tmp_path / place)])

    assert code == 1
    assert files_of(ledger.folder.path) == before
    assert not (tmp_path / "ledger.tip/mine").exists()


def test_a_sample_is_remembered_and_moves_the_memory_only_where_it_continues_it(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample does not show how its tree follows from an earlier one."""
    state, vkey = tmp_path / "auditor.state", str(ledger.key.vkey)
    asked = ["--vkey", vkey, "--state", str(state)]
    old = str(write(tmp_path / "old", sample(ledger, 1)))
    bundle = str(write(tmp_path / "bundle", whole(ledger)))
    record(ledger.folder, [event for _, event in zip(range(21), upgrades(), strict=False)][19:])
    new = str(write(tmp_path / "new", sample(ledger, 1)))

    codes = [main(["verify", old, *asked])]
    kept = state.read_bytes()
    codes += [main(["verify", path, *asked]) for path in (old, new, bundle)]
    codes += [main(["verify", path, *asked, "--level", "2"]) for path in (old, new)]

    assert codes == [0, 0, 3, 0, 0, 0]
    assert state.read_bytes() == kept
    assert capsys.readouterr().err


def test_an_older_bundle_never_moves_the_memory_back(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, vkey = tmp_path / "auditor.state", str(ledger.key.vkey)
    asked = ["--vkey", vkey, "--state", str(state)]
    bundle = str(write(tmp_path / "bundle", whole(ledger)))
    record(ledger.folder, [event for _, event in zip(range(21), upgrades(), strict=False)][19:])
    main(["verify", str(ledger.folder.path), *asked])
    kept = state.read_bytes()

    codes = [main(["verify", bundle, *asked, *more]) for more in ([], ["--level", "2"], ["--since", "last"])]

    told = capsys.readouterr().out
    assert codes == [3, 0, 3]
    assert state.read_bytes() == kept
    assert "this bundle ends at 19, and size 21 was seen before: ask for a newer one" in told
    assert "no earlier note was compared" not in told


def test_a_sample_cannot_be_audited_since_a_note(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = tmp_path / "note"
    note.write_bytes(newest(ledger.database))
    bundle = str(write(tmp_path / "sample", sample(ledger, 1)))

    code = main(["verify", bundle, "--vkey", str(ledger.key.vkey), "--since", str(note)])

    assert code == 1
    assert "--since cannot be used with the sample" in capsys.readouterr().err


def test_a_ledger_without_its_tip_folder_is_said_to_have_none(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy may have none, so the exit does not change; a host's own check cannot decide (row 11)."""
    asked = ["verify", str(ledger.folder.path), "--vkey", str(ledger.key.vkey)]
    guarded = main(asked)
    before = capsys.readouterr().out
    ledger.folder.tip.rename(tmp_path / "away")

    codes = main(asked), main(["verify", str(ledger.database), "--vkey", str(ledger.key.vkey)]), main(["verify"])

    told = capsys.readouterr().out
    assert (guarded, *codes) == (0, 0, 0, 3)
    assert "no tip guard" not in before
    assert [line.endswith(", no tip guard") for line in told.splitlines() if line.startswith("ok: ")] == [True, True]
    assert told.count(f"\nno tip guard: {ledger.folder.tip} is not there, so this host cannot tell") == 2


def test_the_note_where_an_audit_begins_is_no_holder(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a copy of the ledger's own note would count as held outside; ``--held`` says who holds it."""
    note = tmp_path / "note"
    note.write_bytes(newest(ledger.database))

    begun = main(["verify", "--json", "--since", str(note)])
    alone = json.loads(capsys.readouterr().out)["held_outside"]
    held = main(["verify", "--json", "--since", str(note), "--held", str(note)])
    counted = json.loads(capsys.readouterr().out)["held_outside"]

    assert (begun, held) == (0, 0)
    assert (alone["size"], alone["missing"]) == (0, 19)
    assert (counted["size"], counted["missing"]) == (19, 0)


def test_a_policy_that_names_no_log_decides_nothing(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """evidence.md 6.2: a missing key is *undecided*; a key that differs is *failed*."""
    policy = tmp_path / "policy"
    policy.write_text(f"witness w {WITNESS.vkey}\nquorum w\n")
    bundle = str(write(tmp_path / "bundle", whole(ledger)))
    part = str(write(tmp_path / "sample", sample(ledger, 1)))

    codes = [main(["verify", path, "--policy", str(policy)]) for path in (bundle, part, str(ledger.folder.path))]

    assert codes == [3, 3, 3]
    assert "the policy names no log" in capsys.readouterr().out


@pytest.mark.parametrize(("level", "code"), [("3", 0), ("4", 3), ("5", 3)])
def test_levels_four_and_five_ask_for_witnesses(level: str, code: int, ledger: Case) -> None:
    """docs/verify.md: a level asks for all below it; without --level meaning is checked all the same."""
    assert main(["verify", "--level", level]) == code
    assert ledger.database.exists()


@pytest.mark.parametrize(("level", "code"), [(None, 3), ("2", 0)])
def test_a_quorum_that_nobody_met_is_undecided(level: str | None, code: int, ledger: Case, tmp_path: Path) -> None:
    """evidence.md 6.2: a witness that did not cosign leaves it undecided, and fails nothing."""
    policy = tmp_path / "policy"
    policy.write_text(f"log {ledger.key.vkey}\nwitness w {WITNESS.vkey}\nquorum w\n")
    bundle = str(write(tmp_path / "bundle", whole(ledger)))
    asked = [] if level is None else ["--level", level]

    assert main(["verify", bundle, "--policy", str(policy), *asked]) == code


def test_a_name_that_was_mistyped_is_told_as_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not the record that is incomplete."""
    code = main(["verify", str(tmp_path / "evidnece.zip")])

    said = capsys.readouterr().err
    assert code == 3
    assert "\n  the system says: No such file or directory\nhint: name the folder or zip" in said
