"""The same steps by EMQX's script and by the embedded node leave the same content."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapters.embedded import node_at
from tests.contracts.release_handler import Bench
from tests.lab.node import Lab
from tests.lab.script import ScriptBench, plain_node, script_driver

pytestmark = pytest.mark.erlang

# What belongs to the node alone, and copies that we keep.
_OWN = ("data/", "log/", "releases/.ledger-saved/")
# The order of settings is random, and a tarball of the script is its own.
_DIFFER = ("sys.config", "vm.args", ".tar.gz")


def upgrade_twice(bench: Bench) -> None:
    bench.upgrade("4.4.1")
    bench.upgrade("4.4.16")


def go_back(bench: Bench) -> None:
    bench.upgrade("4.4.16")
    bench.handler.install_release("4.4.0")
    bench.handler.make_permanent("4.4.0")
    bench.handler.remove_release("4.4.16")


@pytest.mark.parametrize("steps", [upgrade_twice, go_back])
def test_the_script_leaves_the_same_content(lab: Lab, tmp_path: Path, steps: Callable[[Bench], None]) -> None:
    """native-driver.md section 10: modes differ, since the script loses them."""
    with plain_node(lab, tmp_path / "emqx") as node:
        shutil.copytree(node.root, tmp_path / "rehearsal", symlinks=True)
        by_script = ScriptBench(script_driver(node), node.root, lab.packages, lab, node)
        rehearsal = ScriptBench(node_at(tmp_path / "rehearsal"), tmp_path / "rehearsal", lab.packages, lab, node)

        steps(by_script)
        steps(rehearsal)

        assert _content(by_script.root) == _content(rehearsal.root)
        assert by_script.seen() == rehearsal.seen()


def _content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not str(path.relative_to(root)).startswith(_OWN)
        and not path.name.endswith(_DIFFER)
    }
