"""What can go wrong with a node: each ends with an error of its own, told apart by state (native-driver.md 8)."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile

import pytest

from ledger.adapters.erl_call import (
    CallFailedError,
    CallFault,
    CookieHomeError,
    ErlCall,
    ExpressionError,
    NodeAddress,
    RaisedError,
)
from ledger.adapters.erlang_terms import Atom
from ledger.adapters.node_connection import (
    CookieRefusedError,
    ForeignNodeError,
    NodeBusyError,
    NodeHungError,
    NodeRestartingError,
)
from ledger.adapters.node_install import InstallGoesOnError
from ledger.adapters.node_place import DistributionError, find_address, find_cookie, find_program, listens
from ledger.adapters.running import running_under
from ledger.application.ports import CheckRefusedError, NodeDownError, RelupCrashedError, StepFailedError
from ledger.errors import LedgerError
from tests.contracts.release_handler import tables
from tests.lab.node import Lab, LabBench, LabNode, make_node, until
from tests.lab.releases import COOKIE, CRASHES, REFUSES, RESTARTS, SLOW
from tests.places import own_port

pytestmark = pytest.mark.erlang


@pytest.mark.parametrize("vsn", [CRASHES, RESTARTS])
def test_a_relup_that_crashes_restarts_the_node_inside_its_process(bench: LabBench, vsn: str) -> None:
    """native-driver.md 5.3; a relup that wants heart where there is none does it too."""
    bench.unpack(vsn)
    before = bench.handler.observe()

    begun = time.monotonic()
    with pytest.raises(RelupCrashedError) as caught:
        bench.handler.install_release(vsn)
    seconds = time.monotonic() - begun

    after = bench.handler.observe()
    assert caught.value.code == 4
    assert 0 < caught.value.down_ms / 1000 < seconds
    assert before.run.generation in caught.value.fact
    assert after.run.generation in caught.value.fact
    assert (after.run.os_pid, after.run.started_at) == (before.run.os_pid, before.run.started_at)
    assert after.run.generation != before.run.generation
    assert (after.tables, after.code) == (tables(f"{vsn} unpacked, 4.4.0 permanent"), "4.4.0")


def test_a_relup_that_refuses_before_the_point_of_no_return_changes_nothing(bench: LabBench) -> None:
    """native-driver.md 5.3: the check executes what stands before it."""
    bench.unpack(REFUSES)
    before = bench.handler.observe()

    with bench.node.client() as client:
        with pytest.raises(CheckRefusedError) as caught:
            bench.handler.install_release(REFUSES)
        answer = client.ask()

    assert answer == (1, "4.4.0")
    assert "lab_refuses" in caught.value.otp_reason
    assert bench.handler.observe() == before


def test_a_slow_install_is_told_about_and_waited_for(bench: LabBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """native-driver.md section 3: a second look answers *busy*. The limit ends the command, not the install.

    Nor does a look that cannot be made: by the second one the disk of temporary files is full.
    """
    bench.unpack(SLOW)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        monkeypatch.setenv("TMPDIR", "/proc")

    monkeypatch.setattr("ledger.adapters.erlang_node._TELL_SECONDS", 0.5)
    patient = bench.node.driver(install_seconds=8, tell=tell)
    impatient = bench.node.driver(patience=0.5)

    begun = time.monotonic()
    with bench.node.held("install"):
        with pytest.raises(InstallGoesOnError) as caught:
            patient.install_release(SLOW)
        seconds = time.monotonic() - begun
        monkeypatch.undo()
        with pytest.raises(NodeBusyError) as busy:
            impatient.observe()
    seen = bench.handler.observe()

    assert (caught.value.code, busy.value.code) == (5, 75)
    assert list(dict.fromkeys(told)) == [
        f"{SLOW} is being installed: the release handler is busy",
        f"{SLOW} is being installed: the release handler is out of sight (the cookie cannot be handed to erl_call)",
    ]
    assert seconds >= 8
    assert seen.tables == tables(f"{SLOW} current, 4.4.0 permanent", disk=f"{SLOW} unpacked, 4.4.0 permanent")


def test_a_script_that_cannot_be_put_in_place_leaves_the_boot_files_as_they_were(bench: LabBench) -> None:
    """native-driver.md 5.4: the node takes emqx_vars back."""
    bench.install("4.4.1")
    before, files = bench.handler.observe(), bench.boot_files()
    (bench.root / "bin/nodetool").unlink()
    (bench.root / "bin/nodetool").mkdir()

    with pytest.raises(StepFailedError) as caught:
        bench.handler.make_permanent("4.4.1")

    assert caught.value.otp_reason == "{error,eisdir}"
    assert bench.handler.observe() == before
    assert bench.boot_files() == files
    assert not list(bench.root.glob("*/.*.ledger-tmp"))


def test_a_node_that_dies_in_an_install_is_down(bench: LabBench) -> None:
    bench.unpack(SLOW)

    def kill() -> None:
        with bench.node.client() as client:
            client.wait_for(SLOW)
            bench.node.kill()

    killer = threading.Thread(target=kill)
    with bench.node.held("install"):
        killer.start()
        with pytest.raises(NodeDownError):
            bench.handler.install_release(SLOW)
        killer.join()


def test_a_node_that_is_down_is_told_apart(bench: LabBench) -> None:
    bench.node.kill()

    with pytest.raises(NodeDownError, match="is not running") as caught:
        bench.handler.observe()

    assert "nothing listens at 127.0.0.1:" in caught.value.fact


def test_an_epmd_of_the_installation_that_outlived_its_node_does_not_hide_that_it_is_down(bench: LabBench) -> None:
    """With WITH_EPMD the node starts the epmd of its own ERTS, which serves every node of the host and stays."""
    epmd = next(bench.root.glob("erts-*/bin")) / "epmd"
    epmd.unlink(missing_ok=True)
    copyfile("/bin/sleep", epmd)
    epmd.chmod(0o755)

    with subprocess.Popen([epmd, "600"]) as left:
        bench.node.kill()
        try:
            with pytest.raises(NodeDownError):
                bench.handler.observe()
        finally:
            left.kill()


def test_a_node_that_never_started_is_down(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(NodeDownError):
        make_node(lab, tmp_path / "emqx").driver().observe()


def test_a_node_that_hangs_is_named_with_its_process(bench: LabBench) -> None:
    os.kill(bench.node.pid, signal.SIGSTOP)

    with pytest.raises(NodeHungError) as caught:
        bench.handler.observe()

    os.kill(bench.node.pid, signal.SIGCONT)
    assert bench.node.pid in caught.value.pids
    assert bench.handler.observe().code == "4.4.0"


def test_a_refused_cookie_is_told_by_where_it_came_from(bench: LabBench) -> None:
    newest = bench.files.newest_vm_args()
    assert newest is not None
    newest.write_text(newest.read_text("ascii").replace(COOKIE, "another-cookie"), "ascii")

    with pytest.raises(CookieRefusedError) as caught:
        bench.handler.observe()

    assert str(newest) in caught.value.fact
    assert "another-cookie" not in _words(caught.value)


def test_a_node_with_tls_between_nodes_is_told_so_and_one_that_is_down_is_down(bench: LabBench) -> None:
    """native-driver.md 1: erl_call knows plain TCP alone."""
    newest = bench.files.newest_vm_args()
    assert newest is not None
    newest.write_text(f"{newest.read_text('ascii')}-proto_dist inet_tls\n", "ascii")

    with pytest.raises(DistributionError) as caught:
        bench.handler.observe()
    bench.node.kill()
    until(lambda: not running_under(bench.root))  # what the node started ends a little later
    with pytest.raises(NodeDownError):
        bench.handler.observe()

    assert "inet_tls" in str(caught.value)


def test_a_folder_for_the_cookie_that_cannot_be_made_is_named(node: LabNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/proc")

    with pytest.raises(CookieHomeError) as caught:
        node.driver().observe()

    assert caught.value.code == 1  # nothing was asked of the node, so nothing failed there
    assert caught.value.fact.startswith("/proc: ")


def test_a_node_that_restarts_is_waited_for(bench: LabBench) -> None:
    before = bench.handler.observe()
    bench.node.connection().call("init:restart()", seconds=5)

    after = bench.handler.observe()

    assert after.run.generation != before.run.generation
    assert after.tables == before.tables


def test_patience_ends_while_a_node_restarts(bench: LabBench) -> None:
    """What is waited for is said, once: a command that is silent for a minute is taken for hung."""
    told: list[str] = []
    with bench.node.held("start"):
        bench.node.connection().call("init:restart()", seconds=5)

        with pytest.raises(NodeRestartingError) as caught:
            bench.node.driver(patience=3, tell=told.append).observe()

    assert caught.value.code == 1
    assert told == [f"waiting for {bench.node.connection().name}, which is starting or stopping; for 3 seconds at most"]


def test_a_node_of_another_installation_is_not_taken_for_ours(bench: LabBench, lab: Lab, tmp_path: Path) -> None:
    other = make_node(lab, tmp_path / "other")
    (other.root / "data").mkdir(exist_ok=True)
    for name in ("data/configs", "etc"):
        for path in (bench.root / name).iterdir():
            if path.is_file():
                (other.root / name).mkdir(exist_ok=True)
                (other.root / name / path.name).write_bytes(path.read_bytes())

    with pytest.raises(ForeignNodeError) as caught:
        other.driver().observe()

    assert caught.value.root == str(bench.root)


def test_a_node_that_is_registered_at_epmd_is_found_there(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _epmd() as port:
        monkeypatch.setenv("ERL_EPMD_PORT", str(port))
        node = make_node(lab, tmp_path / "emqx", epmd=port)
        try:
            node.start()

            assert node.driver().observe().code == "4.4.0"
            assert find_address(node.connection().name).port != find_address("emqx@127.0.0.1").port
        finally:
            node.kill()


def test_no_error_repeats_an_expression_or_its_values(node: LabNode) -> None:
    """native-driver.md section 2: erl_call's own text repeats the whole expression."""
    call = ErlCall(
        find_program(node.files), address=find_address(node.connection().name), cookie=find_cookie(node.files)
    )
    wrong: dict[str, Callable[[], object]] = {
        "no syntax": lambda: call.call('foo("hidden-value"', seconds=5),
        "raised": lambda: call.call('error({badmatch, "hidden-value"})', seconds=5),
        "timed out": lambda: call.call('_ = "hidden-value", timer:sleep(5000)', seconds=1),
        "died": lambda: call.call('_ = "hidden-value", erlang:halt()', seconds=5),
        "down": lambda: call.call('"hidden-value"', seconds=5),
    }

    errors = {name: _error(cause) for name, cause in wrong.items()}

    assert {name: type(error) for name, error in errors.items()} == {
        "no syntax": ExpressionError,
        "raised": RaisedError,
        "timed out": CallFailedError,
        "died": CallFailedError,
        "down": CallFailedError,
    }
    faults = [error.fault for error in errors.values() if isinstance(error, CallFailedError)]
    assert faults == [CallFault.TIMED_OUT, CallFault.CUT, CallFault.UNREACHED]
    assert not any("hidden-value" in _words(error) or COOKIE in _words(error) for error in errors.values())
    assert COOKIE not in repr(find_cookie(node.files))


