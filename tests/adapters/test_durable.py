import errno
import itertools
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.durable import (
    WriteFailedError,
    copy_file,
    make_folder,
    overwrite_file,
    remove_file,
    remove_tree,
    rename,
    replace_file,
    sync_folder,
    sync_tree,
)
from ledger.adapters.plain_file import read_if_there

AS_ROOT = os.geteuid() == 0


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the system refuse a larger file, as a full disk does: the first part is written, the rest fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(st.binary(max_size=4096))
def test_a_replaced_file_holds_exactly_the_data(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """STYLE: temporary file, fsync, rename, fsync of the folder."""
    folder = tmp_path_factory.mktemp("replace")

    replace_file(folder / "RELEASES", b"old")
    replace_file(folder / "RELEASES", data)

    assert (folder / "RELEASES").read_bytes() == data
    assert names_in(folder) == ["RELEASES"]


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    """Scripts stay executable and secrets stay private."""
    path = tmp_path / "emqx"
    path.write_bytes(b"old")
    path.chmod(0o750)

    replace_file(path, b"new")
    assert mode_of(path) == 0o750
    replace_file(path, b"newer", mode=0o600)
    assert mode_of(path) == 0o600


def test_a_new_file_is_0644_whatever_the_mask(tmp_path: Path) -> None:
    """The node must be able to read it."""
    before = os.umask(0o077)
    try:
        replace_file(tmp_path / "new", b"")
        make_folder(tmp_path / "folder", mode=0o755)
    finally:
        os.umask(before)

    assert mode_of(tmp_path / "new") == 0o644
    assert mode_of(tmp_path / "folder") == 0o755


def test_root_writes_for_the_owner(tmp_path: Path) -> None:
    """native-driver.md 5: the node must be able to delete it later; everybody else writes as who they are."""
    owner = (12345, 12346) if AS_ROOT else (os.geteuid(), tmp_path.stat().st_gid)
    folder, path = tmp_path / "releases", tmp_path / "emqx_vars"
    folder.mkdir()
    path.write_bytes(b"old")
    if AS_ROOT:
        os.chown(folder, *owner)
        os.chown(path, *owner)

    replace_file(path, b"new")
    replace_file(folder / "RELEASES", b"new")
    make_folder(folder / "4.4.16", mode=0o755)

    for written in (path, folder / "RELEASES", folder / "4.4.16"):
        assert (written.stat().st_uid, written.stat().st_gid) == owner


def test_a_stale_temporary_file_is_removed_first(tmp_path: Path) -> None:
    """A crash leaves it behind; even a link in its place is never written through."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".RELEASES.ledger-tmp").symlink_to(victim)

    replace_file(tmp_path / "RELEASES", b"new")

    assert victim.read_bytes() == b"precious"
    assert names_in(tmp_path) == ["RELEASES", "victim"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Nothing outside the installation is ever written."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(victim)

    replace_file(tmp_path / "link", b"new")

    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "link").is_symlink()


def test_a_write_that_fails_half_way_leaves_the_old_content(tmp_path: Path) -> None:
    """A full disk: the part that was written goes, what stood there stays."""
    path = tmp_path / "RELEASES"
    path.write_bytes(b"old")

    with file_size_limit(1000), pytest.raises(WriteFailedError) as caught:
        replace_file(path, b"n" * 5000)

    assert (caught.value.errno_name, caught.value.changed) == ("EFBIG", False)
    assert "nothing was changed" in caught.value.fact
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["RELEASES"]


def test_a_rename_that_fails_removes_the_temporary_file(tmp_path: Path) -> None:
    """A folder of the name cannot be replaced by a file."""
    (tmp_path / "RELEASES" / "inside").mkdir(parents=True)

    with pytest.raises(WriteFailedError) as caught:
        replace_file(tmp_path / "RELEASES", b"new")

    assert caught.value.errno_name == "EISDIR"
    assert names_in(tmp_path) == ["RELEASES"]


@pytest.mark.parametrize(
    "act",
    [
        lambda folder: replace_file(folder / "no" / "RELEASES", b""),
        lambda folder: replace_file(folder / ("n" * 255), b""),
        lambda folder: replace_file(folder / "file" / "RELEASES", b""),
        lambda folder: copy_file(folder / "no", folder / "copy"),
        lambda folder: copy_file(folder, folder / "copy"),
        lambda folder: copy_file(folder / "link", folder / "copy"),
        lambda folder: copy_file(folder / "fifo", folder / "copy"),
        lambda folder: copy_file(folder / "file", folder / "no" / "copy"),
        lambda folder: rename(folder / "no", folder / "yes"),
        lambda folder: make_folder(folder / "file", mode=0o755),
        lambda folder: make_folder(folder / "no" / "folder", mode=0o755),
        lambda folder: make_folder(folder / "link", mode=0o755),
        lambda folder: remove_file(folder / "folder"),
        lambda folder: remove_file(folder / "file" / "x"),
        lambda folder: remove_tree(folder / "file" / "x"),
        lambda folder: sync_folder(folder / "file"),
        lambda folder: sync_folder(folder / "no"),
        lambda folder: sync_tree(folder / "no"),
    ],
)
def test_a_refusal_of_the_system_is_the_one_error(tmp_path: Path, act: Callable[[Path], None]) -> None:
    """STYLE: no OSError leaks, and nothing is changed or left behind."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(WriteFailedError) as caught:
        act(tmp_path)

    assert isinstance(caught.value.__cause__, OSError)
    assert names_in(tmp_path) == ["fifo", "file", "folder", "link"]


@pytest.mark.parametrize(
    ("number", "words", "hint"),
    [
        (errno.ENOSPC, "no space left on device", "free some space"),
        (errno.EACCES, "permission denied", "owner|root"),
        (errno.EIO, "input/output error", "disk"),
        (errno.ELOOP, "too many levels", "run the command again"),
    ],
)
def test_the_error_says_what_where_and_what_next(number: int, words: str, hint: str) -> None:
    """PRODUCT: message, fact and hint."""
    error = WriteFailedError("write", Path("/opt/emqx/releases/RELEASES"), OSError(number, ""), changed=True)

    assert str(error).startswith(f"cannot write /opt/emqx/releases/RELEASES: {words}")
    assert error.fact == (
        f"the system answered {errno.errorcode[number]}; the change may be there in part or unconfirmed"
    )
    assert any(part in error.hint for part in hint.split("|"))


def private(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    path.chmod(0o600)


def test_a_text_of_the_same_size_is_written_over_the_one_before(tmp_path: Path) -> None:
    """One flush instead of two: the file stays the one that it was."""
    private(tmp_path / "tip", b"size 10")
    before = (tmp_path / "tip").stat()

    overwrite_file(tmp_path / "tip", b"size 11", mode=0o600)

    after = (tmp_path / "tip").stat()
    assert (tmp_path / "tip").read_bytes() == b"size 11"
    assert (before.st_ino, before.st_mode, before.st_uid) == (after.st_ino, after.st_mode, after.st_uid)
    assert names_in(tmp_path) == ["tip"]


@pytest.mark.parametrize(
    ("old", "new"), [(b"size 9", b"size 10"), (b"size 10", b"size 9"), (b"a" * 513, b"b" * 513), (b"", b"size 1")]
)
def test_a_text_that_a_crash_could_tear_is_replaced(tmp_path: Path, old: bytes, new: bytes) -> None:
    """Of another size, or longer than a sector."""
    private(tmp_path / "tip", old)
    kept = (tmp_path / "tip").open("rb")

    overwrite_file(tmp_path / "tip", new, mode=0o600)

    with kept:
        assert kept.read() == old
    assert (tmp_path / "tip").read_bytes() == new
    assert names_in(tmp_path) == ["tip"]


def test_what_others_may_hold_is_replaced_and_not_written_into(tmp_path: Path) -> None:
    """A copy by a second name (``cp -al``) keeps its text; a link is not followed; a wrong mode is set right."""
    for name in ("one", "two", "three"):
        private(tmp_path / name, b"old")
    (tmp_path / "copy").hardlink_to(tmp_path / "one")
    (tmp_path / "link").symlink_to("two")
    (tmp_path / "three").chmod(0o644)

    for name in ("one", "link", "three", "missing"):
        overwrite_file(tmp_path / name, b"new", mode=0o600)

    assert [(tmp_path / name).read_bytes() for name in ("copy", "two")] == [b"old"] * 2
    assert [(tmp_path / name).read_bytes() for name in ("one", "link", "three", "missing")] == [b"new"] * 4
    assert [mode_of(tmp_path / name) for name in ("one", "link", "three", "missing")] == [0o600] * 4
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("broken", ["short", "refused"])
def test_a_text_that_is_not_written_over_as_a_whole_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    private(tmp_path / "tip", b"size 10")

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if broken == "refused":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:-1], offset)

    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", pwrite)

    overwrite_file(tmp_path / "tip", b"size 11", mode=0o600)

    assert (tmp_path / "tip").read_bytes() == b"size 11"
    assert names_in(tmp_path) == ["tip"]


