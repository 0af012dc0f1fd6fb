"""Folders for faults: in memory where there is such a file system, because no test here cuts the power."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 # it is looked at only


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder whose fsync costs nothing."""
    if not _IN_MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY, prefix="release-ledger-") as folder:
        yield Path(folder)
