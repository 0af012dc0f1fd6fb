"""A command that is killed at any point of its way: ``recover`` ends in agreement, nothing is recorded twice.

The points are sampled: before and after each durable write, each call to the node and each commit
(killed.py). Each is tried on a node of its own.
"""

import signal
from collections import Counter

import pytest

from tests.lab.host import Host

pytestmark = pytest.mark.erlang

_STEPS = ("unpacked", "installed", "downgraded", "made_permanent", "uninstalled")


@pytest.mark.parametrize("point", [9, 25, 41, 57, 67, 75, 83, 91, 99])
def test_an_upgrade_that_is_killed_is_recovered_and_repeated(host: Host, point: int) -> None:
    host.offer("4.4.16")

    killed = host.run("upgrade", "4.4.16", kill_at=point)

    _recover(host, killed.code)
    again = host.run("upgrade", "4.4.16")
    assert again.code == 0, again
    assert host.versions() == {"4.4.16": "permanent", "4.4.0": "old"}
    host.assert_all_agree()


@pytest.mark.parametrize("point", [11, 29, 47, 65])
def test_a_downgrade_that_is_killed_is_recovered_and_repeated(host: Host, point: int) -> None:
    host.offer("4.4.1")
    host.run("upgrade", "4.4.1")

    killed = host.run("downgrade", "4.4.0", kill_at=point)

    _recover(host, killed.code)
    assert host.run("downgrade", "4.4.0").code == 0
    assert host.versions() == {"4.4.1": "old", "4.4.0": "permanent"}
    host.assert_all_agree()


@pytest.mark.parametrize("point", [9, 19, 25])
def test_an_uninstall_that_is_killed_is_recovered_and_repeated(host: Host, point: int) -> None:
    host.offer("4.4.1")
    host.run("unpack", "4.4.1")

    killed = host.run("uninstall", "4.4.1", kill_at=point)

    _recover(host, killed.code)
    assert host.run("uninstall", "4.4.1").code == 0
    assert host.versions() == {"4.4.0": "permanent"}
    host.assert_all_agree()


def test_a_node_that_dies_between_its_boot_files_is_mended_without_a_restart(host: Host) -> None:
    """native-driver.md section 6: emqx_vars names the new release, the table does not."""
    host.offer("4.4.1")
    host.run("upgrade", "4.4.1", "--no-permanent")
    with (host.node.root / "releases/emqx_vars").open("a", encoding="utf-8") as variables:
        variables.write(f'REL_VSN="4.4.1"\nERTS_VSN="{host.node.files.read_start_erl().erts}"\n')
    host.node.kill()
    host.node.start()
    generation = host.node.driver().observe().run.generation

    refused = host.run("unpack", "4.4.1")
    recovered = host.run("recover")

    seen = host.node.driver().observe()
    assert (refused.code, recovered.code) == (5, 0)
    assert (seen.code, seen.tables.permanent, seen.run.generation) == ("4.4.1", "4.4.1", generation)
    host.assert_all_agree()


def test_a_lost_releases_file_is_put_back_without_a_restart(host: Host) -> None:
    """native-driver.md section 8: the node is up, so memory is right."""
    host.offer("4.4.1")
    host.run("upgrade", "4.4.1")
    before = host.seen()
    (host.node.root / "releases/RELEASES").write_bytes(b"")

    refused = host.run("downgrade", "4.4.0")
    recovered = host.run("recover")

    assert (refused.code, recovered.code) == (5, 0)
    assert host.seen() == before
    assert host.run("downgrade", "4.4.0").code == 0


def test_a_node_that_booted_without_releases_file_gets_its_table_back(host: Host) -> None:
    """native-driver.md section 8: such a node knows no libraries, and would count none as used."""
    host.offer("4.4.1")
    host.run("upgrade", "4.4.1")
    (host.node.root / "releases/RELEASES").unlink()
    host.node.kill()
    host.node.start()

    refused = host.run("uninstall", "4.4.0")
    recovered = host.run("recover")

    assert (refused.code, recovered.code) == (5, 0)
    assert host.run("uninstall", "4.4.0").code == 0
    assert host.versions() == {"4.4.1": "permanent"}
    host.assert_all_agree()


def _recover(host: Host, code: int) -> None:
    """Recover, and hold the record against what is there."""
    assert code in {-signal.SIGKILL, 0}
    recovered = host.run("recover", "--yes")
    assert recovered.code == 0, recovered
    assert host.run("recover", "--yes").out == "Nothing to recover.\n"
    steps = Counter((event["attempt"], event["type"]) for event in host.events() if event["type"] in _STEPS)
    assert set(steps.values()) <= {1}
    host.assert_all_agree()
    left = [*host.node.root.glob("releases/.ledger-4*"), *host.node.root.glob("*/.*.ledger-tmp")]
    assert left == []