def test_a_disk_that_does_not_confirm_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private(tmp_path / "tip", b"size 10")

    def fdatasync(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fdatasync)

    with pytest.raises(WriteFailedError) as caught:
        overwrite_file(tmp_path / "tip", b"size 11", mode=0o600)

    assert (caught.value.act, caught.value.errno_name, caught.value.changed) == ("sync", "EIO", True)


def test_a_reader_never_sees_a_part_of_two_texts(tmp_path: Path) -> None:
    """Reading and writing over take no turns in the kernel: the reader looks until it has seen the same twice."""
    texts = [bytes([letter]) * 400 for letter in b"ab"]
    private(tmp_path / "tip", texts[0])
    done = threading.Event()

    def write() -> None:
        for text in itertools.cycle(texts):
            overwrite_file(tmp_path / "tip", text, mode=0o600)
            if done.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {read_if_there(tmp_path / "tip", settled=True) for _ in range(200)}
    finally:
        done.set()
        writer.join()

    assert seen <= set(texts)


def test_a_text_that_changes_between_two_looks_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tip").write_bytes(b"size 11")
    torn, read = iter([b"size 10, torn "]), os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: next(torn, None) or read(descriptor, size))

    assert read_if_there(tmp_path / "tip", settled=True) == b"size 11"


