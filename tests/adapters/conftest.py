"""A small node of files, and packages that are written once a session."""

from pathlib import Path

import pytest

from tests.adapters.embedded import node_at
from tests.contracts.release_handler import Bench
from tests.fakes.small_releases import small_installation


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the packages."""
    return tmp_path_factory.mktemp("packages")


@pytest.fixture
def bench(packages: Path, tmp_path: Path) -> Bench:
    """Give a node of 4.4.0 that was started once."""
    root = small_installation(packages, tmp_path / "emqx")
    return Bench(node_at(root), root, packages)
