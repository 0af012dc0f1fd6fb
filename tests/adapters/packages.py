"""Small release packages in EMQX's layout, sound and spoiled.

The members of a sound package stand in ``sound_members``; a spoiled one differs from it in one
thing, which keeps each refusal's cause plain.
"""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VSN = "4.4.1"
NAME = "emqx-4.4.1-otp24.1.5-3-ubuntu20.04-amd64.zip"
SCRIPTS = ("emqx", "emqx_ctl", "nodetool", "cuttlefish", "install_upgrade.escript")
RELUP = b'%% coding: utf-8\n{"4.4.1",\n [{"4.4.0",[],[{load_object_code,{emqx,"4.4.1",[emqx]}},point_of_no_return]}],\n'
RELUP += b' [{"4.4.0",[],[restart_emulator]}]}.\n'


@dataclass(frozen=True)
class Content:
    """What a package holds at one path; *mode* with its type bits."""

    data: bytes = b""
    mode: int = stat.S_IFREG | 0o644


def rel_text(vsn: str = VSN, erts: str = "12.1.5") -> bytes:
    """Return the text of an emqx.rel."""
    return (
        f'{{release,{{"emqx","{vsn}"}},{{erts,"{erts}"}},[{{kernel,"8.1.3"}},{{stdlib,"3.16.1"}},{{emqx,"{vsn}"}}]}}.\n'
    ).encode()


def sound_members(vsn: str = VSN) -> dict[str, Content]:
    """Return the members of a sound package by their path in the installation."""
    files = {f"bin/{script}-{vsn}": f"#!/bin/sh\n# {script} {vsn}\n".encode() for script in SCRIPTS}
    files |= {
        "bin/emqx": b"#!/bin/sh\n# emqx\n",
        "erts-12.1.5/bin/beam.smp": b"\x7fELF" + bytes(range(256)) * 8,
        "etc/emqx.conf": b"node.name = emqx@127.0.0.1\n",
        "lib/kernel-8.1.3/ebin/kernel.beam": b"FOR1kernel" * 30,
        "lib/stdlib-3.16.1/ebin/stdlib.beam": b"FOR1stdlib" * 30,
        f"lib/emqx-{vsn}/ebin/emqx.beam": f"FOR1emqx {vsn}".encode() * 20,
        "releases/RELEASES": b"[].\n",
        "releases/emqx.rel": rel_text(vsn),
        "releases/emqx_vars": b'REL_VSN="4.4.1"\n',
        "releases/start_erl.data": f"12.1.5 {vsn}".encode(),
        f"releases/{vsn}/emqx.rel": rel_text(vsn),
        f"releases/{vsn}/no_dot_erlang.boot": b"boot" * 5,
        f"releases/{vsn}/relup": RELUP.replace(b"4.4.1", vsn.encode()),
        f"releases/{vsn}/start.boot": b"start" * 9,
    }
    members = {path: Content(data) for path, data in files.items()}
    members["bin/emqx"] = Content(files["bin/emqx"], stat.S_IFREG | 0o755)
    return members | {"log/": Content(mode=stat.S_IFDIR | 0o755)}


def zipped(members: Mapping[str, Content], *, top: str = "emqx/", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of *members* below *top*."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, content in members.items():
            archive.writestr(zip_info(top + path, content.mode, method=method), content.data)
    return file.getvalue()


def zip_info(name: str, mode: int = stat.S_IFREG | 0o644, *, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """Return the header of a member made on Unix."""
    info = zipfile.ZipInfo(name, (2024, 1, 2, 3, 4, 6))
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def tarred(members: Mapping[str, Content], *, prefix: str = "", form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a gzipped tar of *members*, without a top folder."""
    return gzip.compress(plain_tar(members, prefix=prefix, form=form), mtime=0)


def plain_tar(members: Mapping[str, Content], *, prefix: str = "", form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar of *members*; the type bits of a mode become the kind of the member."""
    kinds = {stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFIFO: tarfile.FIFOTYPE}
    kinds |= {stat.S_IFCHR: tarfile.CHRTYPE, stat.S_IFBLK: tarfile.BLKTYPE, stat.S_IFSOCK: tarfile.LNKTYPE}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for path, content in members.items():
            info = tarfile.TarInfo(prefix + path.rstrip("/"))
            info.type = kinds.get(stat.S_IFMT(content.mode), tarfile.REGTYPE)
            info.mode = stat.S_IMODE(content.mode)
            info.size = len(content.data) if info.isreg() else 0
            info.linkname = "" if info.isreg() else content.data.decode()
            archive.addfile(info, io.BytesIO(content.data))
    return file.getvalue()


def installation(root: Path, *, vsn: str = "4.4.0") -> Path:
    """Make the few files of an installation of *vsn* that staging looks at, and return *root*."""
    files = {
        "bin/emqx": b"#!/bin/sh\n# the running one\n",
        "etc/emqx.conf": b"node.name = emqx@10.0.0.7\n",
        "lib/kernel-8.1.3/ebin/kernel.beam": b"FOR1kernel" * 30,
        "releases/RELEASES": b"[running].\n",
        "releases/emqx_vars": b'REL_VSN="4.4.0"\n',
        "releases/start_erl.data": b"12.1.5 4.4.0",
        f"releases/{vsn}/start.boot": b"old",
    }
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def put(root: Path, data: bytes, name: str = NAME) -> Path:
    """Put a package into ``releases/`` and return its path."""
    path = root / "releases" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def tree(root: Path) -> dict[str, bytes | None]:
    """Return every path below *root* with its content, None for folders."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(root.rglob("*"))
    }


def central_headers(data: bytes) -> list[int]:
    """Return where the headers in the central directory of a zip without comment begin."""
    count, size, start = struct.unpack_from("<H2L", data, len(data) - 12)
    found, at = [], start
    for _ in range(count):
        found.append(at)
        at += 46 + sum(struct.unpack_from("<3H", data, at + 28))
    return found if at == start + size else []


def local_header(data: bytes, central: int) -> int:
    """Return where the local header of the member whose central header is at *central* begins."""
    return int(struct.unpack_from("<L", data, central + 42)[0])


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """Return *data* with the bytes *new* at *at*."""
    return data[:at] + new + data[at + len(new) :]
