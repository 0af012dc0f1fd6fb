"""The record in memory and the ledger in a database, bound to one contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.sqlite import create_database
from ledger.application.ports import ReleaseRecord
from tests.contracts.release_record import ReleaseRecordContract
from tests.fakes.record import MemoryRecord
from tests.fakes.recording import open_ledger


class TestMemoryRecord(ReleaseRecordContract):
    """The fake."""

    @pytest.fixture
    def release_record(self) -> ReleaseRecord:
        """Give an empty record."""
        return MemoryRecord()


class TestReleaseLedger(ReleaseRecordContract):
    """The real one, on SQLite."""

    @pytest.fixture
    def release_record(self, tmp_path: Path) -> Iterator[ReleaseRecord]:
        """Give an empty ledger."""
        create_database(tmp_path / "ledger.db")
        with open_ledger(tmp_path / "ledger.db") as ledger:
            yield ledger
