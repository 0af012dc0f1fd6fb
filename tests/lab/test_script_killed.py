"""Our command is killed while EMQX's script works: the script goes on, and ``recover`` closes the attempt."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.script_at_work import scripts_at_work
from tests.lab.host import Host
from tests.lab.node import Lab, until
from tests.lab.script import plain_node

pytestmark = pytest.mark.erlang


@pytest.fixture
def plain(lab: Lab, tmp_path: Path) -> Iterator[Host]:
    """Give a registered host whose settings the script does not break."""
    with plain_node(lab, tmp_path / "emqx") as node:
        host = Host(lab, node)
        host.init()
        yield host


def test_a_killed_command_leaves_the_script_to_its_end(plain: Host) -> None:
    """PRODUCT sections 2 and 6: never killed; the intent stands."""
    plain.offer("4.4.16")
    with plain.node.held("script"):
        command = plain.begin("unpack", "4.4.16", "--driver", "script")
        until(lambda: bool(scripts_at_work(plain.node.root)))
        command.kill()
        command.communicate()

        meanwhile = plain.run("recover", "--driver", "script")
    until(lambda: not scripts_at_work(plain.node.root))
    recovered = plain.run("recover", "--driver", "script")

    assert meanwhile.code == 75
    assert recovered.code == 0, recovered
    assert plain.names().count("unpacked") == 1
    assert plain.versions() == {"4.4.16": "unpacked", "4.4.0": "permanent"}
    plain.assert_all_agree()
