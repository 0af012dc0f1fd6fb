"""evidence.md 5.4: a tip for which the guard does not vouch is accepted by the operator, after a full verification."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli.app import main
from cli.plain_text import plain
from tests.cli.schemas import schema_of

from .ledgers import Case, alter, build, copy_case, edit_state, newest, record, redo, upgrades

ACCEPT = ("recover", "--accept-tip", "--yes", "--reason", "the guard's disk died")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    case = build(tmp_path / "ledger")
    monkeypatch.setenv("RELEASE_LEDGER", str(case.folder.path))
    return case


def guard_of(case: Case) -> Path:
    return case.folder.tip / "tip"


@pytest.mark.parametrize(
    ("statements", "remark"),
    [
        (("DROP TRIGGER log_leaf_update",), "the trigger log_leaf_update is missing"),
        (
            (
                "DROP TRIGGER anchor_delete",
                "CREATE TRIGGER anchor_delete BEFORE DELETE ON anchor WHEN 0 BEGIN SELECT 1; END",
            ),
            "the trigger anchor_delete does not do what it did",
        ),
        (
            ("CREATE TRIGGER x BEFORE INSERT ON stored_events BEGIN SELECT RAISE(ABORT, 'not now'); END",),
            "the trigger 'x' on 'stored_events' is not the ledger's",
        ),
    ],
)
def test_triggers_that_are_missing_or_foreign_are_remarked_and_told(
    statements: tuple[str, ...], remark: str, ledger: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    """A foreign one that refuses a commit is no other writer, which it would help to wait for."""
    with closing(sqlite3.connect(ledger.database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()

    verified = main(["verify"])
    told = capsys.readouterr().out
    recorded = main(["note", "1", "seen"])

    assert verified == 0
    assert f"remark: {remark}" in told
    refused = "refuses the commit\n  it says 'not now'" in capsys.readouterr().err
    assert (recorded, refused) == ((1, True) if "RAISE" in statements[-1] else (0, False))


def events_of(case: Case) -> list[dict[str, Any]]:
    statement = "SELECT state FROM log_leaf JOIN stored_events USING (originator_id, originator_version) ORDER BY idx"
    with closing(sqlite3.connect(case.database)) as connection:
        return [json.loads(row[0]) for row in connection.execute(statement)]


def note_at(case: Case, size: int) -> bytes:
    with closing(sqlite3.connect(case.database)) as connection:
        note: bytes = connection.execute("SELECT note FROM log_checkpoint WHERE size = ?", (size,)).fetchone()[0]
        return note


def lose_file(case: Case) -> None:
    guard_of(case).unlink()


def lose_folder(case: Case) -> None:
    shutil.rmtree(case.folder.tip)


def damage(case: Case) -> None:
    guard_of(case).write_bytes(b"\0" * 99)


def damage_line(case: Case) -> None:
    guard_of(case).write_bytes(guard_of(case).read_bytes()[:-8] + b"AAAAAAA\n")


def put_foreign(case: Case) -> None:
    published = Path(__file__).parents[1] / "vectors/tlog-tiles-posix"
    guard_of(case).write_bytes(next(path for path in sorted(published.rglob("checkpoint*"))).read_bytes())


def write_past(case: Case) -> None:
    guard_of(case).write_bytes(note_at(case, 10))


LOST: dict[str, tuple[Callable[[Case], None], str]] = {
    "the file is removed": (lose_file, "missing"),
    "the folder is removed": (lose_folder, "missing"),
    "no note": (damage, "damaged"),
    "a signature that fails": (damage_line, "damaged"),
    "the guard of another ledger": (put_foreign, "foreign"),
    "commits past it": (write_past, "passed"),
}


@pytest.mark.parametrize("how", LOST)
def test_a_tip_without_its_guard_is_refused_until_it_is_accepted(
    how: str, ledger: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both rows *undecided* of the table: refused, and the remedy is an event."""
    lose, found = LOST[how]
    lose(ledger)

    refused = main(["note", "1", "seen"])
    told = capsys.readouterr().err
    accepted = main([*ACCEPT, "--json"])
    answer = json.loads(capsys.readouterr().out)
    after = [main(["verify"]), main(["note", "1", "seen"]), main([*ACCEPT])]

    assert refused == 6
    assert "recover --accept-tip" in told
    assert accepted == 0
    Draft202012Validator(schema_of("acceptance")).validate(answer)
    assert (answer["found"], answer["tree_size"], answer["event"]) == (found, 19, 19)
    assert after == [0, 0, 0]
    assert "Nothing to accept" in capsys.readouterr().out


