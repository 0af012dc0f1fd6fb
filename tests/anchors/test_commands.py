"""Outside holders from the command line: added, told by changes, demanded by policy, and heard when they object."""

import contextlib
import fcntl
import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from ledger.adapters.lock import INSTALLATION_LOCK
from ledger.adapters.witness_state import WitnessState
from tests.anchors.lab import RunningWitness
from tests.cli.lab import Lab
from tests.evidence.ledgers import alter

WHY = ("--reason", "CVE fix")


@pytest.fixture
def watched(lab: Lab, witness: RunningWitness) -> Lab:
    """Return a host whose ledger a witness holds."""
    added = lab.run("witness", "add", "w1", str(witness.vkey), witness.url)
    vkey = added.out.rpartition(": ")[2].strip()
    trusted = lab.run("witness", "log", vkey, "--state", str(witness.folder))
    assert (added.code, trusted.code) == (0, 0), added.err + trusted.err
    return lab


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def set_policy(host: Lab, *lines: str) -> None:
    (host.ledger / "config.toml").write_text("\n".join(["[policy]", *lines]) + "\n")


def test_a_change_hands_its_commits_over(watched: Lab, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    set_policy(watched, f'anchors = ["file:{notes}"]')

    changed = watched.run("upgrade", "4.4.1", *WHY)
    listed = watched.run("witness", "list")
    counted = watched.run("witness", "list", "--json").json

    assert (changed.code, changed.err) == (0, "")
    assert listed.out.splitlines()[-1] == f"held outside: {counted['tree_size']} of {counted['tree_size']}"
    assert [holder["name"] for holder in counted["holders"]] == [f"file:{notes}", "witness:w1"]
    assert counted["unheld"] == 0
    assert "unheld_since" not in counted
    assert notes.read_bytes().count(b"\n\n") > 2  # more than one commit, two empty lines for each


def test_a_holder_that_is_away_is_said_and_holds_up_nothing(watched: Lab, tmp_path: Path) -> None:
    """What lags is resumed by the next command."""
    folder = tmp_path / "mount"
    set_policy(watched, f'anchors = ["file:{folder}/notes"]')

    away = watched.run("unpack", "4.4.1", *WHY)
    submitted = watched.run("witness", "submit")
    folder.mkdir()
    back = watched.run("witness", "submit")

    assert away.code == 0
    assert away.err.startswith(f"warning: file:{folder}/notes does not hold the newest events: ")
    assert submitted.code == 3
    assert (back.code, back.err) == (0, "")


def test_an_alarm_is_exit_6_after_the_change_is_done(watched: Lab, tmp_path: Path) -> None:
    """Two hosts go on from one copy: the witness refuses the second (evidence.md 7, row 10)."""
    shutil.copytree(watched.folder, tmp_path / "clone", symlinks=True)
    clone = Lab(tmp_path / "clone", watched.environ)
    assert watched.run("unpack", "4.4.1", *WHY).code == 0

    shown = clone.run("unpack", "4.4.16", *WHY)

    assert shown.code == 6
    assert 'Unpacked successfully: "4.4.16"' in shown.out
    assert "the witness has cosigned size" in shown.err
    assert list((clone.folder / "ledger.tip").glob("alarm-witness-w1-*.json"))


@pytest.fixture(params=["fork", "rollback"])
def accused(request: pytest.FixtureRequest, watched: Lab, tmp_path: Path) -> Lab:
    """Return a host whose ledger a witness has spoken against: evidence.md 7, rows 6 and 10, and a rollback."""
    shutil.copytree(watched.folder, tmp_path / "clone", symlinks=True)
    clone = Lab(tmp_path / "clone", watched.environ)
    assert watched.run("unpack", "4.4.1", *WHY).code == 0
    if request.param == "rollback":
        assert clone.run("witness", "submit").code == 6  # guard and ledger were put back together
    else:
        assert watched.run("witness", "submit").code == 0
        assert clone.run("unpack", "4.4.16", *WHY).code == 6
    return clone


def events_of(host: Lab) -> int:
    with closing(sqlite3.connect(host.ledger / "ledger.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM stored_events").fetchone()
    return int(count)


def alarm_of(host: Lab) -> Path:
    (alarm,) = (host.folder / "ledger.tip").glob("alarm-*.json")
    return alarm


@pytest.mark.parametrize(
    "words",
    [
        ("upgrade", "4.4.1", *WHY),
        ("recover",),
        ("recover", "--refill", "bundle"),
        ("note", "0", "as it was"),
        ("check", "--record"),
        ("unregister", "--yes"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_while_an_alarm_stands_nothing_is_recorded(accused: Lab, words: tuple[str, ...]) -> None:
    """A fork or rollback that a witness has proven is not forgotten by the next command."""
    before, alarm = events_of(accused), alarm_of(accused)

    refused = accused.run(*words)

    assert refused.code == 6
    assert refused.err.startswith("error: witness:w1 spoke against this ledger: the witness has cosigned ")
    assert f"\n  kept in {alarm}\nhint: keep ledger, tip guard and alarm file as they are" in refused.err
    assert events_of(accused) == before


def test_an_alarm_that_came_while_a_command_waited_binds_it(accused: Lab) -> None:
    """It began before the alarm, and records after it: so the alarms are read again when it has the lock."""
    alarm, before = alarm_of(accused), events_of(accused)
    kept = alarm.read_bytes()
    alarm.unlink()
    place = Path(accused.run("root_dir", "--raw").out.strip()) / INSTALLATION_LOCK
    with place.open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = accused.start("upgrade", "4.4.1", "--wait", "600", *WHY)
        _wait_for_reader(waiting.pid, place)
        alarm.write_bytes(kept)
    _, told = waiting.communicate(timeout=600)

    assert waiting.returncode == 6, told
    assert b"spoke against this ledger" in told
    assert events_of(accused) == before


def _wait_for_reader(pid: int, path: Path) -> None:
    """Wait until process *pid* has the file open."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if any(entry.resolve() == path.resolve() for entry in Path(f"/proc/{pid}/fd").iterdir()):
                return
        time.sleep(0.02)
    raise AssertionError


def cut_back(host: Lab, size: int) -> None:
    """Let the ledger end at *size*, with its receipts for that size, and take the guard away."""
    outside = (
        "DELETE FROM stored_events WHERE NOT EXISTS (SELECT 1 FROM log_leaf AS l WHERE "
        "l.originator_id = stored_events.originator_id AND l.originator_version = stored_events.originator_version)"
    )
    alter(
        host.ledger / "ledger.db",
        ("DELETE FROM anchor WHERE size > ?", (size,)),
        ("DELETE FROM log_leaf WHERE idx >= ?", (size,)),
        outside,
        ("DELETE FROM log_commit WHERE first_idx >= ?", (size,)),
        ("DELETE FROM log_checkpoint WHERE size > ?", (size,)),
        ("UPDATE log_tile SET hashes = substr(hashes, 1, 32 * ?)", (size,)),
    )
    (host.folder / "ledger.tip" / "tip").unlink()


@pytest.mark.parametrize("whole", [True, False])
def test_a_tip_is_accepted_only_if_the_witness_knows_of_no_more(watched: Lab, *, whole: bool) -> None:
    """Its receipts for the shorter ledger are true: only the witness itself can tell (evidence.md 5.4)."""
    assert watched.run("unpack", "4.4.1", *WHY).code == 0
    assert watched.run("witness", "submit").code == 0
    size = events_of(watched)
    cut_back(watched, size if whole else size - 1)

    answer = watched.run("recover", "--accept-tip", "--yes", "--reason", "guard lost", "--json")

    if whole:
        assert answer.code == 0, answer.err
        assert answer.json["holders"] == ["witness:w1"]
        assert watched.run("verify").code == 0
    else:
        assert answer.code == 6
        assert json.loads(answer.err.splitlines()[-1])["kind"] == "failed"
        assert events_of(watched) == size - 1
        assert not (watched.folder / "ledger.tip" / "tip").exists()
        assert alarm_of(watched).exists()


def test_what_came_back_is_not_built_upon_where_the_witness_has_more(watched: Lab, tmp_path: Path) -> None:
    """Guard and bundle are older than what was cosigned: another event behind them would be a fork for ever."""
    guard = watched.folder / "ledger.tip" / "tip"
    assert watched.run("unpack", "4.4.1", *WHY).code == 0
    held, size = guard.read_bytes(), events_of(watched)
    assert watched.run("export", "-o", str(tmp_path / "bundle.zip")).code == 0  # an event, which the witness has
    assert watched.run("witness", "submit").code == 0
    cut_back(watched, 1)
    guard.write_bytes(held)

    refilled = watched.run("recover", "--refill", str(tmp_path / "bundle.zip"))

    assert refilled.code == 6
    assert refilled.err.count("the witness has cosigned size") == 1
    assert events_of(watched) == size
    assert alarm_of(watched).exists()


def test_an_alarm_that_stands_is_shown_and_keeps_nobody_from_reading(accused: Lab) -> None:
    alarm = alarm_of(accused)

    checked, listed = accused.run("check", "--json"), accused.run("witness", "list")
    counted = accused.run("witness", "list", "--json").json
    planned, read = accused.run("restart", "--dry-run"), accused.run("log")

    (point,) = (point for point in checked.json["points"] if point["point"] == "alarm")
    (line,) = (line for line in listed.out.splitlines() if line.startswith("Alarm: "))
    assert (checked.code, point["verdict"]) == (7, "fault")
    assert str(alarm) in point["value"]
    assert line.startswith("Alarm: witness:w1 spoke against this ledger: ")
    assert line.endswith(f" ({alarm})")
    assert [told["file"] for told in counted["alarms"]] == [str(alarm)]
    assert (planned.code, read.code) == (0, 0)


def test_what_is_explained_stands_no_longer(accused: Lab) -> None:
    """The operator removes the file; a holder that still objects raises it again."""
    alarm_of(accused).unlink()

    first, second = accused.run("restart", *WHY), accused.run("restart", *WHY)

    assert (first.code, second.code) == (6, 6)
    assert "Restarted" in first.out
    assert second.out == ""


def test_an_alarm_file_that_cannot_be_read_stands_all_the_same(watched: Lab) -> None:
    (watched.folder / "ledger.tip" / "alarm-x-1.json").write_text("[")

    refused = watched.run("restart", *WHY)

    assert refused.code == 6
    assert "a holder spoke against this ledger: what it said cannot be read" in refused.err


def test_policy_demands_holders_before_a_risky_command_only(watched: Lab) -> None:
    set_policy(watched, "holders = 2")

    unpacked = watched.run("unpack", "4.4.1", *WHY)
    refused = watched.run("upgrade", "4.4.1", *WHY)
    planned = watched.run("upgrade", "4.4.1", "--dry-run", *WHY)
    set_policy(watched, "holders = 1")
    done = watched.run("upgrade", "4.4.1", *WHY)

    assert (unpacked.code, refused.code, planned.code, done.code) == (0, 2, 0, 0)
    assert "policy demands 2 outside holders of all events, 1 hold them" in refused.err


@pytest.mark.parametrize("line", ["holders = -1", "holders = true", 'holders = "1"', "anchors = [1]", 'anchors = "x"'])
def test_a_policy_of_another_kind_is_refused(lab: Lab, line: str) -> None:
    set_policy(lab, line)

    assert lab.run("witness", "list").code == 1


def test_without_a_holder_nothing_is_submitted(lab: Lab) -> None:
    submitted, listed = lab.run("witness", "submit"), lab.run("witness", "list")

    assert (submitted.code, listed.code) == (1, 0)
    assert "held outside: 0 of 1 (last 1 only on this host, since " in listed.out


@pytest.mark.parametrize(
    ("name", "vkey", "url"),
    [
        ("none", None, "http://127.0.0.1/"),
        ("a b", None, "http://127.0.0.1/"),
        ("w1", "w+12345678+AAAA", "http://127.0.0.1/"),
        ("w1", None, "127.0.0.1"),
    ],
)
def test_what_is_no_witness_is_not_added(
    lab: Lab, witness: RunningWitness, name: str, vkey: str | None, url: str
) -> None:
    answer = lab.run("witness", "add", name, vkey or str(witness.vkey), url)

    assert answer.code == 1
    assert not (lab.ledger / "witnesses").exists()


def test_a_witness_of_a_user_without_a_home_asks_for_its_folder(lab: Lab) -> None:
    """As for a service of systemd with a dynamic user."""
    with patch("os.geteuid", return_value=1000):
        answer = lab.having(HOME="").run("witness", "serve")

    assert (answer.code, answer.err.splitlines()[-1]) == (1, "hint: name it: --state FOLDER")


def test_whoever_may_read_the_ledger_may_read_its_witnesses(lab: Lab, witness: RunningWitness) -> None:
    """Else a member of the ledger's group could not judge it any more once a witness was named."""
    listed = lab.ledger / "witnesses"
    named = ("witness", "add", "w1", str(witness.vkey), witness.url)
    lab.run(*named)
    alone = mode_of(listed)
    listed.unlink()
    lab.ledger.chmod(0o2750)

    lab.run(*named)
    shared = mode_of(listed)
    listed.chmod(0o644)
    lab.run("witness", "remove", "w1")

    assert (alone, shared, mode_of(listed)) == (0o600, 0o640, 0o644)


def test_another_key_under_a_known_name_is_refused(watched: Lab, witness: RunningWitness) -> None:
    again = watched.run("witness", "add", "w1", str(witness.vkey), witness.url)
    moved = watched.run("witness", "add", "w1", str(witness.vkey), "http://127.0.0.1:1/")
    own_key = watched.run("witness", "list").out.splitlines()[0].removeprefix("Log: ")
    log_key = watched.run("witness", "add", "w2", own_key, witness.url)

    assert (again.code, moved.code, log_key.code) == (0, 1, 1)
    assert "there already" in again.out


def test_a_witness_is_removed_and_its_receipts_stay(watched: Lab, witness: RunningWitness) -> None:
    assert watched.run("witness", "submit").code == 0
    listed = (watched.ledger / "witnesses").read_text()

    unknown = watched.run("witness", "remove", "w2")
    (watched.ledger / "witnesses").write_text(listed.replace("quorum none", "group g any w1\nquorum g"))
    needed = watched.run("witness", "remove", "w1")
    (watched.ledger / "witnesses").write_text(listed)
    removed = watched.run("witness", "remove", "w1")
    changed = watched.run("unpack", "4.4.1", *WHY)
    again = watched.run("witness", "add", "w1", str(witness.vkey), witness.url)
    held = watched.run("witness", "list", "--json").json["holders"]

    assert (unknown.code, needed.code, removed.code, changed.code, again.code) == (1, 1, 0, 0, 0)
    assert "a group or the quorum" in needed.err
    assert removed.out == "Witness w1: removed; what it holds stays with it\n"
    assert held == [{"name": "witness:w1", "held": 1}]


def test_a_witness_stops_when_it_is_told(lab: Lab, tmp_path: Path) -> None:
    serving = lab.start("witness", "serve", "--state", str(tmp_path / "w"), "--port", "0")
    assert serving.stdout is not None
    lines = [serving.stdout.readline() for _ in range(2)]

    serving.terminate()
    _, err = serving.communicate(timeout=120)

    assert [line.partition(b":")[0] for line in lines] == [b"Key", b"Listening"]
    assert (serving.returncode, err) == (0, b"")
    with closing(WitnessState(tmp_path / "w" / "witness.db")) as state:
        assert state.logs() == []


def test_a_port_that_is_taken_is_said(lab: Lab, witness: RunningWitness, tmp_path: Path) -> None:
    port = witness.url.rpartition(":")[2].strip("/")

    answer = lab.run("witness", "serve", "--state", str(tmp_path / "w"), "--port", port)

    assert answer.code == 1
    assert "cannot listen at 127.0.0.1" in answer.err
