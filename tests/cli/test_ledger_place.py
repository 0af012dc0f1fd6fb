"""The folder that stands for a ledger in PostgreSQL, and what a killed command leaves of it."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cli.ledger_place import folder_of
from ledger.temporary import TemporaryPlaceError
from tests.cli.lab import PROJECT

ADDRESS = "postgresql:///fleet"
_DIES = "from pathlib import Path; import os; from cli.ledger_place import folder_of\n"
_KILLED = f"{_DIES}print(folder_of({ADDRESS!r}, base=Path('/nowhere')), flush=True); os.kill(os.getpid(), 9)"
HOUR = 3600


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_by_a_killed_command(temporary: Path) -> Path:
    """Return what a command leaves that is killed by SIGKILL."""
    environ = {"PYTHONPATH": str(PROJECT), "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", _KILLED], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return Path(done.stdout.strip())


def made_earlier(folder: Path) -> Path:
    then = folder.stat().st_mtime - HOUR
    os.utime(folder, (then, then))
    return folder


def test_what_a_killed_command_left_is_removed_by_the_next(temporary: Path) -> None:
    left = made_earlier(left_by_a_killed_command(temporary))

    made = folder_of(ADDRESS, base=temporary)

    assert not left.exists()
    assert (made / "address").read_text(encoding="utf-8") == f"{ADDRESS}\n"


def test_the_folder_of_a_command_that_runs_stays(temporary: Path) -> None:
    runs = made_earlier(folder_of(ADDRESS, base=temporary))

    folder_of(ADDRESS, base=temporary)

    assert runs.exists()


def test_a_folder_that_may_just_be_made_stays(temporary: Path) -> None:
    left = left_by_a_killed_command(temporary)

    folder_of(ADDRESS, base=temporary)

    assert left.exists()


def test_a_link_in_the_place_of_a_folder_is_not_followed(temporary: Path) -> None:
    """The folder for temporary files is everybody's."""
    (temporary / "kept").mkdir()
    link = temporary / "release-ledger-at-x"
    link.symlink_to(temporary / "kept")
    os.utime(link, (1, 1), follow_symlinks=False)

    folder_of(ADDRESS, base=temporary)

    assert link.is_symlink()
    assert (temporary / "kept").is_dir()


def test_a_host_without_a_place_for_temporary_files_is_told_where_it_was_looked_for(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc"])
    monkeypatch.setenv("TMPDIR", "/proc")

    with pytest.raises(TemporaryPlaceError) as caught:
        folder_of(ADDRESS, base=temporary)

    assert caught.value.code == 1
    assert caught.value.fact == "no file can be written in /proc, /tmp, /var/tmp or the current folder"
    assert caught.value.hint == "see to space and rights there, or let TMPDIR name another folder"
