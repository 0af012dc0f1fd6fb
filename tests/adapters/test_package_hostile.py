"""Broken and hostile packages: each kind with all the reasons that it is refused for.

PRODUCT section 3, rule 3, and RULINGS 35. A kind is refused by inspecting it or, where only its
content is wrong, by laying it out; the installation is untouched either way.
"""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.adapters.package_files import inspect_package
from ledger.adapters.staging import stage
from ledger.domain.package_facts import PackageUnsoundError
from ledger.domain.reason import Reason, Rule
from ledger.domain.version import Vsn
from tests.adapters.packages import (
    NAME,
    VSN,
    Content,
    central_headers,
    installation,
    local_header,
    patched,
    plain_tar,
    put,
    rel_text,
    sound_members,
    tarred,
    tree,
    zip_info,
    zipped,
)

_LINK, _PIPE, _DEVICE, _HARD_LINK = stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644, stat.S_IFSOCK
_EMQX_REL, _RELUP = f"releases/{VSN}/emqx.rel", f"releases/{VSN}/relup"


def having(name: str, data: bytes = b"evil", mode: int = stat.S_IFREG | 0o644) -> bytes:
    """Return a zip with one more member, *name* as it stands in the zip."""
    file = io.BytesIO(zipped(sound_members()))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zip_info(name, mode), data)
    return file.getvalue()


def raw_named(name: bytes) -> bytes:
    """Return a zip with one more member whose name is *name*, byte for byte."""
    stand_in = "emqx/" + "~" * (len(name) - 5)
    return having(stand_in).replace(stand_in.encode(), name)


def lacking(*paths: str) -> bytes:
    return zipped({path: content for path, content in sound_members().items() if path not in paths})


def saying(path: str, text: bytes) -> bytes:
    return zipped(sound_members() | {path: Content(text)})


def in_directory(offset: int, new: bytes, *, entry: int = 0, local: int | None = None) -> bytes:
    """Return a zip with *new* in the header of one *entry*, and at *local* in its local header."""
    data = zipped(sound_members())
    header = central_headers(data)[entry]
    if local is not None:
        data = patched(data, local_header(data, header) + local, new)
    return patched(data, header + offset, new)


def with_wrong_content(change: Callable[[bytes], bytes]) -> bytes:
    """Return a zip whose first member holds something else, of the same packed length."""
    data = zipped(sound_members(), method=zipfile.ZIP_STORED)
    at = local_header(data, central_headers(data)[0])
    names, extras = struct.unpack_from("<2H", data, at + 26)
    start = at + 30 + names + extras
    return patched(data, start, change(data[start : start + 8]))


def with_declared_size(size: int) -> bytes:
    """Return a zip that declares *size* for its first, compressed, member."""
    return in_directory(24, struct.pack("<L", size), local=22)


def prepended(data: bytes, before: bytes) -> bytes:
    """Return the zip *data* behind the bytes *before*, with all offsets set right."""
    for header in central_headers(data):
        data = patched(data, header + 42, struct.pack("<L", local_header(data, header) + len(before)))
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    return before + patched(data, len(data) - 6, struct.pack("<L", start + len(before)))


def overlapping() -> bytes:
    """Return a zip whose second entry points at the member of the first."""
    data = zipped(sound_members())
    first, second = central_headers(data)[:2]
    return patched(data, second + 42, struct.pack("<L", local_header(data, first)))


def crowded(*, at: int = 0, length: int = 44) -> bytes:
    """Return a zip whose zip64 end record, at byte *at* as its locator says, names more members than are read."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", length, 45, 45, 0, 0, 65_536, 65_536, 0, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    end = zipped({})
    return record + locator + patched(end, len(end) - 14, struct.pack("<2H", 65_535, 65_535))


def tar_having(name: str, mode: int = stat.S_IFREG | 0o644, data: bytes = b"evil") -> bytes:
    return tarred(sound_members() | {name: Content(data, mode)})


def tar_with_header(change: Callable[[bytearray], None]) -> bytes:
    """Return a tarball whose first header is changed and its checksum set right."""
    header = bytearray(plain_tar(sound_members()))
    change(header)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return gzip.compress(bytes(header))


def tar_with_pax(body: bytes) -> bytes:
    """Return a tarball that begins with a pax header of this *body*."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(body)
    padded = body + b"\0" * (-len(body) % 512)
    return gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + padded + plain_tar(sound_members()))


