"""An embedded node as commands open it, one after the other."""

from pathlib import Path

from ledger.adapters.embedded_node import EmbeddedNode
from tests.contracts.release_handler import Bench

BOOT_ID = "7d1b5f2e-0000-4000-8000-000000000001"


def node_at(root: Path, *, boot_id: str = BOOT_ID) -> EmbeddedNode:
    """Return the node at *root* on a host that was booted as *boot_id*."""
    return EmbeddedNode(root, boot_id=boot_id, now=lambda: "2026-03-01T12:00:00.000000Z")


def again(bench: Bench, *, boot_id: str = BOOT_ID) -> EmbeddedNode:
    """Return the node as the next command sees it."""
    return node_at(bench.root, boot_id=boot_id)