def test_the_event_says_what_was_found_who_accepted_it_and_why(
    ledger: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    write_past(ledger)

    main([*ACCEPT, "--ticket", "INC-7"])
    main(["log", "-n", "1"])
    main(["show", "last"])
    main(["verify"])

    event, told = events_of(ledger)[-1], capsys.readouterr().out
    assert event["type"] == "emqx.ledger.tip_accepted.v1"
    assert (event["stream"], event["reason"], event["ticket"]) == ("ledger", ACCEPT[-1], "INC-7")
    assert event["actor"]["id"].startswith("os:")
    assert {name: event["data"][name] for name in ("found", "guarded", "tree_size")} == {
        "found": "passed",
        "guarded": 10,
        "tree_size": 19,
    }
    assert "accepted the tip of 19 events, its tip guard was passed at 10" in told
    assert "remark: event 19 accepts the tip of 19 events" in told


@pytest.mark.parametrize("given", [("--reason", "x"), ("--yes",), ("--yes", "--reason", "x", "--refill", "y")])
def test_nothing_is_accepted_without_a_reason_and_a_yes(
    given: tuple[str, ...], ledger: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal nobody is asked, so ``--yes`` must be given."""
    lose_file(ledger)

    assert main(["recover", "--accept-tip", *given]) == 1
    assert len(events_of(ledger)) == 19
    assert not guard_of(ledger).exists()
    assert "hint: " in capsys.readouterr().err


def cut(case: Case) -> None:
    alter(
        case.database,
        "DELETE FROM stored_events WHERE originator_version > 16",
        "DELETE FROM log_leaf WHERE idx >= 16",
        "DELETE FROM log_commit WHERE first_idx >= 16",
        "DELETE FROM log_checkpoint WHERE size > 16",
        "UPDATE log_tile SET hashes = substr(hashes, 1, 16 * 32)",
    )


def rewrite(case: Case) -> None:
    edit_state(case.database, 12, lambda state: state.replace(b"CVE", b"cve"))
    redo(case.database, key=case.key)


def rewrite_behind_the_guard(case: Case) -> None:
    write_past(case)
    edit_state(case.database, 2, lambda state: state.replace(b"CVE", b"cve"))
    redo(case.database, key=case.key)


def exchange_key(case: Case) -> None:
    other = build(case.folder.path.with_name("other"), seed=2)
    for name in ("ledger.db", "log.key", "log.vkey"):
        shutil.copyfile(other.folder.path / name, case.folder.path / name)


@pytest.mark.parametrize("attack", [cut, rewrite, rewrite_behind_the_guard, exchange_key])
def test_what_the_guard_proves_is_never_accepted(
    attack: Callable[[Case], None], ledger: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cut or a fork is no matter of opinion: refused, and ``recover --refill`` is the way."""
    attack(ledger)
    stood = guard_of(ledger).read_bytes()

    code = main([*ACCEPT, "--json"])

    assert code == 6
    assert json.loads(capsys.readouterr().err)["kind"] == "failed"
    assert guard_of(ledger).read_bytes() == stood
    assert all(event["type"] != "emqx.ledger.tip_accepted.v1" for event in events_of(ledger))


def test_a_ledger_that_does_not_verify_is_not_accepted(ledger: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it is verified, not the tail alone."""
    edit_state(ledger.database, 2, lambda state: state.replace(b"CVE", b"cve"))
    lose_file(ledger)

    assert main([*ACCEPT]) == 6
    assert "event 1" in capsys.readouterr().err
    assert not guard_of(ledger).exists()


@pytest.mark.parametrize("holds", [True, False])
def test_what_a_file_holds_outside_decides(
    *, holds: bool, ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Database cut and guard removed: only who holds a note outside can tell."""
    notes = tmp_path / "elsewhere"
    (ledger.folder.path / "config.toml").write_text(f'[policy]\nanchors = ["file:{notes}"]\n')
    notes.write_bytes((newest(ledger.database) if holds else note_at(ledger, 16)) + b"\n")
    cut(ledger)
    lose_file(ledger)

    code = main([*ACCEPT])

    assert code == (6 if holds else 0)
    assert ("events 16 to 18 are lost" in capsys.readouterr().err) is holds
    assert guard_of(ledger).exists() is not holds


def test_a_holder_that_cannot_be_asked_leaves_it_undecided(
    ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else whoever cuts a ledger takes the cable out of the witness as well."""
    socket = tmp_path / "log"
    (ledger.folder.path / "config.toml").write_text(f'[policy]\nanchors = ["syslog:{socket}"]\n')
    lose_file(ledger)

    code = main([*ACCEPT, "--json"])

    assert code == 6
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["kind"] == "undecided"
    assert len(events_of(ledger)) == 19


DIES = """
import os, signal, sys
from ledger.adapters import tip_guard
from cli.app import main

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "before":
    tip_guard.overwrite_file = die
else:
    swapped = tip_guard.overwrite_file
    tip_guard.overwrite_file = lambda *given, **how: (swapped(*given, **how), die())
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("moment", "events"), [("before", 21), ("after", 20)])
@pytest.mark.parametrize("lose", [lose_folder, write_past])
def test_a_process_that_is_killed_leaves_what_can_be_finished(
    moment: str, events: int, lose: Callable[[Case], None], ledger: Case
) -> None:
    """Before the guard is written another event is recorded; a guard that is removed again finds no way past it."""
    lose(ledger)

    killed = subprocess.run(
        [sys.executable, "-c", DIES, moment, *ACCEPT], check=False, capture_output=True, env=dict(os.environ)
    )
    finished = [main([*ACCEPT]), main(["verify"])]

    assert killed.returncode == -9
    assert finished == [0, 0]
    assert len(events_of(ledger)) == events
    assert guard_of(ledger).read_bytes() == newest(ledger.database)


def test_a_commit_that_came_between_is_not_accepted_unseen(
    ledger: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is accepted is what was verified, to the byte."""
    lose_file(ledger)

    def meddle(desk: object) -> None:
        del desk
        ledger.folder.guard.swap(newest(ledger.database))
        record(ledger.folder, [event for _, event in zip(range(20), upgrades(), strict=False)][19:])
        lose_file(ledger)

    monkeypatch.setattr("ledger.adapters.tip_desk.TipDesk.make_room", meddle)

    assert main([*ACCEPT]) == 6
    assert "changed while its tip was accepted" in capsys.readouterr().err
    assert len(events_of(ledger)) == 20


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_on_a_terminal_the_operator_is_asked(answer: str, code: int, ledger: Case) -> None:
    lose_file(ledger)
    command = [sys.executable, "-m", "cli", "recover", "--accept-tip", "--reason", "disk died"]
    main_end, other_end = os.openpty()
    os.write(main_end, answer.encode())

    run = subprocess.run(command, check=False, stdin=other_end, capture_output=True, text=True)
    os.close(main_end)
    os.close(other_end)

    assert run.returncode == code, run.stderr
    assert f"Found: the tip guard {plain(str(guard_of(ledger)))} is missing" in run.stdout
    assert "Accept this tip?" in run.stderr
    assert (len(events_of(ledger)) == 20) is (code == 0)


def altered(name: str, value: object) -> Callable[[bytes], bytes]:
    def change(state: bytes) -> bytes:
        event = json.loads(state)
        (event if name == "reason" else event["data"]).pop(name, None)
        if value is not None:
            event["data"][name] = value
        return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    return change


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tree_size", 18, "it accepts a tip of 18 events, and stands behind 19"),
        ("found", "passed", "what it says of the tip guard does not go together"),
        ("found", "stolen", "data.found is none of damaged, foreign, missing, passed"),
        ("reason", None, "a tip was accepted without a reason"),
    ],
)
def test_an_acceptance_that_cannot_have_happened_is_named(
    name: str, value: object, words: str, ledger: Case, tmp_path: Path
) -> None:
    """Level 5: a forger with the key writes another acceptance."""
    lose_file(ledger)
    main([*ACCEPT])
    case = copy_case(ledger, tmp_path / "forged")
    with closing(sqlite3.connect(case.database)) as connection:
        (state,) = connection.execute("SELECT state FROM stored_events WHERE originator_id = 'ledger'").fetchone()
    alter(
        case.database,
        ("UPDATE stored_events SET state = ? WHERE originator_id = 'ledger'", (altered(name, value)(state),)),
    )
    redo(case.database, key=case.key)

    report = case.verify()

    assert report.reason is not None
    assert report.reason.where == "event 19"
    assert words in report.reason.what