def locally(offset: int, new: bytes) -> bytes:
    """Return a zip with *new* in the local header of its first member only."""
    data = zipped(sound_members())
    return patched(data, local_header(data, central_headers(data)[0]) + offset, new)


def linked_from_dos() -> bytes:
    data = having("emqx/lib/evil", b"/etc", _LINK)
    return patched(data, central_headers(data)[-1] + 5, b"\0")


def streamed(change: Callable[[bytes], bytes] = bytes) -> bytes:
    """Return a zip written to a pipe, the first data descriptor of which is changed."""

    class Pipe(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            piece = bytes(memoryview(data))  # type: ignore[arg-type] # any buffer, as RawIOBase has it
            self.written += piece
            return len(piece)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        for path, content in sound_members().items():
            archive.writestr(zip_info(f"emqx/{path}", content.mode), content.data)
    at = pipe.written.index(b"PK\7\x08")
    return patched(pipe.written, at, change(pipe.written[at : at + 16]))


def with_extra(name: str, extra: bytes, *, local: bytes | None = None) -> bytes:
    """Return a zip with one more member that has an *extra* field, in its local header *local* where it is given."""
    file = io.BytesIO(zipped(sound_members()))
    with zipfile.ZipFile(file, "a") as archive:
        info = zip_info(name)
        info.extra = extra
        archive.writestr(info, b"evil")
    data = file.getvalue()
    at = local_header(data, central_headers(data)[-1]) + 30 + len(name)
    return data if local is None else patched(data, at, local)


def unicode_name(plain: str, name: str) -> bytes:
    """Return the extra field that Info-ZIP takes for the name (APPNOTE 4.6.9)."""
    body = b"\1" + struct.pack("<L", zlib.crc32(plain.encode())) + name.encode()
    return struct.pack("<2H", 0x7075, len(body)) + body


def with_local_zip64(size: int) -> bytes:
    """Return a zip whose last member has its size in a zip64 field of the local header: *size*."""
    extra = struct.pack("<2H2Q", 1, 16, size, 6)
    data = with_extra("emqx/etc/large", extra)
    at = local_header(data, central_headers(data)[-1])
    return patched(data, at + 18, b"\xff" * 8)


def twice() -> bytes:
    return having("emqx/etc/emqx.cont").replace(b"emqx/etc/emqx.cont", b"emqx/etc/emqx.conf")


def twins_by_accent() -> bytes:
    file = io.BytesIO(having("emqx/etc/caf\u00e9"))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zip_info("emqx/etc/cafe\u0301"), b"")
    return file.getvalue()


def broken_stream(new: bytes) -> bytes:
    data = zipped(sound_members())
    at = local_header(data, central_headers(data)[0])
    return patched(data, at + 30 + struct.unpack_from("<H", data, at + 26)[0], new)


def damaged_rel() -> bytes:
    """Return a zip in which the stored text of emqx.rel has another letter."""
    data = zipped(sound_members(), method=zipfile.ZIP_STORED)
    text = rel_text() + b"PK"
    return patched(data, data.rindex(text), text.replace(b"kernel", b"colonel"[:6]))


_ABSOLUTE = "the package has absolute names"
_BACKSLASH = "the package has names with backslashes"
_BOMB = "the package is a bomb"
_CONTENT = "the package has members with wrong content"
_CONTRADICTS = "the package has members whose header contradicts the directory"
_ENCRYPTED = "the package has encrypted members"
_EMPTY = "the package is empty"
_FILE_AND_FOLDER = "the package has a file where it has a folder"
_LACKS = "the package lacks files that the release needs"
_LEAVES = "the package has names that leave the installation"
_LINKS = "the package has links"
_METHOD = "the package has members compressed in an unknown way"
_NOT_TAR = "the package is no sound tar.gz"
_NOT_UTF8 = "the package has names that are not UTF-8"
_NOT_ZIP = "the package is no sound zip"
_NO_REL = "the package has no emqx.rel"
_OVERLAP = "the package has members that overlap"
_RESERVED = "the package has names that belong to this tool"
_SPECIAL = "the package has devices or other special files"
_STRANGER = "the package has files of another version"
_STRAY = "the package has bytes that belong to no member"
_TOO_LONG = "the package has names that are too long"
_TOO_MANY = "the package has too many members"
_TOP = "the package has a wrong top folder"
_TWICE = "the package has members of the same name"
_TWINS = "the package has names that differ only by case"
_UNCLEAN = "the package has names with empty parts or dots"
_UNPRINTABLE = "the package has names with characters that cannot be printed"
_UNREADABLE_REL = "the package's emqx.rel cannot be read"
_UNREADABLE_RELUP = "the package's relup cannot be read"
_WRONG_VERSION = f"the package is of another version than {VSN}"

