"""The same steps on a node and on an embedded node leave the same files."""

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.adapters.embedded import node_at
from tests.contracts.release_handler import Bench
from tests.lab.node import LabBench

pytestmark = pytest.mark.erlang

# Where the node keeps what is its own, and what differs by nature: its live settings and their time.
_OWN = ("data/", "log/", "releases/.ledger-saved/")
_LIVE = ("sys.config", "vm.args")


def unpack(bench: Bench) -> None:
    bench.unpack("4.4.16")


def upgrade(bench: Bench) -> None:
    bench.upgrade("4.4.1")
    bench.upgrade("4.4.16")


def go_back(bench: Bench) -> None:
    bench.upgrade("4.4.16")
    bench.handler.install_release("4.4.0")
    bench.handler.make_permanent("4.4.0")
    bench.handler.remove_release("4.4.16")


def keep_a_trial_unwritten(bench: Bench) -> None:
    bench.install("4.4.1")
    bench.install("4.4.16")
    bench.handler.install_release("4.4.0")


@pytest.mark.parametrize("steps", [unpack, upgrade, go_back, keep_a_trial_unwritten])
def test_both_drivers_leave_the_same_files(bench: LabBench, tmp_path: Path, steps: Callable[[Bench], None]) -> None:
    """native-driver.md section 10, and the tables are the same too."""
    rehearsal = _EmbeddedBench.beside(bench, tmp_path / "rehearsal")

    steps(bench)
    steps(rehearsal)

    assert _files(bench.root) == _files(rehearsal.root)
    assert bench.seen() == rehearsal.seen()


class _EmbeddedBench(LabBench):
    @classmethod
    def beside(cls, bench: LabBench, root: Path) -> "_EmbeddedBench":
        """Return an embedded node with the files that the started node has."""
        shutil.copytree(bench.root, root, symlinks=True)
        return cls(node_at(root), root, bench.packages, bench.lab, bench.node)


def _files(root: Path) -> dict[str, str]:
    """Return mode and digest of each file; of live settings that they are there."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file() and not path.is_symlink() and not name.startswith(_OWN):
            content = "" if path.name in _LIVE else sha256(path.read_bytes()).hexdigest()
            found[name] = f"{path.stat().st_mode & 0o777:o} {content}"
    return found
