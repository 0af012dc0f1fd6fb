"""The embedded node: the suite of all drivers, and what only a node of files does."""

from pathlib import Path

import pytest

from ledger.adapters.embedded_node import EmbeddedNode
from tests.contracts.release_handler import Bench, ReleaseHandlerContract
from tests.fakes.small_releases import small_installation

BOOT_ID = "7d1b5f2e-0000-4000-8000-000000000001"


def node_at(root: Path, *, boot_id: str = BOOT_ID) -> EmbeddedNode:
    return EmbeddedNode(root, boot_id=boot_id, now=lambda: "2026-03-01T12:00:00.000000Z")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture
def bench(packages: Path, tmp_path: Path) -> Bench:
    root = small_installation(packages, tmp_path / "emqx")
    return Bench(node_at(root), root, packages)


class TestEmbeddedNode(ReleaseHandlerContract):
    """The suite of the port."""
