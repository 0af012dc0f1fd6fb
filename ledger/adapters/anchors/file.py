"""A file as outside holder: every note, one behind the other, best on a disk of another host.

Each note stands verbatim with one empty line behind it. It is appended and never replaced, so
the file may be append-only by attribute or by the server that exports it. What a crash or a
full disk left behind half a note is skipped by readers; before appending the file is cut back
to its last whole write where the system allows that.

Before a note is added, the last one of this log in the file is compared with it: a file that is
ahead, or that has another root for the same events, speaks against the ledger. Whoever can
write the file can forget notes; only what the log's key signed counts.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ledger.adapters.durable import WriteFailedError, sync_folder
from ledger.application.anchor_ports import HeldHistoryError, HolderAheadError, LogKeys, SignedTip, open_by
from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.note import SignatureError
from ledger.tlog.tiled_tree import TiledTree

_TAIL = 256 * 1024
_DIVIDER = b"\n\n"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class HolderFileError(CheckFailedError):
    """A file does not take the note."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"the file {path} does not hold the newest checkpoint",
            fact=fact,
            hint="see that its folder is there, writable and not full; the next command tries again",
        )
        self.path = path


@dataclass(frozen=True)
class FileAnchor:
    """The file at *path*, for the log that *log* signs; *mark* ends its name, see ``Anchor.name``."""

    path: Path
    log: LogKeys
    mark: str = ""

    @property
    def name(self) -> str:
        """Its name in the table ``anchor``."""
        return f"file:{self.path}{self.mark}"

    @property
    def vouches(self) -> bool:
        """Whether no other host can have made a receipt of it."""
        return not self.mark

    def hand_over(self, tip: SignedTip, *, tree: TiledTree, last: int) -> bytes:  # noqa: ARG002 # the file itself says what it has
        """Append the note, wait for the disk, read it back, and return it.

        Raises: HeldHistoryError where the file contradicts the ledger; HolderFileError.
        """
        with self._open() as descriptor:
            newest = self._newest(descriptor)
            if newest is not None:
                self._compare(newest, tip, tree)
            if newest is None or newest.size < tip.size:
                self._append(descriptor, tip.note)
        return tip.note

    def read(self, proof: bytes) -> Checkpoint:
        """Return the checkpoint of a note that the log signed.

        Raises: SignatureError, FormatError.
        """
        return open_by(self.log, proof).checkpoint

    def last_note(self) -> bytes | None:
        """Return the last note in the file that the log signed, None where there is none; nothing is written.

        Raises: HolderFileError where the file cannot be read.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                return self._newest_note(descriptor)
            finally:
                os.close(descriptor)
        except OSError as exc:
            raise HolderFileError(self.path, exc.strerror or str(exc)) from exc

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        try:
            descriptor = self._opened()
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise HolderFileError(self.path, "it is not a plain file")
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield descriptor
            finally:
                os.close(descriptor)
        except (OSError, WriteFailedError) as exc:
            raise HolderFileError(self.path, getattr(exc, "strerror", None) or str(exc)) from exc

    def _opened(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return os.open(self.path, _FLAGS)
        descriptor = os.open(self.path, _FLAGS | os.O_CREAT, 0o644)
        sync_folder(self.path.parent)
        return descriptor

    def _newest(self, descriptor: int) -> Checkpoint | None:
        note = self._newest_note(descriptor)
        return None if note is None else self.read(note)

    def _newest_note(self, descriptor: int) -> bytes | None:
        end = os.fstat(descriptor).st_size
        blocks = os.pread(descriptor, _TAIL, max(0, end - _TAIL)).split(_DIVIDER)
        for text, lines in zip(blocks[-2::-1], blocks[:0:-1], strict=True):
            note = text + _DIVIDER + lines.removesuffix(b"\n") + b"\n"
            with contextlib.suppress(FormatError, SignatureError):
                self.read(note)
                return note
        return None

    def _compare(self, newest: Checkpoint, tip: SignedTip, tree: TiledTree) -> None:
        if newest.size > tip.size:
            raise HolderAheadError(self.name, newest.size, own=tip.size)
        if tree.root(newest.size) != newest.root:
            raise HeldHistoryError(self.name, f"its root for the first {newest.size} events is not the ledger's")

    def _append(self, descriptor: int, note: bytes) -> None:
        end = os.fstat(descriptor).st_size
        # Half a note that a crash left behind is closed, so that this one begins a block of its own.
        whole = os.pread(descriptor, len(_DIVIDER), max(0, end - len(_DIVIDER))) in {b"", _DIVIDER}
        data = (b"" if whole else _DIVIDER) + note + b"\n"
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
        if os.pread(descriptor, len(data), end) != data:
            raise HolderFileError(self.path, "it returns other bytes than were written")
