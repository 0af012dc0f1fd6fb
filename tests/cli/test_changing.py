"""Changes at their edges: reasons, overrides, policy, dry run, locks, kills, interrupts, recovery."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest
from jsonschema import Draft202012Validator

from cli.exit_codes import INTERRUPTED
from ledger.adapters.embedded_node import EmbeddedNode
from ledger.adapters.lock import INSTALLATION_LOCK, FileLock
from tests.cli.lab import BASE, Lab, Result
from tests.cli.schemas import CHANGE, ERROR, RECOVERY
from tests.cli.test_reading import events_of

KILLED = """
import os, sys
from ledger.adapters.embedded_node import EmbeddedNode
{name} = EmbeddedNode.{name}
def stopped(self, *given):
    {before}
    os.kill(os.getpid(), {signal})
EmbeddedNode.{name} = stopped
from cli.app import main
sys.exit(main(sys.argv[1:]))
"""


def killed(lab: Lab, at: str, *arguments: str, done: bool = False, by: int = signal.SIGKILL) -> Result:
    """Run a command that a signal ends when it calls *at*, or after that is *done*."""
    program = KILLED.format(name=at, before=f"{at}(self, *given)" if done else "pass", signal=int(by))
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=lab.variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


def test_reason_and_ticket_are_recorded(lab: Lab) -> None:
    lab.run("unpack", "4.4.1", "--reason", "CVE fix", "--ticket", "CHG-1042")

    assert {(event.get("reason"), event.get("ticket")) for event in events_of(lab)[:-1]} == {("CVE fix", "CHG-1042")}


def test_reason_and_ticket_come_from_the_environment_too(lab: Lab) -> None:
    told = lab.having(RELEASE_LEDGER_REASON="from the pipeline", RELEASE_LEDGER_TICKET="CHG-7")

    told.run("unpack", "4.4.1")
    told.run("unpack", "4.4.16", "--reason", "by hand")

    assert [event["reason"] for event in events_of(lab, "--type", "unpacked")] == ["by hand", "from the pipeline"]


def test_a_reason_is_recorded_in_its_composed_form(lab: Lab) -> None:
    """Evidence, section 1.1: NFC."""
    lab.run("unpack", "4.4.1", "--reason", "cafe\u0301")

    assert events_of(lab, "-n", "1")[0]["reason"] == "caf\u00e9"


@pytest.mark.parametrize("option", ["reason", "ticket"])
def test_policy_demands_what_it_demands(lab: Lab, option: str) -> None:
    (lab.ledger / "config.toml").write_text(f"[policy]\nrequire_{option} = true\n")

    refused, done = lab.run("unpack", "4.4.1"), lab.run("unpack", "4.4.1", f"--{option}", "given")

    assert (refused.code, refused.out, done.code) == (1, "", 0)
    assert f"require_{option} = true in {lab.ledger / 'config.toml'}" in refused.err


def test_an_override_lets_its_rule_pass_and_is_recorded(lab: Lab) -> None:
    lab.offer("4.5.0")

    without = lab.run("unpack", "4.5.0")
    answer = lab.run("unpack", "4.5.0", "--allow", "minor", "--reason", "lab")

    assert (without.code, answer.code) == (2, 0)
    assert events_of(lab, "--type", "operation_requested")[0]["data"]["allowed"] == ["minor"]  # type: ignore[index] # an object


def test_several_overrides_are_given_one_by_one(lab: Lab) -> None:
    lab.offer("4.5.0")

    lab.run("unpack", "4.5.0", "--allow", "minor", "--allow", "space", "--reason", "lab")

    assert events_of(lab, "--type", "operation_requested")[0]["data"]["allowed"] == ["minor", "space"]  # type: ignore[index] # an object


def test_a_dry_run_prints_the_plan_and_changes_nothing(lab: Lab) -> None:
    before = events_of(lab)

    answer = lab.run("upgrade", "4.4.16", "--dry-run")

    assert answer.code == 0
    assert answer.out.splitlines()[:-1] == [
        "Plan of upgrade 4.4.16:",
        "1. unpack 4.4.16",
        "2. install 4.4.16",
        "3. make_permanent 4.4.16",
        "Installed versions before:",
        "* 4.4.0\tpermanent",
        "Installed versions after:",
        "* 4.4.16\tpermanent",
        "* 4.4.0\told",
        "A restart then boots 4.4.16; nothing changes",
    ]
    assert (events_of(lab), lab.rows()) == (before, {"4.4.0": "permanent"})


def test_a_dry_run_that_would_be_refused_says_so(lab: Lab) -> None:
    before = events_of(lab)

    answer = lab.run("upgrade", "4.4.9", "--dry-run")

    assert (answer.code, answer.out) == (2, "Unpack failed: release_package_not_found\n")
    assert events_of(lab) == before


@pytest.mark.parametrize(
    ("arguments", "outcome", "events"),
    [
        (("upgrade", "4.4.16"), "completed", [1, 5]),
        (("upgrade", "4.4.16", "--dry-run"), "planned", None),
        (("install", "4.4.0"), "already", None),
        (("restart",), "completed", [1, 3]),
    ],
)
def test_change_json_follows_its_schema(
    lab: Lab, arguments: tuple[str, ...], outcome: str, events: list[int] | None
) -> None:
    answer = lab.run(*arguments, "--json")

    Draft202012Validator(CHANGE).validate(answer.json)
    assert answer.out.count("\n") == 1
    assert (answer.json["outcome"], answer.json.get("events")) == (outcome, events)


def test_error_json_names_every_reason_by_its_rule(lab: Lab) -> None:
    answer = lab.run("downgrade", "4.6.0", "--json")

    error = json.loads(answer.err)
    Draft202012Validator(ERROR).validate(error)
    assert (answer.code, answer.out, error["code"], error["kind"]) == (2, "", 2, "refused")
    assert [reason["rule"] for reason in error["reasons"]] == ["minor", "package", "direction"]


def test_a_live_installation_is_not_rehearsed_on(lab: Lab) -> None:
    """RULINGS 2: where programs run from the root, not even an override helps."""
    with running_from(lab.root):
        answer = lab.run("upgrade", "4.4.16", "--allow", "offline", "--reason", "r")

    assert answer.code == 2
    assert "is in use by a running node" in answer.err
    assert lab.rows() == {"4.4.0": "permanent"}


class running_from:  # noqa: N801 # reads as a phrase
    """A program runs whose file lies under a root."""

    def __init__(self, root: Path) -> None:
        program = root / f"erts-{BASE.erts}/bin/sleep"
        program.write_bytes(Path("/bin/sleep").read_bytes())
        program.chmod(0o755)
        self._program = program

    def __enter__(self) -> None:
        self._process = subprocess.Popen([self._program, "600"])

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def test_a_second_command_finds_the_lock_held(lab: Lab) -> None:
    with FileLock(lab.root / INSTALLATION_LOCK).hold("upgrade 4.4.16"):
        answer = lab.run("unpack", "4.4.1")

    assert (answer.code, answer.out) == (75, "")
    assert "upgrade 4.4.16" in answer.err
    assert len(events_of(lab)) == 1


def test_of_two_commands_at_once_one_is_told_to_try_later(lab: Lab, tmp_path: Path) -> None:
    go = tmp_path / "go"
    slow = (
        "import sys, time; from pathlib import Path; from ledger.adapters.embedded_node import EmbeddedNode as N\n"
        "install = N.install_release\n"
        "def wait(self, vsn):\n"
        f"    Path({str(go)!r}).touch()\n"
        f"    while Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        "    return install(self, vsn)\n"
        "N.install_release = wait\n"
        "from cli.app import main\n"
        "sys.exit(main(['upgrade', '4.4.16']))\n"
    )
    first = subprocess.Popen([sys.executable, "-c", slow], env=lab.variables, stdout=subprocess.DEVNULL)
    wait_until(go.exists)

    second = lab.process("upgrade", "4.4.1")
    table = lab.run("versions")
    go.unlink()

    assert (second.code, second.out, first.wait(600), table.code) == (75, "", 0, 0)
    assert lab.rows()["4.4.16"] == "permanent"


def test_a_command_waits_for_the_lock_as_long_as_it_is_told_to(lab: Lab) -> None:
    lock = lab.root / INSTALLATION_LOCK
    with FileLock(lock).hold("something short"):
        waiting = lab.start("unpack", "4.4.1", "--wait", "600")
        wait_until(lambda: has_open(waiting.pid, lock))

    out, _ = waiting.communicate(timeout=600)

    assert (waiting.returncode, out.splitlines()[-1]) == (0, b'Unpacked successfully: "4.4.1"')


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_open(pid: int, path: Path) -> bool:
    """Tell whether a process has a file open."""
    with suppress(OSError):
        return any(entry.resolve() == path.resolve() for entry in Path(f"/proc/{pid}/fd").iterdir())
    return False


@pytest.mark.parametrize("at", ["stage_release", "unpack_release", "install_release", "make_permanent"])
@pytest.mark.parametrize("done", [False, True])
def test_a_killed_change_stays_open_until_it_is_recovered(lab: Lab, at: str, done: bool) -> None:  # noqa: FBT001 # pytest's parameter
    """PRODUCT section 6: kill it anywhere; changes exit 5, reads go on, ``recover`` closes."""
    killed(lab, at, "upgrade", "4.4.16", done=done)
    refused, read = lab.run("unpack", "4.4.1"), lab.run("versions")

    recovered = lab.run("recover", "--reason", "host lost power")
    after = lab.run("upgrade", "4.4.16")

    staged_only = at == "stage_release"
    assert (refused.code, refused.out, read.code) == ((0 if staged_only else 5), refused.out, 0)
    assert (recovered.code, after.code) == (0, 0)
    assert lab.rows()["4.4.16"] == "permanent"
    assert lab.run("recover").out == "Nothing to recover.\n"


def test_an_open_attempt_is_refused_with_what_is_open(lab: Lab) -> None:
    killed(lab, "install_release", "upgrade", "4.4.16")

    answer = lab.run("upgrade", "4.4.16")

    assert (answer.code, answer.out) == (5, "")
    assert "an attempt is open: upgrade 4.4.16" in answer.err
    assert "release-ledger recover" in answer.err


def test_recover_says_what_it_found_and_did(lab: Lab) -> None:
    killed(lab, "install_release", "upgrade", "4.4.16")

    answer = lab.run("recover")

    lines = answer.out.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == ["Found", "Found"]
    assert lines[-1] == "Recovered: failed"


def test_recovery_json_follows_its_schema(lab: Lab) -> None:
    killed(lab, "install_release", "upgrade", "4.4.16")

    recovered, again = lab.run("recover", "--json"), lab.run("recover", "--json")

    Draft202012Validator(RECOVERY).validate(recovered.json)
    Draft202012Validator(RECOVERY).validate(again.json)
    assert (recovered.json["result"], again.json["result"]) == ("failed", "nothing")


def test_an_interrupt_before_a_command_begins_has_no_traceback(lab: Lab) -> None:
    """As while the modules of a command are loaded."""
    program = (
        "import sys; from unittest.mock import patch; from cli.__main__ import main\n"
        "with patch('cli.fast_path.main', side_effect=KeyboardInterrupt): sys.exit(main())\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], env=lab.variables, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (INTERRUPTED, "")


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        (("upgrade", "4.4.16"), 4, "error: this change broke off; the node may have changed\n"),
        (("upgrade", "4.4.16", "--dry-run"), 3, "error: this command broke off\n"),
        (("recover",), 4, "error: this change broke off; the node may have changed\n"),
        (("recover", "--dry-run"), 3, "error: this command broke off\n"),
        (("check",), 3, "error: this command broke off\n"),
    ],
)
def test_what_nobody_foresaw_is_4_where_the_node_may_have_changed(
    lab: Lab, line: tuple[str, ...], code: int, told: str
) -> None:
    with patch.object(EmbeddedNode, "observe", side_effect=ZeroDivisionError):
        answer = lab.run(*line)

    assert (answer.code, answer.err.startswith(told)) == (code, True)


def test_a_plan_that_cannot_be_written_is_an_error(lab: Lab) -> None:
    with Path("/dev/full").open("w") as full:
        answer = lab.process("upgrade", "4.4.16", "--dry-run", stdout=full)

    assert answer.code == 1


def test_an_interrupt_exits_130_and_names_the_attempt_it_leaves_open(lab: Lab) -> None:
    """PRODUCT section 10."""
    answer = killed(lab, "install_release", "upgrade", "4.4.16", by=signal.SIGINT)

    attempt = lab.run("versions", "--json").json["open_attempt"]
    assert answer.code == 130
    assert f"the attempt stays open: {attempt}" in answer.err
    assert "Traceback" not in answer.err
    assert lab.run("recover").code == 0


def test_an_interrupt_before_anything_began_says_that(lab: Lab) -> None:
    answer = killed(lab, "observe", "upgrade", "4.4.16", by=signal.SIGINT)

    assert answer.code == 130
    assert "no attempt was left open" in answer.err


def test_half_permanent_boot_files_exit_5_and_recover_mends_them(lab: Lab) -> None:
    """PRODUCT rule 8."""
    lab.run("upgrade", "4.4.16", "--no-permanent")
    names = lab.root / "releases/start_erl.data"
    names.write_text("12.3.2.2 4.4.16")

    refused = lab.run("unpack", "4.4.1")
    recovered = lab.run("recover")

    assert (refused.code, refused.out, recovered.code) == (5, "", 0)
    assert "release-ledger recover" in refused.err
    assert lab.run("unpack", "4.4.1").code == 0


@pytest.mark.parametrize(("verb", "code"), [("upgrade", 4), ("versions", 3)])
def test_what_nobody_foresaw_is_told_without_a_traceback(
    lab: Lab, verb: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a\x1b[31mfault")

    monkeypatch.setattr(EmbeddedNode, "observe", broken)
    monkeypatch.setattr("cli.commands.versions.tables_at", broken)
    arguments = ("upgrade", "4.4.16") if verb == "upgrade" else ("versions",)

    answer = lab.run(*arguments)
    detailed = lab.having(RELEASE_LEDGER_DEBUG="1").run(*arguments)

    assert (answer.code, answer.out, detailed.code) == (code, "", code)
    assert "Traceback" not in answer.err
    assert "ZeroDivisionError: a\\x1b[31mfault" in answer.err
    assert "RELEASE_LEDGER_DEBUG=1" in answer.err
    assert detailed.err.startswith("Traceback")


def test_uninstall_asks_on_a_terminal_only(lab: Lab) -> None:
    """RULINGS 27."""
    lab.run("unpack", "4.4.16")

    no, out_of_no = on_a_terminal(lab, "uninstall", "4.4.16", typed="n\n")
    yes, _ = on_a_terminal(lab, "uninstall", "4.4.16", typed="", extra=("--yes",))

    assert (no, yes) == (1, 0)
    assert "uninstall 4.4.16? [y/N]" in out_of_no
    assert "4.4.16" not in lab.rows()


@pytest.mark.parametrize("typed", ["\x03", "\x04"])
def test_a_question_that_is_left_ends_the_command(lab: Lab, typed: str) -> None:
    """Ctrl-C and Ctrl-D."""
    lab.run("unpack", "4.4.16")

    code, shown = on_a_terminal(lab, "uninstall", "4.4.16", typed=typed)

    assert code == 130
    assert "interrupted" in shown
    assert "4.4.16" in lab.rows()


def test_recover_asks_on_a_terminal(lab: Lab) -> None:
    killed(lab, "install_release", "upgrade", "4.4.16")

    no, shown = on_a_terminal(lab, "recover", typed="n\n")
    yes, _ = on_a_terminal(lab, "recover", typed="y\n")

    assert (no, yes) == (5, 0)
    assert "Do this? [y/N]" in shown


def on_a_terminal(lab: Lab, *arguments: str, typed: str, extra: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run a command whose streams are a terminal, type at its question; return its code and what it showed."""
    controller, terminal = os.openpty()
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with lab.start(*arguments, *extra, **streams, preexec_fn=lambda: take_terminal(terminal)) as process:
        os.close(terminal)
        shown, answered, deadline = b"", False, time.monotonic() + 120
        while time.monotonic() < deadline:
            if select.select([controller], [], [], 0.05)[0]:
                try:
                    shown += os.read(controller, 4096)
                except OSError:  # the other side is closed
                    break
            # A signal that comes between Python's check for signals and its read is not heard before the next one,
            # and a second one could break off the end of the command: so it is sent once, to a command that reads.
            elif typed and not answered and b"[y/N]: " in shown and sleeps(process.pid):
                os.write(controller, typed.encode())
                answered = True
        else:
            process.kill()
    os.close(controller)
    return process.returncode, shown.decode()


