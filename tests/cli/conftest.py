"""Hosts for the tests of the command line: one is made, each test gets a copy."""

from pathlib import Path

import pytest

from tests.cli.lab import Lab, make_lab


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return the host that the others are copies of."""
    return make_lab(tmp_path_factory.mktemp("pattern"))


@pytest.fixture
def bare(pattern: Lab, tmp_path: Path) -> Lab:
    """Return a host without a ledger."""
    return pattern.copied(tmp_path / "host")


@pytest.fixture
def lab(bare: Lab) -> Lab:
    """Return a host whose installation is registered and whose packages of 4.4 are at hand."""
    bare.init()
    bare.offer("4.4.1", "4.4.16")
    return bare
