"""Writes that survive a crash: the only place that changes the installation and what lies beside the ledger.

A file is replaced by a temporary file in its own folder, fsync, rename, fsync of the folder: a
crash at any moment leaves the old content or the new, never a part. The temporary file of
``NAME`` is ``.NAME.ledger-tmp``; one that a crash left behind is removed by the next write.
A folder is made under such a name too, so that it shows with its mode and owner. Folders are
made, renamed and removed with an fsync of each folder whose entries changed. A text as short as
a sector may be written over the one before (`overwrite_file`): a disk writes a sector or not.

* A replaced file keeps its mode, and as root its owner. What is new gets, as root, the owner of
  its folder, so that the node can delete it later.
* Links are never followed: a link at the place of a file is itself replaced or removed.
* A renamed folder must be synced before it shows: first `sync_tree`, then `rename`.
* A tree is removed entry by entry. Where half a tree could be taken for a whole one, `remove_whole`
  gives it the temporary name first.
* Several files are copied so that lack of space shows before the first is replaced (`copy_files`).
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ledger.errors import FailedError

_NEW_FILE = 0o644
_SECTOR = 512  # the smallest there is: no disk tears it (docs/decisions/0029-one-flush-for-the-guard.md)
_CHUNK = 1024 * 1024
_HINTS = {
    errno.ENOSPC: "free some space on this file system, then run the command again",
    errno.EDQUOT: "raise the quota or free some space, then run the command again",
    errno.EACCES: "let root give the folder to the user who runs the command, then run it again",
    errno.EPERM: "let root give the folder to the user who runs the command, then run it again",
    errno.EROFS: "mount the file system for writing, then run the command again",
    errno.EIO: "look for errors of the disk in the kernel's log before running the command again",
}
_OTHER_HINT = "remove the cause, then run the command again"


class WriteFailedError(FailedError):
    """The system refused a change of a file or folder.

    *changed* is False where the old state stands untouched. It is True where the change is
    made and only its arrival on the disk is not confirmed, or where a part of a tree is gone.
    """

    def __init__(self, act: str, path: Path, cause: OSError, *, changed: bool) -> None:
        number = cause.errno or 0
        words = os.strerror(number) if number else str(cause)
        name = errno.errorcode.get(number, "unknown")
        state = "the change may be there in part or unconfirmed" if changed else "nothing was changed there"
        super().__init__(
            f"cannot {act} {path}: {words[:1].lower()}{words[1:]}",
            fact=f"the system answered {name}; {state}",
            hint=_HINTS.get(number, _OTHER_HINT),
        )
        self.act, self.path, self.errno_name, self.changed = act, path, name, changed


def replace_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Put *data* at *path*, as a whole or not at all.

    *mode* is that of the replaced file, and 0644 for a new one, where it is not given.
    Raises: WriteFailedError.
    """
    _replace(path, (data,), mode)


def overwrite_file(path: Path, data: bytes, *, mode: int) -> None:
    """Put *data* at *path* with one flush of the disk, by one write over the text before; else as `replace_file`.

    Only a text of the same size is written over, in a file of this mode that has no second name, and
    none longer than a sector: a crash leaves the one or the other. A reader meanwhile may see a part of
    each, and must read until it sees the same twice (`plain_file.read_if_there`).
    Raises: WriteFailedError.
    """
    if not _overwritten(path, data, mode):
        replace_file(path, data, mode=mode)


def copy_file(source: Path, path: Path, *, mode: int | None = None) -> None:
    """Put the content of *source* at *path*, with the mode of *source* where none is given.

    Raises: WriteFailedError, also where *source* cannot be read or is a link.
    """
    with _opened(source) as descriptor:
        _replace(path, _chunks(descriptor), stat.S_IMODE(os.fstat(descriptor).st_mode) if mode is None else mode)


def copy_files(copies: Sequence[tuple[Path, Path]], *, mode: int) -> None:
    """Put the content of each source at its path; nothing is replaced before all of it is written.

    Raises: WriteFailedError, also where a source cannot be read or is a link.
    """
    written = list[Path]()
    try:
        for source, path in copies:
            written.append(_temporary(path))
            with _failing("write", path, changed=False), _opened(source) as descriptor:
                written[-1].unlink(missing_ok=True)
                _fill(written[-1], _chunks(descriptor), _owner_at(path), mode)
        for temporary, (_, path) in zip(tuple(written), copies, strict=True):
            with _failing("write", path, changed=temporary is not written[0]):
                temporary.rename(path)
    except BaseException:
        for temporary in written:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise
    for folder in dict.fromkeys(path.parent for _, path in copies):
        sync_folder(folder)


def write_beside(path: Path, data: bytes, *, mode: int | None = None) -> Path:
    """Write under the temporary name what is to come to *path*, durably, and return that name.

    A rename, by whomever, puts it in place; mode and owner are those that `replace_file` would give.
    Raises: WriteFailedError.
    """
    temporary = _temporary(path)
    with _failing("write", path, changed=False):
        temporary.unlink(missing_ok=True)
        _fill(temporary, (data,), _owner_at(path), _mode_at(path) if mode is None else mode)
    sync_folder(path.parent)
    return temporary


