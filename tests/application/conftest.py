"""A desk with a small installation, and packages that are written once a session."""

from pathlib import Path

import pytest

from tests.fakes.desk import Desk


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the packages."""
    return tmp_path_factory.mktemp("packages")


@pytest.fixture
def desk(packages: Path, tmp_path: Path) -> Desk:
    """Give a registered installation of 4.4.0."""
    return Desk(packages, tmp_path / "emqx")
