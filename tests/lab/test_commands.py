"""Commands on a live node, as a user runs them: words, exit codes, events, and no secret anywhere."""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.host import Host
from tests.lab.node import Lab, make_node
from tests.lab.releases import BANNER, COOKIE, CRASHES, PASSWORD, REFUSES, RESTARTS, SLOW

pytestmark = pytest.mark.erlang

_SECONDS = 300
_SECRETS = (COOKIE, PASSWORD, BANNER)


def test_a_live_node_is_registered_and_upgraded_while_a_client_stays(host: Host) -> None:
    host.offer("4.4.16")

    with host.node.client() as client:
        before = client.ask()
        answer = host.run("upgrade", "4.4.16", "--reason", "CVE fix")
        after = client.ask()

    assert (before, after) == ((1, "4.4.0"), (2, "4.4.16"))
    assert answer == type(answer)(
        0,
        "Release 4.4.16 not found, attempting to unpack releases/emqx-4.4.16.tar.gz\n"
        'Unpacked successfully: "4.4.16"\nInstalled Release: 4.4.16\nMade release permanent: "4.4.16"\n',
        "",
    )
    first, *_, last = host.events()
    assert first["data"] | {"kind": "live", "source": "node", "driver": "node"} == first["data"]  # type: ignore[operator] # an object
    assert last["type"] == "operation_completed"
    assert host.versions() == {"4.4.16": "permanent", "4.4.0": "old"}
    host.assert_all_agree()


def test_a_restart_goes_through_the_script_and_names_what_it_undid(host: Host) -> None:
    host.offer("4.4.1")
    host.run("upgrade", "4.4.1", "--no-permanent")

    answer = host.run("restart")

    assert (answer.code, answer.out) == (0, "Restarted: 4.4.0\nUndone by the restart: 4.4.1\n")
    assert host.names()[-3:] == ("operation_requested", "node_restarted", "operation_completed")
    host.assert_all_agree()


def test_a_restarted_node_has_the_environment_of_its_service_and_not_that_of_the_command(
    lab: Lab, tmp_path: Path
) -> None:
    """Without WITH_EPMD it would listen elsewhere; and a broker does not live on with the variables of a shell."""
    node = make_node(lab, tmp_path / "emqx", service={"EMQX_LAB": "kept"})
    node.start()
    host = Host(lab, node)
    try:
        host.init()
        answer = host.run("restart")
        variables = Path("/proc", str(node.pid), "environ").read_bytes().split(b"\0")
    finally:
        node.kill()

    assert answer.code == 0
    assert b"EMQX_LAB=kept" in variables
    assert not any(line.startswith((b"RELEASE_LEDGER", b"PYTHONPATH")) for line in variables)


def test_a_crashed_relup_is_recorded_as_failure_and_restart(host: Host) -> None:
    host.offer(CRASHES, "4.4.1")

    begun = time.monotonic()
    answer = host.run("upgrade", CRASHES)
    seconds = time.monotonic() - begun
    again = host.run("upgrade", "4.4.1")

    assert (answer.code, again.code) == (4, 0)
    assert "seconds without service" in answer.err
    names = host.names()
    assert names[1:5] == ("operation_requested", "unpacked", "node_restarted", "operation_failed")
    assert "drift_observed" not in names
    restarted = host.events()[3]["data"]
    assert isinstance(restarted, dict)
    assert restarted["cause"] == "failed"
    assert 0 < restarted["down_ms"] / 1000 < seconds


def test_that_clients_will_be_disconnected_is_said_before_it_is_done_and_without_a_terminal(host: Host) -> None:
    """PRODUCT section 3: what is lost by a relup that restarts the emulator; here that fails, for want of heart."""
    host.offer(RESTARTS)

    planned, done = (host.run("upgrade", RESTARTS, "--reason", "x", *options) for options in (("--dry-run",), ()))

    warned = f"warning: this is not a hot upgrade: the relup between 4.4.0 and {RESTARTS} restarts the emulator"
    assert (planned.code, planned.err.count("\n")) == (0, 1)
    assert planned.err.startswith(warned)
    assert done.code == 4
    assert done.err.startswith(warned)


def test_a_refused_relup_exits_3_and_leaves_the_release_unpacked(host: Host) -> None:
    host.offer(REFUSES)

    answer = host.run("upgrade", REFUSES)

    assert answer.code == 3
    assert "lab_refuses" in answer.err
    assert host.versions() == {REFUSES: "unpacked", "4.4.0": "permanent"}


def test_what_was_done_behind_our_back_is_recorded_as_drift(host: Host) -> None:
    """RULINGS 14; here another tool of the same node installs what we unpacked."""
    host.offer("4.4.1")
    host.run("unpack", "4.4.1")
    host.node.driver().install_release("4.4.1")

    answer = host.run("permanent", "4.4.1")

    assert (answer.code, answer.out) == (0, 'Made release permanent: "4.4.1"\n')
    assert "drift_observed" in host.names()
    host.assert_all_agree()


def test_a_restart_by_somebody_else_is_noticed(host: Host) -> None:
    host.offer("4.4.1", "4.4.16")
    host.run("upgrade", "4.4.1", "--no-permanent")
    host.node.kill()
    host.node.start()

    host.run("unpack", "4.4.16")

    restarted = next(event for event in host.events() if event["type"] == "node_restarted")
    assert isinstance(restarted["data"], dict)
    assert (restarted["data"]["cause"], restarted["data"]["reverted"]) == ("noticed", ["4.4.1"])


