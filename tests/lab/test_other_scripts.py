"""A release command of EMQX that is at work meanwhile: it has no lock, so its processes are looked for."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ledger.adapters.script_at_work import ScriptAtWorkError, scripts_at_work
from tests.lab.host import Host
from tests.lab.node import LabBench, LabNode, until
from tests.lab.releases import SLOW

pytestmark = pytest.mark.erlang

_SECONDS = 300


def test_a_change_beside_a_script_at_work_ends_with_75_and_no_event(host: Host) -> None:
    """RULINGS 13: nothing was done, so nothing is recorded; `--wait` waits for it."""
    host.offer("4.4.16")
    with ExitStack() as held:
        script = held.enter_context(_at_work(host.node, "unpack", "4.4.16"))
        refused = host.run("upgrade", "4.4.16")
        looked = host.run("versions", "--live")
        events = host.names()
        with host.begin("upgrade", "4.4.16", "--wait", "300") as patient:
            time.sleep(1)
            waits = patient.poll() is None
            held.close()
            out, err = patient.communicate(timeout=_SECONDS)

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
    with ExitStack() as held, host.node.client() as client, host.begin("upgrade", SLOW) as ours:
        with host.node.held("install"):
            client.wait_for(SLOW)
            host.offer("4.4.1")
            held.enter_context(_at_work(host.node, "unpack", "4.4.1"))
        until(lambda: _is_installed(host))
        time.sleep(1)
        waits = ours.poll() is None
        held.close()
        _, err = ours.communicate(timeout=_SECONDS)
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

    with _at_work(bench.node, "install", "4.4.1", killed=True):
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
def _at_work(node: LabNode, *arguments: str, killed: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    """Give a run of ``bin/emqx`` that is at work as long as this lasts, and then goes on to its end or is killed."""
    with node.held("script"):
        script = subprocess.Popen(
            [node.root / "bin/emqx", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(node.environ),
        )
        try:
            until(lambda: bool(scripts_at_work(node.root)))
            yield script
        finally:
            if killed:
                script.kill()
    script.wait(_SECONDS)


def _is_installed(host: Host) -> bool:
    """Tell whether the release handler is done, beside a script at work."""
    return host.node.connection().look().activity == "idle"


@contextmanager
def _sleeping(folder: Path, name: str, verb: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Give a process that was called in *folder* as EMQX's script is."""
    with subprocess.Popen(["sh", "-c", "read _", name, verb], cwd=folder, stdin=subprocess.PIPE) as process:
        until(lambda: name.encode() in Path("/proc", str(process.pid), "cmdline").read_bytes())
        try:
            yield process
        finally:
            process.kill()