def test_a_copy_has_the_content_and_the_mode(tmp_path: Path) -> None:
    """bin/emqx-V becomes bin/emqx and stays executable."""
    source, path = tmp_path / "emqx-4.4.16", tmp_path / "emqx"
    source.write_bytes(b"x" * 3_000_000)
    source.chmod(0o755)

    copy_file(source, path)
    assert path.read_bytes() == source.read_bytes()
    assert mode_of(path) == 0o755
    copy_file(source, path, mode=0o640)
    assert mode_of(path) == 0o640


def test_a_rename_moves_a_tree(tmp_path: Path) -> None:
    """A staged folder shows as a whole."""
    (tmp_path / "staging" / "4.4.16" / "sub").mkdir(parents=True)
    (tmp_path / "releases").mkdir()

    sync_tree(tmp_path / "staging")
    rename(tmp_path / "staging" / "4.4.16", tmp_path / "releases" / "4.4.16")

    assert (tmp_path / "releases" / "4.4.16" / "sub").is_dir()
    assert names_in(tmp_path / "staging") == []


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """A rerun after a crash meets its own folders."""
    (tmp_path / ".folder.ledger-tmp").mkdir()
    make_folder(tmp_path / "folder", mode=0o700)

    make_folder(tmp_path / "folder", mode=0o755)

    assert mode_of(tmp_path / "folder") == 0o700
    assert names_in(tmp_path) == ["folder"]


def test_removing_never_follows_a_link(tmp_path: Path) -> None:
    """A tree may hold links to folders that are none of ours."""
    victim, tree = tmp_path / "victim", tmp_path / "tree"
    (victim / "inside").mkdir(parents=True)
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "link").symlink_to(victim)
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "other").symlink_to(victim)

    remove_tree(tree)
    remove_tree(tmp_path / "link")
    remove_file(tmp_path / "other")

    assert names_in(tmp_path) == ["victim"]
    assert names_in(victim) == ["inside"]


def test_removing_what_is_missing_is_fine(tmp_path: Path) -> None:
    """A rerun after a crash finds less than the first run."""
    remove_file(tmp_path / "no")
    remove_tree(tmp_path / "no")

    assert names_in(tmp_path) == []
