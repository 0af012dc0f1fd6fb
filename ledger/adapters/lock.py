"""Locks that die with their process: flock(2) on a file that is never deleted.

Deleting a lock file would let two processes hold "the" lock on two files. The holder writes its
process id and what it does into the file, for the message to those who find it held; the text
is information, the lock is the kernel's.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ledger.errors import LockedError, UsageError

INSTALLATION_LOCK = "releases/.release-ledger.lock"
_POLL_SECONDS = 0.05
_NOTE_LIMIT = 200
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LockHeldError(LockedError):
    """Another process holds the lock; *holder* is what it wrote of itself."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(
            "another release command is at work",
            fact=f"{path} is held by {holder or 'another process'}",
            hint="wait for it to end; a change, and `recover`, wait with `--wait SECONDS`",
        )
        self.path = path
        self.holder = holder


class LockFileError(UsageError):
    """The lock file cannot be opened."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"the lock {path} cannot be taken",
            fact=fact,
            hint="run as the user who owns the installation and the ledger",
        )
        self.path = path


class FileLock:
    """A lock on one file; one that is held for moments only is not *signed* with its holder.

    Several may hold one that is *shared* at once, and nobody else with them.
    """

    def __init__(self, path: Path, *, mode: int = 0o644, signed: bool = True, shared: bool = False) -> None:
        self._path = path
        self._mode = mode
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._write_holder = _write_holder if signed else _write_nothing

    @contextmanager
    def hold(self, what: str, *, wait: float = 0) -> Iterator[None]:
        """Hold the lock for *what*, waiting up to *wait* seconds for it.

        Raises: LockHeldError naming who holds it; LockFileError.
        """
        descriptor = self._open()
        try:
            self._take(descriptor, time.monotonic() + wait)
            self._write_holder(descriptor, f"process {os.getpid()}, {what}")
            try:
                yield
            finally:
                self._write_holder(descriptor, "")
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            descriptor = self._open_or_make()
        except OSError as exc:
            raise LockFileError(self._path, os.strerror(exc.errno or errno.EIO)) from exc
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            # The holder's note would be written over a file of somebody else.
            os.close(descriptor)
            raise LockFileError(self._path, "it is not a plain file of its own")
        return descriptor

    def _open_or_make(self) -> int:
        with suppress(FileNotFoundError):
            return os.open(self._path, _FLAGS)
        with suppress(FileExistsError):
            descriptor = os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, self._mode)
            if os.geteuid() == 0:  # so that the installation's own user can take it later
                folder = self._path.parent.stat()
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
            return descriptor
        return os.open(self._path, _FLAGS)

    def _take(self, descriptor: int, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(descriptor, self._how | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                if time.monotonic() >= deadline:
                    raise LockHeldError(self._path, _read_holder(descriptor)) from exc
                time.sleep(_POLL_SECONDS)
            except OSError as exc:
                raise LockFileError(self._path, os.strerror(exc.errno or errno.EIO)) from exc
            else:
                return


@contextmanager
def turn_at(folder: Path) -> Iterator[None]:
    """Let those who come at once go on one after the other, as far as *folder* can be locked; no file is made."""
    descriptor = None
    try:
        with suppress(OSError):  # who may not look there, or has no such locks, is refused or goes on as before
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _write_holder(descriptor: int, text: str) -> None:
    with suppress(OSError):  # a full disk takes the note away, never the lock
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _write_nothing(_descriptor: int, _text: str) -> None:
    """Leave the file as it is."""


def _read_holder(descriptor: int) -> str:
    text = os.pread(descriptor, _NOTE_LIMIT, 0).decode("ascii", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)
