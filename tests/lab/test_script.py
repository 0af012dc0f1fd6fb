"""Commands with ``--driver script`` on a live node, and EMQX's own commands beside ours."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import pytest

from ledger.adapters.emqx_script import EmqxScript, ScriptFaultError, ScriptRefusedError
from ledger.adapters.script_at_work import ScriptAtWorkError, scripts_at_work
from ledger.adapters.script_run import ScriptGoesOnError, service_environ
from ledger.application.ports import StepFailedError
from tests.contracts.release_handler import tables
from tests.lab.host import Host
from tests.lab.node import Lab, until
from tests.lab.releases import COOKIE, CRASHES, PASSWORD
from tests.lab.script import ScriptBench, plain_node, put_script, script_driver

pytestmark = pytest.mark.erlang


@pytest.fixture
def plain(lab: Lab, tmp_path: Path) -> Iterator[Host]:
    """Give a registered host whose settings the script does not break."""
    with plain_node(lab, tmp_path / "emqx") as node:
        host = Host(lab, node)
        host.init()
        yield host


@pytest.fixture
def bench(lab: Lab, tmp_path: Path) -> Iterator[ScriptBench]:
    """Give a bench with the driver, without a ledger."""
    with plain_node(lab, tmp_path / "emqx") as node:
        yield ScriptBench(script_driver(node), node.root, lab.packages, lab, node)


def test_an_upgrade_by_script_has_the_words_and_events_of_any_other(plain: Host) -> None:
    """PRODUCT section 2: all drivers give the same events."""
    plain.offer("4.4.16")

    with plain.node.client() as client:
        client.ask()
        answer = plain.run("upgrade", "4.4.16", "--driver", "script", "--reason", "CVE fix", "-v")
        after = client.ask()

    assert (answer.code, after) == (0, (2, "4.4.16"))
    assert answer.out == (
        "Release 4.4.16 not found, attempting to unpack releases/emqx-4.4.16.tar.gz\n"
        'Unpacked successfully: "4.4.16"\nInstalled Release: 4.4.16\nMade release permanent: "4.4.16"\n'
    )
    assert "bin/emqx: Installed Release: 4.4.16." in answer.err
    changes = plain.events()[1:]
    assert [event["type"] for event in changes] == [
        "operation_requested",
        "unpacked",
        "installed",
        "made_permanent",
        "operation_completed",
    ]
    data = [dict(event["data"]) for event in changes if isinstance(event["data"], dict)]
    assert {facts["driver"] for facts in data} == {"script"}
    assert str(data[-1]["output"]["excerpt"]).startswith("bin/emqx unpack 4.4.16 ended with 0 | unzip [")
    plain.assert_all_agree()
    _assert_no_secret(plain, answer.out + answer.err)


def test_a_relup_that_crashes_is_waited_for_and_recorded_as_failure_and_restart(plain: Host) -> None:
    """otp.md 6.1: exit 4, and the node restarts its applications by itself."""
    plain.offer(CRASHES)

    answer = plain.run("upgrade", CRASHES, "--driver", "script")

    assert answer.code == 4
    assert plain.names()[-3:] == ("unpacked", "node_restarted", "operation_failed")
    assert plain.seen() == tables(f"{CRASHES} unpacked, 4.4.0 permanent")
    _assert_no_secret(plain, answer.err)


def test_settings_that_the_script_would_lose_are_named_and_refused(host: Host) -> None:
    """native-driver.md 10: one character from 128 to 255 costs all settings of the running node."""
    host.offer("4.4.16")

    answer = host.run("upgrade", "4.4.16", "--driver", "script")

    assert (answer.code, answer.out) == (2, "")
    assert "emqx/banner" in answer.err
    assert "--driver node" in answer.err
    assert host.names()[-1] == "operation_refused"
    assert host.seen() == tables("4.4.0 permanent")


def test_two_packages_with_the_version_in_their_names_are_refused(plain: Host) -> None:
    """otp.md 4: the script ends with 127, having written the wrong tarball."""
    plain.offer("4.4.16", "4.4.1")

    answer = plain.run("unpack", "4.4.1", "--driver", "script")
    natively = plain.run("unpack", "4.4.1", "--driver", "node")

    assert (answer.code, natively.code) == (2, 0)
    assert all(plain.lab.package(vsn).name in answer.err for vsn in ("4.4.1", "4.4.16"))
    assert not list((plain.node.root / "data").glob("emqx_untar*"))


@pytest.mark.parametrize("vsn", ["4.4.2", "4.4.14"])
def test_a_script_that_damages_releases_is_not_run(bench: ScriptBench, vsn: str) -> None:
    """otp.md 6.3: from 4.4.2 to 4.4.14 the test for start.boot is wrong."""
    bench.unpack("4.4.1")
    put_script(bench.root, vsn)
    files = bench.boot_files()

    with pytest.raises(ScriptFaultError, match="would damage RELEASES") as caught:
        bench.handler.install_release("4.4.1")
    with pytest.raises(ScriptRefusedError, match="would damage RELEASES"):
        bench.stage("4.4.16")

    assert caught.value.code == 3
    assert bench.boot_files() == files


def test_the_lab_s_script_does_damage_releases_where_the_driver_refuses(bench: ScriptBench) -> None:
    """otp.md 6.3: so the refusal of unpacking again has its ground."""
    bench.unpack("4.4.1")
    (bench.root / "releases/4.4.1/start.boot").unlink()

    bench.node.emqx("install", "--no-permanent", "4.4.1")

    assert [entry.vsn for entry in bench.files.read_releases()] == ["4.4.1"]
    with pytest.raises(subprocess.CalledProcessError):
        bench.node.emqx("versions")
    assert "4.4.0" in str(bench.seen().memory)


def test_a_script_that_crashes_is_judged_by_what_is_there(bench: ScriptBench) -> None:
    """otp.md 3: 127 is a crash at an unknown point."""
    staged = bench.stage("4.4.16")
    escript = bench.root / "bin/install_upgrade.escript"
    escript.write_bytes(escript.read_bytes().replace(b"    command(Arguments),", b"    error(Arguments),"))

    with pytest.raises(StepFailedError, match="unpack_release") as caught:
        bench.handler.unpack_release(staged)

    assert "ended with 127" in caught.value.otp_reason
    assert COOKIE not in caught.value.otp_reason
    assert bench.seen() == tables("4.4.0 permanent")


def test_a_crash_after_the_work_is_no_failure(bench: ScriptBench) -> None:
    staged = bench.stage("4.4.16")
    escript = bench.root / "bin/install_upgrade.escript"
    escript.write_bytes(escript.read_bytes().replace(b"    halt(0).", b"    error(late)."))

    bench.handler.unpack_release(staged)

    assert bench.seen() == tables("4.4.16 unpacked, 4.4.0 permanent")


def test_what_the_node_kept_of_an_older_extraction_is_found(bench: ScriptBench) -> None:
    """otp.md 4: a failed extraction is not repaired by repeating it."""
    staged = bench.stage("4.4.16")
    beam = bench.root / "lib/emqx-4.4.16/ebin/emqx_lab_app.beam"
    beam.parent.mkdir(parents=True)
    beam.write_bytes(b"truncated")

    with pytest.raises(StepFailedError) as caught:
        bench.handler.unpack_release(staged)

    assert caught.value.otp_reason == "lib/emqx-4.4.16/ebin/emqx_lab_app.beam is not what the package holds"


def test_a_script_that_takes_longer_than_the_limit_is_left_at_work(bench: ScriptBench) -> None:
    """PRODUCT section 2: never killed; the attempt stays open until it is done."""
    staged = bench.stage("4.4.16")
    hasty: EmqxScript = script_driver(bench.node, seconds=0)

    with bench.node.held("script"):
        with pytest.raises(ScriptGoesOnError) as caught:
            hasty.unpack_release(staged)
        with pytest.raises(ScriptAtWorkError) as busy:
            script_driver(bench.node).observe()
    until(lambda: not scripts_at_work(bench.root))

    assert (caught.value.code, busy.value.code) == (5, 75)
    assert bench.seen() == tables("4.4.16 unpacked, 4.4.0 permanent")


def test_the_script_gets_the_environment_of_the_service(bench: ScriptBench) -> None:
    """otp.md 11: with another one a healthy node looks as if it were down."""
    environ = service_environ(bench.node.pid, owner=0)

    assert environ["HOME"]
    assert not [name for name in environ if name.startswith(("PYTEST", "RELEASE_LEDGER"))]
    assert service_environ(2**22 + 1, owner=0)["HOME"] == "/root"


def test_what_emqx_s_own_commands_changed_is_seen_and_recorded_as_drift(plain: Host) -> None:
    """PRODUCT section 4, `check`; RULINGS 14."""
    _put(plain, "4.4.16")
    plain.node.emqx("upgrade", "4.4.16")

    live = plain.run("versions", "--live")
    _put(plain, "4.4.1")
    answer = plain.run("unpack", "4.4.1")

    assert (live.code, answer.code) == (7, 0)
    assert "drift_observed" in plain.names()
    assert plain.versions() == {"4.4.1": "unpacked", "4.4.16": "permanent", "4.4.0": "old"}
    plain.assert_all_agree()


def test_both_tools_are_used_side_by_side(plain: Host) -> None:
    """PRODUCT 2: unpack by the one, upgrade by the other, and back."""
    _put(plain, "4.4.16")
    plain.node.emqx("unpack", "4.4.16")
    upgraded = plain.run("upgrade", "4.4.16")
    plain.node.emqx("downgrade", "4.4.0")
    removed = plain.run("uninstall", "4.4.16")
    plain.node.emqx("versions")

    assert (upgraded.code, removed.code) == (0, 0)
    assert plain.versions() == {"4.4.0": "permanent"}
    assert plain.names().count("drift_observed") == 2
    plain.assert_all_agree()


def _put(host: Host, vsn: str) -> None:
    """Let the package of *vsn* be the only one in ``releases/``."""
    for path in (host.node.root / "releases").glob("*.zip"):
        path.unlink()
    copyfile(host.lab.package(vsn), host.node.root / "releases" / host.lab.package(vsn).name)


def _assert_no_secret(host: Host, said: str) -> None:
    stored = b"".join(path.read_bytes() for path in host.ledger.iterdir() if path.is_file())
    for secret in (COOKIE, PASSWORD):
        assert secret not in said
        assert secret.encode() not in stored
