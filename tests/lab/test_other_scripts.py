"""A release command of EMQX that is at work meanwhile: it has no lock, so its processes are looked for."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.adapters.script_at_work import ScriptAtWorkError, scripts_at_work
from tests.lab.host import Host
from tests.lab.node import LabBench, LabNode
from tests.lab.releases import SLOW

pytestmark = pytest.mark.erlang

_SECONDS = 20


def test_a_change_beside_a_script_at_work_ends_with_75_and_no_event(host: Host) -> None:
    """RULINGS 13: nothing was done, so nothing is recorded; `--wait` waits for it."""
    host.offer("4.4.16")
    with _held(host.node, "unpack", "4.4.16") as script:
        refused = host.run("upgrade", "4.4.16")
        looked = host.run("versions", "--live")
        events = host.names()
        with host.begin("upgrade", "4.4.16", "--wait", "30") as patient:
            time.sleep(1)
            waits = patient.poll() is None
            os.killpg(script.pid, signal.SIGCONT)
            out, err = patient.communicate(timeout=60)

    assert (refused.code, refused.out, looked.code) == (75, "", 75)
    assert "a release command of EMQX is at work on this installation" in refused.err
    assert str(script.pid) in refused.err
    assert events == ("installation_registered",)
    assert waits
    assert (patient.returncode, err) == (0, "")
    assert out.endswith('Made release permanent: "4.4.16"\n')
    assert "drift_observed" in host.names()
    host.assert_all_agree()


def test_a_script_that_works_meanwhile_is_waited_for_and_what_it_did_is_recorded(host: Host) -> None:
    """The step is judged by what is there afterwards, and that is more than the step does."""
    host.offer(SLOW)
    with host.begin("upgrade", SLOW) as ours:
        _wait_until(lambda: "unpacked" in host.names())
        host.offer("4.4.1")
        with _held(host.node, "unpack", "4.4.1") as script:
            _wait_until(lambda: host.node.driver().observe().code == SLOW, refusals=True)
            time.sleep(1)
            waits = ours.poll() is None
            os.killpg(script.pid, signal.SIGCONT)
            _, err = ours.communicate(timeout=60)
    again = host.run("permanent", SLOW)

    assert waits
    assert (ours.returncode, again.code) == (4, 0)
    assert "did not have its effect" in err
    assert host.names()[-6:-3] == ("operation_requested", "unpacked", "operation_failed")
    assert host.versions() == {SLOW: "permanent", "4.4.1": "unpacked", "4.4.0": "old"}
    host.assert_all_agree()


@pytest.mark.parametrize("step", ["unpack_release", "install_release", "make_permanent", "remove_release"])
def test_no_step_begins_beside_a_script_at_work(bench: LabBench, step: str) -> None:
    """Where patience ends too, the attempt stays open, and `recover` closes it."""
    driver = bench.node.driver(patience=0.3)
    bench.unpack("4.4.1")
    staged = bench.stage("4.4.2")
    argument = staged if step == "unpack_release" else "4.4.1"
    before, files = driver.observe(), bench.boot_files()

    with _held(bench.node, "install", "4.4.1"):
        time.sleep(0.3)  # longer than a look is good for
        with pytest.raises(ScriptAtWorkError) as caught:
            getattr(driver, step)(argument)

    assert caught.value.code == 75
    assert bench.boot_files() == files
    assert driver.observe().tables == before.tables


def test_a_script_is_found_by_whatever_name_it_was_called(node: LabNode, tmp_path: Path) -> None:
    link = tmp_path / "emqx-command"
    link.symlink_to(node.root / "bin")
    ways = [(node.root, "bin/emqx"), (node.root / "bin", "./emqx"), (tmp_path, str(link / "emqx"))]

    found = []
    for folder, name in ways:
        with _sleeping(folder, name, "upgrade") as process:
            found.append(scripts_at_work(node.root) == (process.pid,))
    with _sleeping(node.root, "bin/emqx", "versions"):
        looking = scripts_at_work(node.root)
    with _sleeping(tmp_path, "bin/emqx", "upgrade"):
        elsewhere = scripts_at_work(node.root)

    assert (found, looking, elsewhere) == ([True, True, True], (), ())


@contextmanager
def _held(node: LabNode, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Give a run of ``bin/emqx`` that is stopped while it works; it is killed where it does not go on."""
    with subprocess.Popen(
        [node.root / "bin/emqx", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(node.environ),
        start_new_session=True,
    ) as script:
        _wait_until(lambda: bool(scripts_at_work(node.root)))
        os.killpg(script.pid, signal.SIGSTOP)
        try:
            yield script
        finally:
            if script.poll() is None:
                os.killpg(script.pid, signal.SIGKILL)


@contextmanager
def _sleeping(folder: Path, name: str, verb: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Give a process that was called in *folder* as EMQX's script is."""
    with subprocess.Popen(["sh", "-c", "read _", name, verb], cwd=folder, stdin=subprocess.PIPE) as process:
        _wait_until(lambda: name.encode() in Path("/proc", str(process.pid), "cmdline").read_bytes())
        try:
            yield process
        finally:
            process.kill()


def _wait_until(is_so: Callable[[], bool], *, refusals: bool = False) -> None:
    """Wait until *is_so*; with *refusals* a script at work is no obstacle."""
    limit = time.monotonic() + _SECONDS
    while time.monotonic() < limit:
        try:
            if is_so():
                return
        except ScriptAtWorkError:
            if refusals:
                return
            raise
        time.sleep(0.02)
    pytest.fail("it did not come to that")