def sleeps(pid: int) -> bool:
    """Tell whether a process waits for something."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].startswith("S")


def take_terminal(terminal: int) -> None:
    """Make *terminal* that of a process that is about to start, so that Ctrl-C reaches it."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def test_on_a_terminal_the_events_are_named(lab: Lab) -> None:
    """RULINGS 23."""
    code, shown = on_a_terminal(lab, "upgrade", "4.4.16", typed="")
    _, quiet = on_a_terminal(lab, "downgrade", "4.4.0", typed="", extra=("-q",))

    assert code == 0
    assert "recorded as events 1 to 5" in shown
    assert "recorded" not in quiet


def test_a_list_on_a_terminal_goes_through_the_pager(lab: Lab) -> None:
    paged = lab.having(PAGER="sed s/^/PAGED/")

    _, shown = on_a_terminal(paged, "log", "--oneline", typed="")
    _, plain = on_a_terminal(lab.having(PAGER="no-such-program"), "log", "--oneline", typed="")

    assert shown.startswith("PAGED0  ")
    assert plain.startswith("0  ")


def test_recover_says_what_a_restart_would_lose(lab: Lab) -> None:
    """Where an attempt was closed with its release as a trial, the next restart would undo it unseen."""
    lab.run("upgrade", "4.4.16", "--no-permanent")

    answer = lab.run("recover", "-v")

    assert (answer.code, answer.out) == (0, "Nothing to recover.\n")
    assert answer.err.endswith("hint: `release-ledger permanent 4.4.16` keeps the trial\n")
