"""Release packages as EMQX publishes them, and the tarball that its script makes of one.

A zip has the one top folder ``emqx/``, the modes of its files and a ``.sha256`` beside it: 64 hex
digits, no name, no newline. A tarball has no top folder unless one is asked for. Times are fixed,
so that the same release gives the same bytes.
"""

import gzip
import hashlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path

from demo.emqx_tree import File, ReleaseSpec, package_files, package_folders

TOP_FOLDER = "emqx"

_ZIP_TIME = (2023, 3, 1, 12, 0, 0)
_TAR_TIME = 1_677_672_000  # the same moment
_UNIX = 3
_IS_FOLDER = 0x10  # the MS-DOS attribute, which unzip programs ask for
_FOLDER_MODE = 0o755
_LEVEL = 1


def make_package(folder: Path, spec: ReleaseSpec, *, name: str | None = None, checksum: bool = True) -> Path:
    """Write the package of *spec* into *folder* and return its path.

    It is called as published unless *name* says otherwise; *checksum* puts the ``.sha256`` beside it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or spec.package_name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as package:
        for directory in ("", *(f"{path}/" for path in package_folders(spec))):
            package.writestr(_zip_member(f"{TOP_FOLDER}/{directory}", stat.S_IFDIR | _FOLDER_MODE), b"")
        for file_path, file in package_files(spec).items():
            member = _zip_member(f"{TOP_FOLDER}/{file_path}", stat.S_IFREG | file.mode)
            member.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(member, file.content, compresslevel=_LEVEL)
    if checksum:
        write_checksum(path)
    return path


def write_checksum(package: Path) -> Path:
    """Write the ``.sha256`` of *package* beside it and return its path."""
    path = package.with_name(f"{package.name}.sha256")
    path.write_text(hashlib.sha256(package.read_bytes()).hexdigest(), encoding="ascii")
    return path


def make_tarball(path: Path, spec: ReleaseSpec, *, top_folder: str | None = None) -> Path:
    """Write the release of *spec* as ``tar.gz`` to *path* and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    start = f"{top_folder}/" if top_folder else ""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=_TAR_TIME) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tarball,
    ):
        if top_folder:
            tarball.addfile(_tar_folder(top_folder))
        for folder in package_folders(spec):
            tarball.addfile(_tar_folder(start + folder))
        for file_path, file in package_files(spec).items():
            tarball.addfile(_tar_file(start + file_path, file), io.BytesIO(file.content))
    return path


def _zip_member(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _ZIP_TIME)
    member.create_system = _UNIX
    member.external_attr = mode << 16 | (_IS_FOLDER if stat.S_ISDIR(mode) else 0)
    return member


def _tar_folder(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, _FOLDER_MODE, _TAR_TIME
    return member


def _tar_file(name: str, file: File) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(file.content), file.mode, _TAR_TIME
    return member
