"""A command that is killed at any point of its way: ``recover`` ends in agreement, nothing is recorded twice.

The points are sampled: before and after each durable write, each call to the node and each commit
(killed.py). Each is tried on a node of its own; ``make faults`` tries all of them.
"""

import pytest

from tests.lab.host import Host
from tests.lab.killing import DEEDS, kill

pytestmark = pytest.mark.erlang

_POINTS = {
    "upgrade": (9, 25, 41, 57, 75, 91, 99),
    "unpack": (45,),
    "install": (8,),
    "permanent": (21,),
    "downgrade": (11, 29, 47),
    "uninstall": (9, 19),
    "restart": (5,),
    "recover": (7,),
}


@pytest.mark.parametrize(("name", "point"), [(name, point) for name in DEEDS for point in _POINTS[name]])
def test_a_command_that_is_killed_is_recovered_and_repeated(host: Host, name: str, point: int) -> None:
    """PRODUCT section 6: a kill at any point leaves the intent standing."""
    kill(host, DEEDS[name], point)


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
