"""The command and the node as different users: what is written belongs to the node's, who can delete it later."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.erl_call import Runner
from ledger.adapters.node_place import find_runner
from tests.lab.node import Lab, LabBench, LabNode, make_node

pytestmark = pytest.mark.erlang

_NOBODY = 65534


@pytest.fixture
def user() -> int:
    """Give the user of the node: another one where this process is root."""
    return _NOBODY if os.geteuid() == 0 else os.geteuid()


@pytest.fixture
def theirs(lab: Lab, user: int) -> Iterator[LabNode]:
    """Give a node that runs as *user*, in a folder of theirs."""
    folder = Path(tempfile.mkdtemp(prefix="lab-", dir="/tmp"))  # a folder that they can get to
    folder.chmod(0o755)
    node = make_node(lab, folder / "emqx")
    for path in (node.root, *node.root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)  # whatever the umask of the tests
        if not path.is_symlink() and "/erts-" not in str(path):
            os.chown(path, user, -1)
    try:
        subprocess.run(
            [node.root / "bin/emqx", "start"],
            check=True,
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=dict(node.environ),
            cwd="/",
        )
        yield node
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_root_upgrades_and_takes_back_a_node_of_another_user(lab: Lab, theirs: LabNode, user: int) -> None:
    """native-driver.md section 4: the node must be able to delete later what is laid out now."""
    bench = LabBench(theirs.driver(), theirs.root, lab.packages, lab, theirs)

    with theirs.client() as client:
        bench.upgrade("4.4.16")
        owners = {path.stat().st_uid for path in _written(theirs.root)}
        bench.handler.install_release("4.4.0")
        bench.handler.make_permanent("4.4.0")
        bench.handler.remove_release("4.4.16")
        answer = client.ask()

    assert owners == {user}
    assert answer == (1, "4.4.0")
    assert not (theirs.root / "lib/emqx-4.4.16").exists()


def test_as_root_the_programs_of_the_installation_run_as_its_owner(theirs: LabNode, user: int) -> None:
    expected = Runner(user, theirs.files.releases.stat().st_gid) if os.geteuid() == 0 else None

    assert find_runner(theirs.files) == expected


def _written(root: Path) -> list[Path]:
    """Return what an upgrade wrote."""
    names = ("RELEASES", "start_erl.data", "emqx_vars", "4.4.16/sys.config", "4.4.16/vm.args", "4.4.16/start.boot")
    return [*(root / "releases" / name for name in names), *(root / "bin").iterdir(), root / "lib/emqx-4.4.16"]