def test_a_reply_to_a_call_that_was_given_up_is_never_taken_for_another(node: LabNode) -> None:
    """The node gives the name of a C node again, and sends there what one before it had asked for."""
    call = ErlCall(
        find_program(node.files), address=find_address(node.connection().name), cookie=find_cookie(node.files)
    )
    ended: list[object] = []

    for _ in range(3):
        assert isinstance(_error(lambda: call.call("timer:sleep(2500), early", seconds=1)), CallFailedError)
        try:
            ended.append(call.call("timer:sleep(3000), late", seconds=8))
        except CallFailedError as exc:
            ended.append(exc.fault)

    assert set(ended) <= {Atom("late"), CallFault.MIXED_UP}


def test_a_home_that_a_killed_command_left_is_removed(
    node: LabNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    left = tmp_path / "release-ledger-erl.4194305.x"  # above the largest pid of Linux
    left.mkdir()
    (left / ".erlang.cookie").write_text("left", "ascii")

    node.driver().observe()

    assert not list(tmp_path.glob("release-ledger-erl.*"))


def test_an_address_that_nobody_listens_at_is_unreached(node: LabNode) -> None:
    port = own_port()
    call = ErlCall(find_program(node.files), address=NodeAddress("127.0.0.1", port), cookie=find_cookie(node.files))

    with pytest.raises(CallFailedError) as caught:
        call.call("ok", seconds=5)

    assert caught.value.fault is CallFault.UNREACHED


def _error(cause: Callable[[], object]) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        cause()
    return caught.value


def _words(error: LedgerError) -> str:
    return f"{error!r} {error} {error.fact} {error.hint} {vars(error)}"


@contextmanager
def _epmd() -> Iterator[int]:
    """Give the port of an epmd of our own."""
    port = own_port()
    with subprocess.Popen(["epmd", "-port", str(port), "-address", "127.0.0.1"], stdin=subprocess.DEVNULL) as epmd:
        try:
            until(lambda: listens(NodeAddress("127.0.0.1", port)))
            yield port
        finally:
            epmd.kill()
