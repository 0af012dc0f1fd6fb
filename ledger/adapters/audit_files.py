"""The files of a bundle, from a folder or a zip, without trust in either.

A name is a relative path of plain parts: no ``..``, no empty part, no backslash, no control
character. A doubled name is *failed*, and nothing is ever extracted: each file is read into memory,
up to 64 MiB. A link or a device is no file; what it means in a record is for the reader of that to
say. The members of a zip fill it from its first byte to its directory, and the end record ends it:
what stands elsewhere could be another zip to another reader. Its folders are empty members.
A folder with neither a manifest nor a checkpoint at its top is no record, and is not looked through.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ledger.application.audit_source import PartMissingError, PartWrongError

MAX_FILE = 64 * 1024 * 1024
_LINK = stat.S_IFLNK
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_LOCAL_HEADER, _NAME_LENGTHS, _END_RECORD = 30, 26, 22
_HAS_DESCRIPTOR = 0x0008
_NOTHING_DEFLATED = 2  # bytes
_SHOWN = 400
_HEADS = frozenset({"manifest.json", "checkpoint"})
_DESCRIPTORS, _NOTHING = frozenset({0, 12, 16, 20, 24}), frozenset({0})  # APPNOTE 4.3.9


class NoRecordError(PartMissingError):
    """There is something at *path*, and it is no record of a log."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(str(path), fact=fact)


class Files(Protocol):
    """Where the files of a bundle lie."""

    @property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        ...

    @property
    def odd(self) -> frozenset[str]:
        """The names of all that is neither a file nor a folder, such as links."""
        ...

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises: PartMissingError.
        """
        ...


class FolderFiles:
    """The files below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        found = dict(_walk(root))
        self.names = frozenset(name for name, is_file in found.items() if is_file)
        self.odd = frozenset(found) - self.names

    def read(self, name: str) -> bytes:
        """Return the content of a file; a link is not followed.

        Raises: PartMissingError, PartWrongError.
        """
        if name not in self.names:
            raise PartMissingError(name)
        try:
            descriptor = os.open(self._root / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                return _limited(name, file.read(MAX_FILE + 1))
        except OSError as exc:
            raise PartMissingError(name, fact=exc.strerror or str(exc)) from exc


class ZipFiles:
    """The files inside one zip."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        _check_extents(archive)
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        links, folders = set[str](), set[str]()
        for member in archive.infolist():
            name = _plain(member.orig_filename.removesuffix("/"))
            if name in self._members or name in links or name in folders:
                raise PartWrongError(name, fact="its name stands in the zip twice")
            if stat.S_IFMT(member.external_attr >> 16) == _LINK:
                links.add(name)
            elif member.orig_filename.endswith("/"):
                self._check_folder(name, member)
                folders.add(name)
            else:
                self._members[name] = member
        self.names, self.odd = frozenset(self._members), frozenset(links)

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises: PartMissingError, PartWrongError.
        """
        if name not in self._members:
            raise PartMissingError(name)
        return self._unpacked(name, self._members[name])

    def _check_folder(self, name: str, member: zipfile.ZipInfo) -> None:
        """Require that a folder holds no bytes that another reader could take for a file."""
        if member.compress_size > _NOTHING_DEFLATED or self._unpacked(name, member):
            raise PartWrongError(name, fact="it is a folder with a content")

    def _unpacked(self, name: str, member: zipfile.ZipInfo) -> bytes:
        if member.compress_type not in _METHODS:
            raise PartMissingError(name, fact="it is compressed in a way that no bundle is")
        try:
            with self._archive.open(member) as file:
                return _limited(name, file.read(MAX_FILE + 1))
        except (zipfile.BadZipFile, zlib.error, EOFError) as exc:
            raise PartWrongError(name, fact=f"it cannot be unpacked: {exc}") from exc
        except (OSError, NotImplementedError, RuntimeError, ValueError) as exc:
            raise PartMissingError(name, fact=f"it cannot be unpacked: {exc}") from exc


@contextmanager
def open_files(path: Path) -> Iterator[Files]:
    """Give the files of the folder or zip *path*; a folder that is no record is not looked through.

    Raises: NoRecordError, PartMissingError, PartWrongError.
    """
    if os.path.isdir(path):  # noqa: PTH112 # unlike pathlib, it says no where it may not look
        require_head(path)
        yield FolderFiles(path)
        return
    with _opened(path) as archive:
        yield ZipFiles(archive)


def require_head(path: Path) -> None:
    """Require that the folder or zip *path* has one of the files with which a record begins; nothing else is looked at.

    Raises: NoRecordError; PartMissingError where it cannot be looked at.
    """
    if os.path.isdir(path):  # noqa: PTH112 # as above
        names = {entry.name for entry in _entries(path)}
    else:
        with _opened(path) as archive:
            names = set(archive.namelist())
    if _HEADS.isdisjoint(names):
        raise NoRecordError(path, "it holds neither manifest.json nor checkpoint, as every bundle and log does")


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as exc:
        raise NoRecordError(path, f"it is neither a folder nor a zip: {exc}") from exc
    except OSError as exc:
        hint = "name the folder or zip that is to be verified, as a user who may read it"
        raise PartMissingError(str(path), fact=f"the system says: {exc.strerror or exc}", hint=hint) from exc


def _check_extents(archive: zipfile.ZipFile) -> None:
    """Require that nothing stands before, between or behind what the directory lists (APPNOTE 4.3).

    Raises: PartWrongError.
    """
    file = archive.fp
    if file is None:
        raise PartMissingError("the zip", fact="it is closed")
    at, allowed = 0, _NOTHING
    for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
        _check_gap(at, member.header_offset, allowed)
        file.seek(member.header_offset + _NAME_LENGTHS)
        lengths = int.from_bytes(file.read(2), "little") + int.from_bytes(file.read(2), "little")
        at = member.header_offset + _LOCAL_HEADER + lengths + member.compress_size
        allowed = _DESCRIPTORS if member.flag_bits & _HAS_DESCRIPTOR else _NOTHING
    _check_gap(at, archive.start_dir, allowed)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_RECORD))
    end = file.read()
    if not (end.startswith(b"PK\5\6") and end.endswith(b"\0\0")):
        raise PartWrongError("the zip", fact="bytes stand behind its end record")


def _check_gap(start: int, end: int, allowed: frozenset[int]) -> None:
    if end - start not in allowed:
        raise PartWrongError("the zip", fact=f"{end - start} bytes stand at byte {start} that belong to no file")


def _walk(root: Path) -> Iterator[tuple[str, bool]]:
    """Yield all below *root* but for folders, each with whether it is a file."""
    folders = [""]
    while folders:
        below = folders.pop()
        for entry in _entries(root / below):
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{name}/")
            else:
                yield _plain(name), entry.is_file(follow_symlinks=False)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as exc:
        raise PartMissingError(str(folder)[:_SHOWN], fact=exc.strerror or str(exc)) from exc


def _plain(name: str) -> str:
    parts = name.split("/")
    if "\\" in name or not name.isprintable() or any(part in {"", ".", ".."} for part in parts):
        raise PartWrongError(ascii(name), fact="its name leads out of the bundle, or is none that a bundle has")
    return name


def _limited(name: str, data: bytes) -> bytes:
    if len(data) > MAX_FILE:
        raise PartMissingError(name, fact=f"it is larger than {MAX_FILE} bytes")
    return data
