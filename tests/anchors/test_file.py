"""A file as outside holder: what it keeps through crashes and full disks, and what it speaks against."""

import fcntl
import os
import resource
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.adapters.anchors.file import FileAnchor, HolderFileError
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.application.anchor_ports import HeldHistoryError
from tests.anchors.lab import LedgerLab
from tests.anchors.test_holders import hand_over


@pytest.fixture
def anchor(ledger: LedgerLab, tmp_path: Path) -> FileAnchor:
    return FileAnchor(tmp_path / "notes", ledger.keys)


def copy_of(ledger: LedgerLab, folder: Path) -> LedgerLab:
    """Return a second host with the same ledger and the same key."""
    shutil.copytree(ledger.places.path, folder)
    shutil.copytree(ledger.places.tip, folder.with_name(f"{folder.name}.tip"))
    return LedgerLab(LedgerFolder(folder))


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond *size* bytes, as a full disk would not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_notes_stand_one_behind_the_other(anchor: FileAnchor, ledger: LedgerLab) -> None:
    first = hand_over(anchor, ledger)
    ledger.append()
    second = hand_over(anchor, ledger)

    assert anchor.path.read_bytes() == first + b"\n" + second + b"\n"
    assert stat.S_IMODE(anchor.path.stat().st_mode) & 0o022 == 0


def test_a_full_disk_leaves_what_was_there(anchor: FileAnchor, ledger: LedgerLab) -> None:
    before = hand_over(anchor, ledger) + b"\n"
    tip = ledger.append()

    with ledger.store() as store:
        tree = store.tree(tip.size)
        tree.root(3)
        with room_for(len(before) + 20), pytest.raises(HolderFileError) as caught:
            anchor.hand_over(tip, tree=tree, last=3)

    assert caught.value.fact == os.strerror(27)
    assert anchor.path.read_bytes() == before
    hand_over(anchor, ledger)
    assert anchor.path.read_bytes().startswith(before)


def test_a_disk_that_does_not_confirm_holds_nothing(
    anchor: FileAnchor, ledger: LedgerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(anchor, ledger)
    before = anchor.path.read_bytes()
    ledger.append()

    def fail(_descriptor: int) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(HolderFileError):
        hand_over(anchor, ledger)

    assert anchor.path.read_bytes() == before


@pytest.mark.parametrize("torn", range(1, 200, 7))
def test_half_a_note_that_a_crash_left_is_passed_over(anchor: FileAnchor, ledger: LedgerLab, torn: int) -> None:
    """Wherever the write stopped."""
    first = hand_over(anchor, ledger) + b"\n"
    later = ledger.append(2)
    anchor.path.write_bytes(first + (later.note + b"\n")[:torn])

    proof = hand_over(anchor, ledger)
    ledger.append()
    hand_over(anchor, ledger)

    assert proof == later.note
    assert later.note in anchor.path.read_bytes()
    assert anchor.path.read_bytes().endswith(ledger.tip().note + b"\n")


def test_a_ledger_that_was_rolled_back_is_found(anchor: FileAnchor, ledger: LedgerLab, tmp_path: Path) -> None:
    """evidence.md 7, rows 7 and 8: old backup and old guard restored."""
    backup = copy_of(ledger, tmp_path / "backup")
    ledger.append()
    hand_over(anchor, ledger)

    with pytest.raises(HeldHistoryError) as caught:
        hand_over(anchor, backup)

    assert caught.value.fact == "it holds 4 events, the ledger has 3"


@pytest.mark.parametrize("more", [0, 1])
def test_a_ledger_that_was_rewritten_with_its_key_is_found(
    anchor: FileAnchor, ledger: LedgerLab, tmp_path: Path, more: int
) -> None:
    """evidence.md 7, rows 6, 9 and 10."""
    clone = copy_of(ledger, tmp_path / "clone")
    ledger.append()
    hand_over(anchor, ledger)
    before = anchor.path.read_bytes()
    clone.append(1 + more, word="as somebody wants it")

    with pytest.raises(HeldHistoryError):
        hand_over(anchor, clone)

    assert anchor.path.read_bytes() == before


def test_notes_that_the_log_did_not_sign_count_for_nothing(anchor: FileAnchor, ledger: LedgerLab) -> None:
    anchor.path.write_bytes(b"notes of others\n\nor anything\n\n\xe2\x80\x94 \xff\n\n")

    proof = hand_over(anchor, ledger)

    assert anchor.path.read_bytes().endswith(proof + b"\n")


def test_a_file_that_another_command_writes_is_not_waited_for(anchor: FileAnchor, ledger: LedgerLab) -> None:
    anchor.path.touch()
    with anchor.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(HolderFileError):
            hand_over(anchor, ledger)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_only_a_plain_file_holds_notes(anchor: FileAnchor, ledger: LedgerLab, tmp_path: Path, kind: str) -> None:
    match kind:
        case "folder":
            anchor.path.mkdir()
        case "pipe":
            os.mkfifo(anchor.path)
        case _:
            anchor.path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(HolderFileError):
        hand_over(anchor, ledger)

    assert not (tmp_path / "elsewhere").exists()