Case = tuple[Callable[[], bytes], set[str], str]

ZIPS: dict[str, Case] = {
    "empty": (lambda: b"", {_EMPTY}, "0"),
    "no zip": (lambda: b"<html>404</html>" * 99, {_NOT_ZIP}, "no end record"),
    "a tarball by the name of a zip": (lambda: tarred(sound_members()), {_NOT_ZIP}, "no end record"),
    "zip of nothing": (lambda: zipped({}), {_NO_REL, _LACKS}, _EMQX_REL),
    "truncated in the end record": (lambda: zipped(sound_members())[:-5], {_NOT_ZIP}, "no end record"),
    "truncated in the directory": (lambda: zipped(sound_members())[:-300], {_NOT_ZIP}, "no end record"),
    "truncated in the middle": (lambda: zipped(sound_members())[:900], {_NOT_ZIP}, "no end record"),
    "front cut off": (lambda: zipped(sound_members())[60:], {_NOT_ZIP}, "its directory ends at"),
    "trailing bytes": (lambda: zipped(sound_members()) + b"more", {_NOT_ZIP}, "4 bytes behind"),
    "bytes in front, offsets not set": (lambda: b"#!/bin/sh\n" + zipped(sound_members()), {_NOT_ZIP}, "its directory"),
    "bytes in front": (lambda: prepended(zipped(sound_members()), b"#!/bin/sh\n"), {_STRAY}, "10 bytes before"),
    "two zips": (lambda: prepended(zipped(sound_members()), zipped({})), {_STRAY}, "22 bytes before"),
    "several disks": (
        lambda: zipped(sound_members())[:-18] + b"\1" + zipped(sound_members())[-17:],
        {_NOT_ZIP},
        "disks",
    ),
    "directory entry broken": (lambda: in_directory(0, b"PK\0\0"), {_NOT_ZIP}, "entry at byte 0"),
    "directory longer than its entries": (
        lambda: (data := zipped(sound_members()))[:-14] + struct.pack("<2H", 3, 3) + data[-10:],
        {_NOT_ZIP},
        "bytes behind the 3 entries",
    ),
    "directory shorter than its entries": (
        lambda: (data := zipped(sound_members()))[:-14] + struct.pack("<2H", 99, 99) + data[-10:],
        {_NOT_ZIP},
        "cannot be read",
    ),
    "local header missing": (lambda: in_directory(42, struct.pack("<L", 7)), {_NOT_ZIP}, "header of"),
    "zip64 record missing": (
        lambda: (data := zipped({}))[:-14] + b"\xff" * 4 + data[-10:-6] + b"\xff" * 4 + data[-2:],
        {_NOT_ZIP},
        "ends at",
    ),
    "zip64 record elsewhere": (lambda: crowded(at=5), {_NOT_ZIP}, "zip64 end record is missing"),
    "zip64 record of another length": (lambda: crowded(length=45), {_NOT_ZIP}, "behind its zip64 end record"),
    "too many members": (crowded, {_TOO_MANY}, "65536"),
    "traversal": (lambda: having("emqx/../../etc/cron.d/evil"), {_LEAVES}, "../../etc"),
    "traversal in the middle": (lambda: having("emqx/lib/../../../evil"), {_LEAVES}, "lib/.."),
    "dots": (lambda: having("emqx/./etc/evil"), {_UNCLEAN}, "/./"),
    "double slash": (lambda: having("emqx/etc//evil"), {_UNCLEAN}, "//"),
    "absolute": (lambda: having("/emqx/evil"), {_ABSOLUTE, _TOP}, "/emqx/evil"),
    "drive letter": (lambda: having("C:/emqx/evil"), {"the package has names with drive letters", _TOP}, "C:"),
    "backslash": (lambda: having("emqx/..\\..\\evil"), {_BACKSLASH}, "evil"),
    "NUL in a name": (lambda: raw_named(b"emqx/etc/evil\0.conf"), {_UNPRINTABLE}, "\\x00"),
    "escape in a name": (lambda: having("emqx/etc/\x1b[2Jevil"), {_UNPRINTABLE}, "\\x1b"),
    "newline in a name": (lambda: having("emqx/etc/a\nb"), {_UNPRINTABLE}, "\\n"),
    "writing direction in a name": (lambda: having("emqx/etc/a\u202eb"), {_UNPRINTABLE}, "\\u202e"),
    "name not UTF-8": (lambda: raw_named(b"emqx/etc/\xff\xfe"), {_NOT_UTF8}, "\\udcff"),
    "name part too long": (lambda: having(f"emqx/{'n' * 256}"), {_TOO_LONG}, "nnn"),
    "name too long": (lambda: having(f"emqx/{'n/' * 2100}n"), {_TOO_LONG}, "n/n"),
    "two top folders": (lambda: having("other/evil"), {_TOP}, "other/evil"),
    "no top folder": (lambda: zipped(sound_members(), top=""), {_TOP}, "bin/emqx"),
    "top folder twice": (lambda: zipped(sound_members(), top="emqx/emqx/"), {_NO_REL, _LACKS}, "missing"),
    "file by the name of the top folder": (lambda: having("emqx"), {_TOP}, "'emqx'"),
    "link": (lambda: having("emqx/lib/evil", b"/etc", _LINK), {_LINKS}, "lib/evil"),
    "link from another system": (linked_from_dos, {_LINKS}, "evil"),
    "pipe": (lambda: having("emqx/etc/pipe", b"", _PIPE), {_SPECIAL}, "pipe"),
    "device": (lambda: having("emqx/etc/null", b"", _DEVICE), {_SPECIAL}, "null"),
    "folder with content": (lambda: having("emqx/etc/sub/", b"evil", stat.S_IFDIR | 0o755), {_CONTRADICTS}, "sub"),
    "folder by mode only": (lambda: having("emqx/etc/sub", b"", stat.S_IFDIR | 0o755), {_CONTRADICTS}, "sub"),
    "encrypted": (lambda: in_directory(8, b"\1\0", local=6), {_ENCRYPTED}, "bin/emqx"),
    "encrypted in the local header only": (lambda: locally(6, b"\1\0"), {_ENCRYPTED}, "bin/emqx"),
    "unknown compression": (
        lambda: zipped(sound_members(), method=zipfile.ZIP_BZIP2),
        {_METHOD, _UNREADABLE_REL, _UNREADABLE_RELUP},
        "more",
    ),
    "compressed patch": (lambda: in_directory(8, b"\x20\0", local=6), {_METHOD}, "bin/emqx"),
    "another name in the local header": (lambda: locally(30, b"emqx/BIN"), {_CONTRADICTS}, "bin/emqx"),
    "another size in the local header": (lambda: locally(22, b"\7"), {_CONTRADICTS}, "bin/emqx"),
    "another CRC in the local header": (lambda: locally(14, b"evil"), {_CONTRADICTS}, "bin/emqx"),
    "a wrong CRC in the data descriptor": (
        lambda: streamed(lambda old: old[:4] + b"evil" + old[8:]),
        {_CONTRADICTS},
        "bin/emqx",
    ),
    "a wrong size in the data descriptor": (
        lambda: streamed(lambda old: old[:12] + b"\xff" * 4),
        {_CONTRADICTS},
        "bin/emqx",
    ),
    "something else than a data descriptor": (
        lambda: streamed(lambda _: b"#!/bin/sh\nevil\n\n"),
        {_CONTRADICTS},
        "emqx",
    ),
    "another name in Unicode": (
        lambda: with_extra("emqx/etc/plain", unicode_name("emqx/etc/plain", "../../evil")),
        {_CONTRADICTS},
        "etc/plain",
    ),
    "another name in Unicode in the local header only": (
        lambda: with_extra(
            "emqx/etc/plain",
            unicode_name("emqx/etc/plain", "emqx/etc/plain"),
            local=unicode_name("emqx/etc/plain", "emqx/etc/other"),
        ),
        {_CONTRADICTS},
        "etc/plain",
    ),
    "another size in a local zip64 field": (lambda: with_local_zip64(9999), {_CONTRADICTS}, "etc/large"),
    "same name twice": (twice, {_TWICE}, "etc/emqx.conf"),
    "case twins": (lambda: having("emqx/etc/EMQX.conf"), {_TWINS}, "etc/emqx.conf"),
    "case twins of folders": (lambda: having("emqx/Etc/other.conf"), {_TWINS}, "etc"),
    "composed and decomposed twins": (twins_by_accent, {_TWINS}, "caf"),
    "file as parent": (lambda: having("emqx/etc/emqx.conf/evil"), {_FILE_AND_FOLDER}, "etc/emqx.conf"),
    "overlapping members": (overlapping, {_OVERLAP, _CONTRADICTS, _STRAY}, "bin/emqx"),
    "bomb by ratio": (lambda: having("emqx/data/zeros", b"\0" * (24 << 20)), {_BOMB}, "bytes that unpack to"),
    "bomb by declared size": (lambda: with_declared_size(0xFFFFFFF0), {_BOMB}, "bytes that unpack to"),
    "more content than declared": (lambda: with_declared_size(3), {_CONTENT}, "larger than the 3 bytes"),
    "less content than declared": (lambda: with_declared_size(99), {_CONTENT}, "99 are declared"),
    "wrong CRC": (lambda: with_wrong_content(lambda old: old[::-1]), {_CONTENT}, "wrong CRC"),
    "no deflate stream": (lambda: broken_stream(b"\xff" * 8), {_CONTENT}, "cannot be decompressed"),
    "deflate stream that ends early": (lambda: broken_stream(b"\x03\x00"), {_CONTENT}, "behind its end"),
    "no emqx.rel": (lambda: lacking(_EMQX_REL), {_NO_REL}, f"{_EMQX_REL} is missing"),
    "of another version": (lambda: zipped(sound_members("4.4.2")), {_STRANGER, _WRONG_VERSION, _LACKS}, "4.4.2"),
    "emqx.rel of another version": (lambda: saying(_EMQX_REL, rel_text("4.4.10")), {_WRONG_VERSION}, "names 4.4.10"),
    "emqx.rel is no term": (lambda: saying(_EMQX_REL, b"{release"), {_UNREADABLE_REL}, _EMQX_REL),
    "emqx.rel is another term": (lambda: saying(_EMQX_REL, b"[{release,1}]."), {_UNREADABLE_REL}, _EMQX_REL),
    "emqx.rel with a lib that leaves": (
        lambda: saying(_EMQX_REL, rel_text().replace(b"8.1.3", b"/../..")),
        {_UNREADABLE_REL},
        _EMQX_REL,
    ),
    "emqx.rel too large": (
        lambda: saying(_EMQX_REL, rel_text() + b"%" * (17 << 20)),
        {_UNREADABLE_REL},
        _EMQX_REL,
    ),
    "emqx.rel with a wrong CRC": (damaged_rel, {_CONTENT, _UNREADABLE_REL}, "wrong CRC"),
    "emqx.rel names a lib with no version": (
        lambda: saying(_EMQX_REL, rel_text().replace(b'{kernel,"8.1.3"}', b"kernel")),
        {_UNREADABLE_REL},
        _EMQX_REL,
    ),
    "emqx.rel not UTF-8": (lambda: saying(_EMQX_REL, b"\xff\xfe."), {_UNREADABLE_REL}, _EMQX_REL),
    "relup is no term": (lambda: saying(_RELUP, b"garbage"), {_UNREADABLE_RELUP}, f"bad_relup_file: {_RELUP}"),
    "relup of another version": (
        lambda: saying(_RELUP, b'{"4.4.2",[],[]}.'),
        {_UNREADABLE_RELUP},
        f"bad_relup_file: {_RELUP}",
    ),
    "relup with a broken way": (
        lambda: saying(_RELUP, b'{"4.4.1",[{1,2}],[]}.'),
        {_UNREADABLE_RELUP},
        "bad_relup_file",
    ),
    "no start.boot": (lambda: lacking(f"releases/{VSN}/start.boot"), {_LACKS}, "start.boot"),
    "no no_dot_erlang.boot": (lambda: lacking(f"releases/{VSN}/no_dot_erlang.boot"), {_LACKS}, "no_dot_erlang.boot"),
    "no script emqx": (lambda: lacking(f"bin/emqx-{VSN}"), {_LACKS}, f"bin/emqx-{VSN}"),
    "no script emqx_ctl": (lambda: lacking(f"bin/emqx_ctl-{VSN}"), {_LACKS}, f"bin/emqx_ctl-{VSN}"),
    "no script nodetool": (lambda: lacking(f"bin/nodetool-{VSN}"), {_LACKS}, f"bin/nodetool-{VSN}"),
    "no script cuttlefish": (lambda: lacking(f"bin/cuttlefish-{VSN}"), {_LACKS}, f"bin/cuttlefish-{VSN}"),
    "no script install_upgrade": (
        lambda: lacking(f"bin/install_upgrade.escript-{VSN}"),
        {_LACKS},
        f"bin/install_upgrade.escript-{VSN}",
    ),
    "no ERTS": (lambda: lacking("erts-12.1.5/bin/beam.smp"), {"the package lacks its Erlang runtime"}, "erts-12.1.5"),
    "file in another version's folder": (lambda: having("emqx/releases/4.4.0/relup"), {_STRANGER}, "releases/4.4.0"),
    "name of the staging folder": (lambda: having("emqx/releases/.ledger-4.4.1/x"), {_RESERVED}, ".ledger-4.4.1"),
    "name of the lock": (lambda: having("emqx/releases/.release-ledger.lock"), {_RESERVED}, ".lock"),
    "memory of the embedded node": (lambda: having("emqx/data/embedded_node.json"), {_RESERVED}, "embedded_node"),
    "link and traversal in a package of another version": (
        lambda: zipped(sound_members("4.4.2") | {"lib/evil": Content(b"/", _LINK), "../evil": Content()}),
        {_LINKS, _LEAVES, _STRANGER, _WRONG_VERSION, _LACKS},
        "'emqx/../evil'",
    ),
    "three things at once": (
        lambda: lacking(f"releases/{VSN}/start.boot", _EMQX_REL, "erts-12.1.5/bin/beam.smp"),
        {_NO_REL, _LACKS},
        "start.boot",
    ),
}


