"""Plain files and folders, read with a limit and never waited for.

A file has at most 16 MiB. A named pipe, device or folder in its place is refused at once; so is
a link where the caller does not follow links.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from ledger.errors import UsageError

MAX_SIZE = 16 * 1024 * 1024
_CHUNK = 64 * 1024  # a buffer as large as the limit costs more than reading a note


class Problem(StrEnum):
    """What is wrong with a file."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    MALFORMED = "malformed"


class FileNotReadError(UsageError):
    """A file or folder cannot be read, or is not what it must be."""

    def __init__(self, path: Path, problem: Problem, detail: str) -> None:
        super().__init__(f"{path} is {problem}", fact=detail, hint="run the command as root or as the node's user")
        self.path, self.problem, self.detail = path, problem, detail


@contextmanager
def unreadable(place: Path) -> Iterator[None]:
    """Tell as a ``FileNotReadError`` what the system refuses in this block, which looks into *place*."""
    try:
        yield
    except OSError as exc:
        path = place if exc.filename is None else Path(os.fsdecode(exc.filename))
        raise FileNotReadError(path, Problem.UNREADABLE, exc.strerror or str(exc)) from exc


def read_file(path: Path, *, first: int | None = None, follow: bool = True, settled: bool = False) -> bytes:
    """Return the content of a file, or its *first* bytes; *settled*: read until it is the same twice.

    Raises: FileNotReadError.
    """
    try:
        data = _read(path, MAX_SIZE + 1 if first is None else first, follow=follow, settled=settled)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise FileNotReadError(path, Problem.MISSING, "there is no such file") from exc
    except (OSError, ValueError) as exc:
        raise FileNotReadError(path, Problem.UNREADABLE, _why(path, exc)) from exc
    if data is None:
        raise FileNotReadError(path, Problem.UNREADABLE, "it is not a plain file")
    if len(data) > MAX_SIZE:
        raise FileNotReadError(path, Problem.MALFORMED, f"it is larger than {MAX_SIZE} bytes")
    return data


def read_if_there(path: Path, *, first: int | None = None, settled: bool = False) -> bytes | None:
    """Return the content of a file, or its *first* bytes; None where it is missing.

    One that others write over meanwhile is read until it is *settled*: the same twice.
    Raises: FileNotReadError.
    """
    try:
        return read_file(path, first=first, settled=settled)
    except FileNotReadError as exc:
        if exc.problem is Problem.MISSING:
            return None
        raise


def names_in(folder: Path, start: str, *, end: str = "", folders: bool = False) -> tuple[str, ...]:
    """Return the sorted names of the plain files, or *folders*, with this start and end; links are neither.

    Raises: FileNotReadError; a folder that is missing has no names.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if _is(entry, folders=folders)]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as exc:
        raise FileNotReadError(folder, Problem.UNREADABLE, _why(folder, exc)) from exc
    return tuple(sorted(name for name in found if name.startswith(start) and name.endswith(end)))


def _read(path: Path, size: int, *, follow: bool, settled: bool) -> bytes | None:
    # Without O_NONBLOCK a named pipe in the place of the file would wait for ever.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = b"".join(_chunks(descriptor, size))
        while settled and data != (data := _again(descriptor, size)):
            continue
        return data
    finally:
        os.close(descriptor)


def _again(descriptor: int, size: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return b"".join(_chunks(descriptor, size))


def _chunks(descriptor: int, size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := os.read(descriptor, min(size, _CHUNK))):
        yield chunk
        size -= len(chunk)


def _is(entry: os.DirEntry[str], *, folders: bool) -> bool:
    return entry.is_dir(follow_symlinks=False) if folders else entry.is_file(follow_symlinks=False)


def _why(path: Path, cause: OSError | ValueError) -> str:
    if isinstance(cause, ValueError):
        return "its name holds a zero byte or half a character"
    is_link = os.path.islink(path)  # noqa: PTH114 # unlike pathlib, it says no where it may not look
    return "it is a link" if is_link else f"the system says: {cause.strerror}"
