"""The folder in which a package is laid out, seen against the installation that it is for.

Each file of the package is either written here or left out. It is left out where the path exists,
where it lies in a folder that releases share and that exists, and where it cannot be moved into
place: below a link or a mount (``data`` is often one). The files that say what boots next are
always the installation's own. Of all files the digest is kept.

Shared folders and versioned scripts that exist must have the package's content.

Modes come from the package, without setuid, setgid, sticky and write for others; ``bin/*`` and
``erts-*/bin/*`` can be executed; the umask has no say. For root the owner is that of ``releases/``;
the staging folder itself is root's alone and is held open, so that nobody can put a link in the way.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.adapters.package_layout import SCRIPTS, shared_folder
from ledger.adapters.package_members import Member, named, unsound
from ledger.adapters.package_tape import BLOCK
from ledger.domain.reason import Reason

Pieces = Iterator[memoryview | bytes]

_STATE = frozenset(("releases/RELEASES", "releases/start_erl.data", "releases/emqx_vars"))
_NEEDED = re.compile(r"(?:lib|bin|releases|erts-[^/]*)(?:/.*)?")
_EXECUTABLE = re.compile(r"(?:erts-[^/]+/)?bin/[^/]+")
_PLAIN_FILE, _PLAIN_FOLDER = 0o644, 0o755


class StagingArea:
    """The staging *folder* of release *vsn*, new, for the installation at *root*; a context.

    What *absent* names, and all below it, is taken as not there.
    """

    def __init__(self, root: Path, folder: Path, vsn: str, *, absent: tuple[str, ...] = ()) -> None:
        self._root, self._folder = root, folder
        state = (root / "releases").stat()
        self._device = state.st_dev
        self._owner = (state.st_uid, state.st_gid) if os.geteuid() == 0 else None
        self._absent = absent
        self._scripts = frozenset(f"bin/{script}-{vsn}" for script in SCRIPTS)
        self._lines: list[str] = []
        self._places: dict[str, bool] = {}
        self._made: set[str] = set()
        self._shared: dict[str, bool] = {}
        self._different: list[str] = []
        self._blocked: list[str] = []
        self.left_out = self.written_bytes = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700)
        self._fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._make_folder("releases")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    @property
    def files(self) -> int:
        """How many files the package has."""
        return len(self._lines)

    def files_sha256(self) -> str:
        """Return the sha256 of the sorted lines ``<octal mode> <size> <sha256> <path>`` (RULINGS 4)."""
        return hashlib.sha256("".join(sorted(self._lines)).encode()).hexdigest()

    def problems(self) -> tuple[Reason, ...]:
        """Return in what the installation contradicts the package."""
        reasons = []
        if self._different:
            message = "the installation has other content than the package"
            hint = "a damaged or foreign file: move it away if no installed version uses it, then repeat"
            reasons.append(unsound(message, named(self._different), hint))
        if self._blocked:
            message = "the installation has no folder of its own where the package needs one"
            hint = "lib, bin, releases and erts folders must be folders on one file system"
            reasons.append(unsound(message, named(self._blocked), hint))
        return tuple(reasons)

    def take(self, member: Member, pieces: Pieces) -> None:
        """Write *member* with the content *pieces*, or leave it out; its digest is kept."""
        if member.is_folder:
            for _ in pieces:
                pass
            if member.path and self._has_place(member.path):
                self._make_folder(member.path, mode=(member.mode & _PLAIN_FOLDER or _PLAIN_FOLDER) | 0o700)
            return
        mode = _file_mode(member)
        is_shared = self._is_shared(member.path)
        if is_shared or self._is_kept(member.path):
            digest = _digest(pieces)
            self.left_out += 1
            target = self._root / member.path
            must_equal = is_shared or (member.path in self._scripts and os.path.lexists(target))
            if must_equal and _digest_of_file(target, member.size) != digest:
                self._different.append(member.path)
        else:
            digest = self._write(member, mode, pieces)
            self.written_bytes += member.size
        self._lines.append(f"{mode:04o} {member.size} {digest} {member.path}\n")

    def _is_shared(self, path: str) -> bool:
        """Whether *path* lies in a shared folder that the installation has."""
        folder = shared_folder(path)
        if folder is None:
            return False
        if folder not in self._shared:
            self._shared[folder] = os.path.lexists(self._root / folder)
        return self._shared[folder]

    def _is_kept(self, path: str) -> bool:
        in_place = self._has_place(path.rpartition("/")[0])
        return path in _STATE or not in_place or self._is_there(path)

    def _is_there(self, path: str) -> bool:
        gone = any(path == absent or path.startswith(f"{absent}/") for absent in self._absent)
        return not gone and os.path.lexists(self._root / path)

    def _has_place(self, folder: str) -> bool:
        """Whether what is staged for *folder* can be moved there by a rename."""
        if folder not in self._places:
            self._places[folder] = self._found_place(folder)
        return self._places[folder]

    def _found_place(self, folder: str) -> bool:
        if folder and not self._has_place(folder.rpartition("/")[0]):
            return False
        path = self._root / folder
        if not self._is_there(folder):
            return True
        is_needed = _NEEDED.fullmatch(folder) is not None
        if path.is_dir() and path.stat().st_dev == self._device and (is_needed or not folder or not path.is_symlink()):
            return True
        if is_needed or not folder:
            self._blocked.append(folder)
        return False

    def _make_folder(self, folder: str, mode: int | None = None) -> None:
        if folder not in self._made:
            above = folder.rpartition("/")[0]
            if above:
                self._make_folder(above)
            os.mkdir(folder, dir_fd=self._fd)
            self._made.add(folder)
            self._own(folder, mode or _PLAIN_FOLDER)
        elif mode is not None:
            self._own(folder, mode)

    def _own(self, path: str, mode: int) -> None:
        os.chmod(path, mode, dir_fd=self._fd)
        if self._owner is not None:
            os.chown(path, *self._owner, dir_fd=self._fd, follow_symlinks=False)

    def _write(self, member: Member, mode: int, pieces: Pieces) -> str:
        folder = member.path.rpartition("/")[0]
        if folder:
            self._make_folder(folder)
        digest = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(member.path, flags, 0o600, dir_fd=self._fd)
        try:
            for piece in pieces:
                digest.update(piece)
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(fd, rest) :]
            os.fchmod(fd, mode)
            if self._owner is not None:
                os.fchown(fd, *self._owner)
        finally:
            os.close(fd)
        return digest.hexdigest()


def _file_mode(member: Member) -> int:
    mode = (member.mode & _PLAIN_FOLDER or _PLAIN_FILE) | 0o600
    # Read may become execute; EMQX's own script loses these bits (native-driver.md 3).
    return mode | (mode & 0o444) >> 2 if _EXECUTABLE.fullmatch(member.path) else mode


def _digest(pieces: Pieces) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _digest_of_file(path: Path, size: int) -> str | None:
    """Return the sha256 of the plain file at *path*, None where there is none of *size* bytes."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode) or state.st_size != size:
            return None
        return _digest(iter(lambda: os.read(fd, BLOCK), b""))
    finally:
        os.close(fd)
