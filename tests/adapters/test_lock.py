"""Locks by flock(2)."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.adapters.lock import FileLock, LockFileError, LockHeldError
from ledger.errors import LockedError


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    """PRODUCT section 6: exit 75 with who holds it."""
    lock = FileLock(tmp_path / "lock")

    with lock.hold("upgrade 4.4.16"), pytest.raises(LockHeldError) as caught, FileLock(tmp_path / "lock").hold("x"):
        pass

    assert caught.value.holder == f"process {os.getpid()}, upgrade 4.4.16"
    assert caught.value.code == 75
    assert isinstance(caught.value, LockedError)
    assert "--wait" in caught.value.hint


def test_a_lock_that_is_let_go_can_be_taken_and_its_file_stays(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")

    for _ in range(2):
        with lock.hold("x"):
            inode = (tmp_path / "lock").stat().st_ino

    assert (tmp_path / "lock").stat().st_ino == inode
    assert (tmp_path / "lock").read_bytes() == b""


def test_an_error_inside_lets_the_lock_go(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with pytest.raises(ValueError, match="inside"), lock.hold("x"):
        raise ValueError("inside")

    with lock.hold("y"):
        assert (tmp_path / "lock").read_text().endswith(", y")


def test_a_waiting_command_takes_the_lock_when_it_is_free(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ledger.adapters.lock import FileLock\n"
        "with FileLock(Path(sys.argv[1])).hold('x'): print('held', flush=True); time.sleep(0.3)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "lock"], stdout=subprocess.PIPE, cwd=root) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"

        with FileLock(tmp_path / "lock").hold("y", wait=300):
            pass


def test_waiting_ends_after_the_seconds_given(tmp_path: Path) -> None:
    started = time.monotonic()

    with (
        FileLock(tmp_path / "lock").hold("x"),
        pytest.raises(LockHeldError),
        FileLock(tmp_path / "lock").hold("y", wait=0.2),
    ):
        pass

    assert 0.2 <= time.monotonic() - started < 60


def test_a_lock_file_has_the_mode_asked_for(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock", mode=0o600).hold("x"):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_lock_without_its_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LockFileError, match="cannot be taken"), FileLock(tmp_path / "none" / "lock").hold("x"):
        pass


def test_a_link_in_the_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "other")

    with pytest.raises(LockFileError), FileLock(tmp_path / "lock").hold("x"):
        pass

    assert not (tmp_path / "other").exists()


def test_a_file_with_another_name_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "lock").hardlink_to(tmp_path / "precious")

    with pytest.raises(LockFileError, match="cannot be taken"), FileLock(tmp_path / "lock").hold("x"):
        pass

    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_plain_file_is_no_lock(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "lock")

    with pytest.raises(LockFileError), FileLock(tmp_path / "lock").hold("x"):
        pass


def test_a_new_lock_belongs_to_the_owner_of_its_folder(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # only root can give files away; for others both owners are equal anyway
        os.chown(tmp_path, 1234, 1234)

    with FileLock(tmp_path / "lock").hold("x"):
        assert (tmp_path / "lock").stat().st_uid == tmp_path.stat().st_uid


def test_a_holder_cannot_write_to_the_terminal_of_others(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock").hold("x"):
        (tmp_path / "lock").write_bytes(b"\x1b[2J\xff held")

        with pytest.raises(LockHeldError) as caught, FileLock(tmp_path / "lock").hold("y"):
            pass

    assert caught.value.holder == "?[2J\ufffd held"
