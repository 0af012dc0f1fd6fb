"""A ledger of three events, and a witness for the whole run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anchors.lab import LedgerLab, RunningWitness, make_ledger, running_witness
from tests.cli.conftest import bare, lab, pattern

__all__ = ["bare", "lab", "pattern"]


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerLab:
    lab = make_ledger(tmp_path / "ledger")
    lab.append(3)
    return lab


@pytest.fixture(scope="session")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWitness]:
    """Start one witness; each test brings a ledger with a key of its own, so none disturbs another."""
    with running_witness(tmp_path_factory.mktemp("witness") / "state") as running:
        yield running