TARBALLS: dict[str, Case] = {
    "empty": (lambda: b"", {_EMPTY}, "0"),
    "no gzip": (lambda: b"garbage" * 99, {_NOT_TAR}, "decompressed"),
    "gzip of garbage": (lambda: gzip.compress(b"garbage" * 999), {_NOT_TAR}, "broken header"),
    "gzip of nothing": (lambda: gzip.compress(b""), {_NOT_TAR}, "truncated"),
    "truncated": (lambda: tarred(sound_members())[:-40], {_NOT_TAR}, "truncated"),
    "truncated in its trailer": (lambda: tarred(sound_members())[:-3], {_NOT_TAR}, "truncated"),
    "tar truncated": (lambda: gzip.compress(plain_tar(sound_members())[:3000]), {_NOT_TAR}, "truncated"),
    "trailing bytes": (lambda: tarred(sound_members()) + b"more", {_NOT_TAR}, "behind the end of its gzip"),
    "members behind the end": (
        lambda: gzip.compress(plain_tar(sound_members()) + plain_tar({"evil": Content()})),
        {_NOT_TAR},
        "behind its end",
    ),
    "wrong CRC": (lambda: tarred(sound_members())[:-8] + b"evilsize", {_NOT_TAR}, "decompressed"),
    "wrong checksum of a header": (
        lambda: gzip.compress(patched(plain_tar(sound_members()), 1, b"~")),
        {_NOT_TAR},
        "broken header",
    ),
    "negative size": (
        lambda: tar_with_header(lambda header: header.__setitem__(slice(124, 136), b"\xff" * 12)),
        {_NOT_TAR},
        "negative size",
    ),
    "huge pax header": (lambda: tar_with_pax(b"9" * 70_000), {_NOT_TAR}, "header of 70000 bytes"),
    "broken pax header": (lambda: tar_with_pax(b"nonsense\n"), {_NOT_TAR}, "pax"),
    "broken size in a pax header": (lambda: tar_with_pax(b"11 size=-1\n"), {_NOT_TAR}, "pax"),
    "top folder": (lambda: tarred(sound_members(), prefix="emqx/"), {_TOP}, "emqx/bin"),
    "traversal": (lambda: tar_having("../../etc/evil"), {_LEAVES}, "../../etc/evil"),
    "traversal by a pax header": (lambda: tar_with_pax(b"19 path=../../evil\n"), {_LEAVES, _LACKS}, "../../evil"),
    "absolute": (lambda: tar_having("/etc/evil"), {_ABSOLUTE}, "/etc/evil"),
    "name not UTF-8": (lambda: tar_having("etc/\udcff"), {_NOT_UTF8}, "udcff"),
    "link": (lambda: tar_having("lib/evil", _LINK, b"/etc"), {_LINKS}, "lib/evil"),
    "hard link": (lambda: tar_having("lib/evil", _HARD_LINK, b"etc/passwd"), {_LINKS}, "lib/evil"),
    "pipe": (lambda: tar_having("etc/pipe", _PIPE, b""), {_SPECIAL}, "pipe"),
    "device": (lambda: tar_having("etc/null", _DEVICE, b""), {_SPECIAL}, "null"),
    "sparse file": (
        lambda: tar_with_header(lambda header: header.__setitem__(slice(156, 157), b"S")),
        {_SPECIAL},
        "bin/emqx",
    ),
    "case twins": (lambda: tar_having("etc/EMQX.conf"), {_TWINS}, "etc/emqx.conf"),
    "file as parent": (lambda: tar_having("etc/emqx.conf/evil"), {_FILE_AND_FOLDER}, "etc/emqx.conf"),
    "bomb": (lambda: tar_having("data/zeros", data=b"\0" * (48 << 20)), {_BOMB}, "unpack to far more"),
    "too many members": (
        lambda: gzip.compress(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT) * 65_540, 1),
        {_TOO_MANY},
        "65535",
    ),
    "of another version": (lambda: tarred(sound_members("4.4.2")), {_STRANGER, _WRONG_VERSION, _LACKS}, "4.4.2"),
}