def sync_folder(path: Path) -> None:
    """Make the entries of one folder durable.

    Raises: WriteFailedError.
    """
    with _failing("sync", path, changed=True):
        _sync(path)


def sync_tree(path: Path) -> None:
    """Make all that was written on the file system of *path* durable, in one call.

    Raises: WriteFailedError.
    """
    with _failing("sync", path, changed=True):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _sync_file_system(descriptor)
        finally:
            os.close(descriptor)


def rename(source: Path, path: Path) -> None:
    """Move *source* to *path* on the same file system; a file that is there is replaced.

    Raises: WriteFailedError.
    """
    with _failing("rename", source, changed=False):
        source.rename(path)
    for folder in dict.fromkeys((path.parent, source.parent)):
        sync_folder(folder)


def make_folder(path: Path, *, mode: int) -> None:
    """Make one folder with this mode; a folder that is there stays as it is.

    Raises: WriteFailedError, also where something else has the name.
    """
    with _failing("make", path, changed=False):
        if _is_folder(path):
            return
        temporary = _temporary(path)
        with contextlib.suppress(FileNotFoundError):
            temporary.rmdir()
        try:
            temporary.mkdir(mode=0o700)
            _give(temporary, _owner_of(path.parent))
            temporary.chmod(mode)
            temporary.rename(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.rmdir()
            raise
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file or a link, not what it points to; one that is missing is fine.

    Raises: WriteFailedError.
    """
    with _failing("remove", path, changed=False):
        try:
            path.unlink()
        except FileNotFoundError:
            return
    sync_folder(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a folder and all that is in it, or a file or link; one that is missing is fine.

    Raises: WriteFailedError.
    """
    with _failing("look at", path, changed=False):
        folder = _is_folder(path)
    if not folder:
        remove_file(path)
        return
    with _failing("remove", path, changed=True):
        from shutil import rmtree  # noqa: PLC0415 # few commands remove a folder, and it costs as much as this module

        rmtree(path)  # holds each folder open, so that a link put there meanwhile is not followed
    sync_folder(path.parent)


def remove_whole(path: Path) -> None:
    """Remove a folder so that a crash leaves all of it or, under its own name, nothing of it.

    Raises: WriteFailedError.
    """
    temporary = _temporary(path)
    remove_tree(temporary)
    with _failing("look at", path, changed=False):
        if not _is_folder(path):
            remove_file(path)
            return
    rename(path, temporary)
    remove_tree(temporary)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[int]:
    """Give a plain file, open for reading.

    Raises: WriteFailedError where it cannot be read or is a link.
    """
    with _failing("copy", source, changed=False):
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        with _failing("copy", source, changed=False):
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _failing(act: str, path: Path, *, changed: bool) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise WriteFailedError(act, path, exc, changed=changed) from exc


def _replace(path: Path, chunks: Iterable[bytes], mode: int | None) -> None:
    temporary = _temporary(path)
    with _failing("write", path, changed=False):
        mode = _mode_at(path) if mode is None else mode
        owner = _owner_at(path)
        temporary.unlink(missing_ok=True)
        try:
            _fill(temporary, chunks, owner, mode)
            temporary.rename(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    sync_folder(path.parent)


def _overwritten(path: Path, data: bytes, mode: int) -> bool:
    """Return whether *data* was written over the text at *path*; where it was not, `replace_file` says why."""
    if len(data) > _SECTOR:
        return False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if _is_private(os.fstat(descriptor), size=len(data), mode=mode):
            with contextlib.suppress(OSError):
                if os.pwrite(descriptor, data, 0) == len(data):
                    with _failing("sync", path, changed=True):
                        os.fdatasync(descriptor)
                    return True
        return False
    finally:
        os.close(descriptor)


def _is_private(status: os.stat_result, *, size: int, mode: int) -> bool:
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_nlink == 1
        and status.st_size == size
        and stat.S_IMODE(status.st_mode) == mode
    )


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.ledger-tmp")


def _fill(path: Path, chunks: Iterable[bytes], owner: tuple[int, int], mode: int) -> None:
    """Make a new file; it is private until all of it is written and given away."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        _give(descriptor, owner)
        os.fchmod(descriptor, mode)  # after chown(2), which clears set-id bits
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, _CHUNK):
        yield chunk


def _plain_file(path: Path) -> os.stat_result | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _owner_at(path: Path) -> tuple[int, int]:
    """Return whose a file at *path* is to be: its owner now, else that of its folder."""
    replaced = _plain_file(path)
    return _owner_of(path.parent) if replaced is None else (replaced.st_uid, replaced.st_gid)


def _mode_at(path: Path) -> int:
    replaced = _plain_file(path)
    return _NEW_FILE if replaced is None else stat.S_IMODE(replaced.st_mode)


def _owner_of(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_uid, status.st_gid


def _give(target: Path | int, owner: tuple[int, int]) -> None:
    """Set the owner; only root can, everybody else writes as who they are."""
    if os.geteuid() == 0:
        os.chown(target, *owner)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(descriptor: int) -> None:
    """Call syncfs(2), which Python does not offer; without it sync(2) does more than is needed."""
    import ctypes  # noqa: PLC0415 # only a command that places a release pays for it

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
    elif syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
