"""A ledger of three events, and a witness for the whole run."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ledger.adapters.anchors import witness_client
from tests.anchors.lab import LedgerLab, RunningWitness, make_ledger, running_witness
from tests.cli.conftest import bare, lab, pattern

__all__ = ["bare", "lab", "pattern"]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands of this process wait for a witness longer than two seconds: a busy machine makes no slow witness."""
    monkeypatch.setattr(witness_client, "WitnessClient", partial(witness_client.WitnessClient, limit=120.0))


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
