"""A package's file, read forward once and hashed on the way.

What is unpacked and what is hashed are the same bytes: a package that is replaced while it is
read cannot slip between a check and its use. Memory stays at one block.
"""

import hashlib
import os
import stat
from types import TracebackType
from typing import Self

from ledger.dataclass import dataclass

BLOCK = 1 << 20


class PackageReadError(Exception):
    """A package cannot be read on: *message* and *fact* become a reason. Never leaves the adapters."""

    def __init__(self, message: str, fact: str) -> None:
        super().__init__(message)
        self.message, self.fact = message, fact


@dataclass(frozen=True)
class _Identity:
    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, fd: int) -> "_Identity":
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            raise PackageReadError("the package is no file", f"it is of type {stat.S_IFMT(state.st_mode):o}")
        return cls(state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)


class Tape:
    """One open file; ``at`` looks anywhere, ``read`` and ``skip_to`` go forward and hash."""

    def __init__(self, path: str) -> None:
        try:
            # O_NONBLOCK: a pipe of that name must not hold the command up.
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as exc:
            raise PackageReadError("the package cannot be read", f"{path}: {exc.strerror}") from exc
        self._path = path
        try:
            self._identity = _Identity.of(self._fd)
        except PackageReadError:
            os.close(self._fd)
            raise
        self.size = self._identity.size
        self._hash = hashlib.sha256()
        self._block = memoryview(b"")
        self._start = 0  # where the block in hand begins in the file
        self._next = 0  # how much of it has been given out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    @property
    def position(self) -> int:
        """How far the tape has been read."""
        return self._start + self._next

    def at(self, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset*, fewer at the end; not hashed."""
        try:
            return os.pread(self._fd, length, offset)
        except OSError as exc:
            raise self._unreadable(exc) from exc

    def read(self, length: int) -> memoryview:
        """Return up to *length* bytes from here, none at the end."""
        if self._next == len(self._block) and not self._turn():
            return self._block[:0]
        piece = self._block[self._next : self._next + length]
        self._next += len(piece)
        return piece

    def skip_to(self, offset: int) -> None:
        """Go forward to *offset*, hashing what lies between."""
        while self.position < offset:
            if not self.read(offset - self.position):
                raise PackageReadError("the package is truncated", f"it ends at byte {self.position}")

    def finish(self) -> str:
        """Read to the end and return the sha256 of the whole file.

        Raises: PackageReadError where the file changed since it was opened.
        """
        while self.read(BLOCK):
            pass
        if _Identity.of(self._fd) != self._identity or self.position != self.size:
            raise PackageReadError("the package changed while it was read", self._path)
        return self._hash.hexdigest()

    def _turn(self) -> bool:
        self._start += len(self._block)
        try:
            block = os.read(self._fd, BLOCK)
        except OSError as exc:
            raise self._unreadable(exc) from exc
        self._hash.update(block)
        self._block, self._next = memoryview(block), 0
        return bool(block)

    def _unreadable(self, exc: OSError) -> PackageReadError:
        return PackageReadError("the package cannot be read", f"{self._path}: {exc.strerror}")