def test_a_node_that_is_down_or_hangs_ends_with_1_and_no_event(host: Host) -> None:
    host.offer("4.4.1")
    os.kill(host.node.pid, signal.SIGSTOP)
    hung = host.run("upgrade", "4.4.1")
    checked = host.run("check")
    os.kill(host.node.pid, signal.SIGCONT)
    host.node.kill()

    down = host.run("upgrade", "4.4.1")

    assert (hung.code, hung.out) == (1, "")
    assert "does not reply" in hung.err
    assert checked.code == 7
    assert checked.out.startswith("node\tfault\tnot looked at: ")
    assert (down.code, down.out) == (1, "Node is not running!\n")
    assert len(host.events()) == 1


def test_a_node_that_dies_in_an_install_leaves_the_attempt_to_recover(host: Host) -> None:
    host.offer(SLOW)
    with host.node.held("install"), host.node.client() as client, host.begin("upgrade", SLOW) as slow:
        client.wait_for(SLOW)
        host.node.kill()
        _, err = slow.communicate(timeout=_SECONDS)
    host.node.start()

    recovered = host.run("recover")

    assert slow.returncode == 4
    assert "release-ledger recover" in err
    assert recovered.code == 0
    assert host.names()[1:] == ("operation_requested", "unpacked", "node_restarted", "operation_recovered")
    assert host.versions() == {SLOW: "unpacked", "4.4.0": "permanent"}
    host.assert_all_agree()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_change_that_is_ended_or_loses_its_terminal_says_what_stays_open(host: Host, number: signal.Signals) -> None:
    """PRODUCT section 10: 130; the node works the step off to its end, and `recover` closes the attempt."""
    host.offer(SLOW)
    with host.node.held("install"), host.node.client() as client, host.begin("upgrade", SLOW, "--no-permanent") as slow:
        client.wait_for(SLOW)
        slow.send_signal(number)
        _, err = slow.communicate(timeout=_SECONDS)

    recovered = host.run("recover")

    assert slow.returncode == 130
    assert err.startswith("error: interrupted\n  the attempt stays open: ")
    assert recovered.code == 0
    assert host.versions() == {SLOW: "current", "4.4.0": "permanent"}
    host.assert_all_agree()


def test_of_two_commands_at_once_one_is_told_who_is_at_work(host: Host) -> None:
    host.offer("4.4.16", "4.4.1")

    with (
        host.begin("upgrade", "4.4.1", "--wait", "300") as first,
        host.begin("upgrade", "4.4.16", "--wait", "300") as second,
    ):
        said = [command.communicate(timeout=_SECONDS) for command in (first, second)]

    # Both waited for the lock; the one that came second may find that it goes down.
    assert {first.returncode, second.returncode} <= {0, 2}, said
    assert 0 in {first.returncode, second.returncode}
    host.assert_all_agree()


def test_a_lock_that_is_held_is_75(host: Host) -> None:
    host.offer(SLOW, "4.4.1")
    with (
        host.node.held("install"),
        host.node.client() as client,
        host.begin("upgrade", SLOW, "--no-permanent") as slow,
    ):
        client.wait_for(SLOW)

        locked = host.run("upgrade", "4.4.1")
        programs, secrets = _secrets_of(slow.pid)
        slow.send_signal(signal.SIGINT)
        slow.communicate(timeout=_SECONDS)
    open_attempt = host.run("upgrade", "4.4.1")
    recovered = host.run("recover", "--yes")

    assert locked.code == 75
    assert slow.returncode == 130
    assert open_attempt.code == 5
    assert recovered.code == 0
    assert programs == {"erl_call", Path(sys.executable).name}
    assert secrets == []
    # The node went on although its command was interrupted.
    assert host.versions() == {SLOW: "current", "4.4.0": "permanent"}
    assert host.names().count("installed") == 1


def test_no_secret_reaches_ledger_output_or_process_list(host: Host) -> None:
    host.offer(CRASHES, "4.4.16")
    answers = [
        host.run("upgrade", CRASHES, "-v"),
        host.run("upgrade", "4.4.16", "-v"),
        host.run("recover", "-v"),
        host.run("show", "last"),
        host.run("log", "--json"),
    ]

    said = "".join(answer.out + answer.err for answer in answers)
    stored = b"".join(path.read_bytes() for path in host.ledger.parent.rglob("*") if _is_ours(path, host))
    for secret in _SECRETS:
        assert secret not in said
        assert secret.encode() not in stored
    assert "settings" in json.dumps(host.events())


def _is_ours(path: Path, host: Host) -> bool:
    return path.is_file() and path.is_relative_to(host.ledger.parent) and not path.is_relative_to(host.node.root)


def _secrets_of(command: int) -> tuple[set[str], list[str]]:
    """Return the programs that a command and its children run, and those that show a secret to other users."""
    programs, found = set[str](), []
    children = Path("/proc", str(command), "task", str(command), "children").read_text("ascii").split()
    for process in (Path("/proc", pid) for pid in (str(command), *children)):
        with suppress(OSError):  # it has just ended
            arguments = (process / "cmdline").read_bytes()
            programs.add(Path(os.fsdecode(arguments.partition(b"\0")[0])).name)
            if any(secret.encode() in arguments + (process / "environ").read_bytes() for secret in _SECRETS):
                found.append(arguments.decode(errors="replace"))
    return programs, found
