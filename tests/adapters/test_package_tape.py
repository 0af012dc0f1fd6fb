"""Reading a package's file forward, hashed, and seeing that it changed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.package_tape import BLOCK, PackageReadError, Tape


@given(st.binary(max_size=2000), st.lists(st.integers(0, 700), max_size=6))
def test_the_digest_is_that_of_the_whole_file_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, steps: list[int]
) -> None:
    path = tmp_path_factory.mktemp("tape") / "package"
    path.write_bytes(content)

    with Tape(str(path)) as tape:
        for step in steps:
            at = tape.position
            assert bytes(tape.read(step)) == content[at : at + step]
            tape.skip_to(min(len(content), tape.position + step))
        digest = tape.finish()

    assert digest == hashlib.sha256(content).hexdigest()


def test_reading_goes_over_the_end_of_a_block(tmp_path: Path) -> None:
    content = os.urandom(BLOCK + 10)
    path = tmp_path / "package"
    path.write_bytes(content)

    with Tape(str(path)) as tape:
        tape.skip_to(BLOCK - 5)
        pieces = [bytes(tape.read(10)) for _ in range(3)]

    assert pieces == [content[BLOCK - 5 : BLOCK], content[BLOCK : BLOCK + 10], b""]


def test_the_end_is_not_skipped_over(tmp_path: Path) -> None:
    path = tmp_path / "package"
    path.write_bytes(b"short")

    with Tape(str(path)) as tape, pytest.raises(PackageReadError, match="truncated"):
        tape.skip_to(6)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"longer than before"),
        lambda path: path.write_bytes(b"cut"),
        lambda path: os.utime(path, ns=(0, 0)),
    ],
    ids=["longer", "shorter", "written again"],
)
def test_a_file_that_changes_while_it_is_read_is_seen(tmp_path: Path, change: Callable[[Path], object]) -> None:
    path = tmp_path / "package"
    path.write_bytes(b"content")

    with Tape(str(path)) as tape:
        change(path)
        with pytest.raises(PackageReadError, match="changed while it was read"):
            tape.finish()
