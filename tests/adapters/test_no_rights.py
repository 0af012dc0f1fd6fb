"""An installation of which this user may read only a part: what cannot be read is named, and nothing breaks off."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.adapters.boot_scripts import mixed_scripts, put_scripts
from ledger.adapters.installation_root import InstallationRoot
from ledger.adapters.left_overs import RootLeftOvers
from ledger.adapters.plain_file import FileNotReadError
from tests.contracts.release_handler import Bench
from tests.projections.test_read import NOBODY, as_nobody, open_folder

__all__ = ["open_folder"]


@pytest.fixture
def root(bench: Bench, open_folder: Path) -> Iterator[Path]:
    """Give the root of a node of 4.4.0 that nobody owns, where the tests run as root."""
    root = Path(shutil.copytree(bench.root, open_folder / "emqx", symlinks=True))
    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    yield root
    for folder in ("lib", "bin"):
        (root / folder).chmod(0o755)


@pytest.mark.parametrize(
    "look",
    [
        lambda root: InstallationRoot(root).foreign_paths(),
        lambda root: InstallationRoot(root).missing_parts("4.4.0"),
        lambda root: RootLeftOvers(root).find(frozenset({"4.4.0"})),
    ],
)
def test_a_folder_that_may_not_be_searched_is_named(root: Path, look: Callable[[Path], object]) -> None:
    (root / "lib").chmod(0)

    with as_nobody(), pytest.raises(FileNotReadError) as caught:
        look(root)

    assert caught.value.path.is_relative_to(root / "lib")
    assert caught.value.fact == "Permission denied"


def test_a_script_that_cannot_be_read_is_replaced(root: Path) -> None:
    """What is in its place cannot be that of the release, so a step that puts scripts there goes on."""
    script = root / "bin" / "emqx"
    script.chmod(0)

    with as_nobody():
        told = list(mixed_scripts(root, "4.4.0", ("4.4.0", "4.4.1")))
        put_scripts(root, "4.4.0")

    assert told == []
    assert script.read_bytes() == (root / "bin" / "emqx-4.4.0").read_bytes()


def test_scripts_that_may_not_be_looked_at_break_nothing_off(root: Path) -> None:
    (root / "bin").chmod(0)

    with as_nobody():
        told = list(mixed_scripts(root, "4.4.0", ("4.4.0",)))

    assert told == []