def reasons_of(root: Path, package: Path) -> tuple[Reason, ...]:
    facts = inspect_package(package, vsn=Vsn.parse(VSN))
    with pytest.raises(PackageUnsoundError) as caught:
        stage(facts, root=root, progress=lambda _done, _of: None)
    return caught.value.problems


@pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(NAME, case, id=f"zip: {kind}") for kind, case in ZIPS.items()]
    + [pytest.param(f"emqx-{VSN}.tar.gz", case, id=f"tar: {kind}") for kind, case in TARBALLS.items()],
)
def test_a_broken_or_hostile_package_is_refused_with_all_reasons(tmp_path: Path, name: str, case: Case) -> None:
    """PRODUCT section 3: refused before anything is touched."""
    build, messages, fact = case
    root = installation(tmp_path / "emqx")
    package = put(root, build(), name)
    before = tree(tmp_path)

    reasons = reasons_of(root, package)

    assert {reason.message for reason in reasons} == messages
    assert fact in "; ".join(reason.fact for reason in reasons)
    assert all(reason.rule is Rule.PACKAGE and reason.hint for reason in reasons)
    assert tree(tmp_path) == before


def test_a_deflate_stream_may_not_hide_bytes_behind_its_end(tmp_path: Path) -> None:
    """What follows a stream inside its member is seen by no reader, and by no CRC."""
    root = installation(tmp_path / "emqx")
    engine = zlib.compressobj(wbits=-15)
    stream = engine.compress(b"content") + engine.flush()
    file = io.BytesIO(zipped(sound_members()))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zip_info("emqx/etc/hidden", method=zipfile.ZIP_STORED), stream + b"hidden" * 400_000)
    data = file.getvalue()
    header = central_headers(data)[-1]
    fields = struct.pack("<L", zlib.crc32(b"content")), struct.pack("<L", 7)
    for at, crc, size, method in ((header, 16, 24, 10), (local_header(data, header), 14, 22, 8)):
        data = patched(patched(patched(data, at + crc, fields[0]), at + size, fields[1]), at + method, b"\x08")
    package = put(root, data)

    reasons = reasons_of(root, package)

    assert [reason.fact for reason in reasons] == ["'emqx/etc/hidden' goes on behind its end"]
