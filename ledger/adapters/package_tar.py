"""Packages as EMQX's script repacks them: a gzipped tar of what lies inside ``emqx/``.

The tarball has no top folder (otp.md section 4). Read are ustar, GNU long names and the path and
size of pax headers; members other than files and folders are faults. The gzip is checked to its
end: CRC, length, nothing behind it.
"""

import stat
import tarfile
import zlib
from collections.abc import Iterator

from ledger.adapters.package_members import (
    MAX_MEMBERS,
    Fault,
    Faults,
    Listing,
    Member,
    allowed_bytes,
    name_faults,
    note_collisions,
    note_kind,
)
from ledger.adapters.package_tape import BLOCK, PackageReadError, Tape
from ledger.dataclass import dataclass

_MAX_HEADER = 1 << 16
_KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.CONTTYPE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.LNKTYPE: stat.S_IFLNK,
    tarfile.SYMTYPE: stat.S_IFLNK,
}
_NAME_HEADERS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)


@dataclass(frozen=True)
class _Header:
    name: str
    kind: bytes
    size: int
    mode: int


def list_tar(tape: Tape, texts: frozenset[str], *, max_text: int) -> Listing:
    """Return what the tarball holds, with the content of the *texts* of at most *max_text* bytes.

    Raises: PackageReadError where it cannot be read as a gzipped tar.
    """
    faults = Faults()
    members: list[Member] = []
    found: dict[str, bytes] = {}
    for member, pieces in _walk(tape, faults):
        members.append(member)
        if len(members) > MAX_MEMBERS:
            raise PackageReadError("the package has too many members", f"at most {MAX_MEMBERS} are read")
        if member.path in texts and member.size <= max_text:
            found[member.path] = b"".join(pieces)
    note_collisions(faults, members)
    return Listing(Fault.TOP_FOLDER not in faults, tuple(members), faults.problems(), faults.warnings(), found)


def walk_tar(tape: Tape) -> Iterator[tuple[Member, Iterator[memoryview | bytes]]]:
    """Yield each member with its content, which is to be read before the next member is asked for.

    The caller has listed the tarball, found no problem, and asks here with a fresh tape.
    Raises: PackageReadError where it is broken.
    """
    return _walk(tape, Faults())


def _walk(tape: Tape, faults: Faults) -> Iterator[tuple[Member, Iterator[memoryview | bytes]]]:
    if tape.size == 0:
        raise PackageReadError("the package is empty", "its size is 0")
    stream = _Gunzip(tape)
    for header in _headers(stream):
        member = _member(header, faults)
        content = stream.pieces(header.size)
        if member is not None:
            yield member, content
        for _ in content:
            pass
        stream.read_exactly(-header.size % tarfile.BLOCKSIZE)
    stream.finish()


def _member(header: _Header, faults: Faults) -> Member | None:
    """Return the member that *header* names, None for the folder in which all lie."""
    name = header.name.removeprefix("./").removesuffix("/")
    if name in ("", ".") and header.kind == tarfile.DIRTYPE:
        return None
    for fault in name_faults(name):
        faults.add(fault, header.name)
    note_kind(faults, header.name, _KINDS.get(header.kind, stat.S_IFCHR) | stat.S_IMODE(header.mode))
    if name == "emqx" or name.startswith("emqx/"):
        faults.add(Fault.TOP_FOLDER, header.name)
    is_folder = header.kind == tarfile.DIRTYPE
    if is_folder and header.size:
        faults.add(Fault.CONTRADICTION, header.name)
    return Member(name, header.size, stat.S_IMODE(header.mode), is_folder)


def _headers(stream: "_Gunzip") -> Iterator[_Header]:
    """Yield the headers of members; the caller reads the content between two of them."""
    name: str | None = None
    size: int | None = None
    while True:
        header = _parsed(stream.read_exactly(tarfile.BLOCKSIZE))
        if header is None:
            return
        if header.kind not in _NAME_HEADERS:
            taken = header.size if size is None else size
            yield _Header(name if name is not None else header.name, header.kind, taken, header.mode)
            name = size = None
            continue
        body = _extension(stream, header)
        if header.kind == tarfile.GNUTYPE_LONGNAME:
            name = body.rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif header.kind == tarfile.XHDTYPE:
            name, size = _from_pax(body, name, size)


def _parsed(block: bytes) -> _Header | None:
    """Return the header in *block*, None for the zeros at the end."""
    if not block.strip(b"\0"):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as exc:
        raise _broken("it has a broken header") from exc
    if info.size < 0:
        raise _broken("it has a member of negative size")
    return _Header(info.name, info.type, info.size, info.mode)


def _extension(stream: "_Gunzip", header: _Header) -> bytes:
    if header.size > _MAX_HEADER:
        raise _broken(f"it has a header of {header.size} bytes")
    body = stream.read_exactly(header.size)
    stream.read_exactly(-header.size % tarfile.BLOCKSIZE)
    return body


def _from_pax(body: bytes, name: str | None, size: int | None) -> tuple[str | None, int | None]:
    r"""Return name and size as the pax records of *body* say them: ``<length> <key>=<value>\n``."""
    while body:
        digits, _, _ = body[:20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = body[len(digits) + 1 : length]
        if not record.endswith(b"\n") or b"=" not in record:
            raise _broken("it has a broken pax header")
        key, _, value = record[:-1].partition(b"=")
        if key == b"path":
            name = value.decode("utf-8", "surrogateescape")
        elif key == b"size":
            if not value.isdigit() or len(value) > 20:  # noqa: PLR2004 - digits of 2**64
                raise _broken("it has a broken pax header")
            size = int(value)
        body = body[length:]
    return name, size


def _broken(fact: str) -> PackageReadError:
    return PackageReadError("the package is no sound tar.gz", fact)


class _Gunzip:
    """The inflated bytes of a tape, one block at a time, never more than a package may unpack to."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._block = memoryview(b"")
        self._left = allowed_bytes(tape.size)

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Yield the next *size* bytes."""
        while size:
            piece = self._read(size)
            if not piece:
                raise _broken("it is truncated")
            size -= len(piece)
            yield piece

    def read_exactly(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        return b"".join(self.pieces(size))

    def finish(self) -> None:
        """Check that only padding is left, and the gzip sound to the end of the tape."""
        while piece := self._read(BLOCK):
            if bytes(piece).strip(b"\0"):
                raise _broken("it goes on behind its end")

    def _read(self, size: int) -> memoryview:
        if not self._block:
            self._block = memoryview(self._inflated())
            self._left -= len(self._block)
            if self._left < 0:
                raise PackageReadError("the package is a bomb", f"{self._tape.size} bytes that unpack to far more")
        piece, self._block = self._block[:size], self._block[size:]
        return piece

    def _inflated(self) -> bytes:
        """Return the next block, empty at the end of a sound gzip."""
        while not self._engine.eof:
            packed = self._engine.unconsumed_tail or self._tape.read(BLOCK)
            try:
                block = self._engine.decompress(packed, BLOCK)
            except zlib.error as exc:
                raise _broken("it cannot be decompressed") from exc
            if block:
                return block
            if not packed:
                raise _broken("it is truncated")
        if self._engine.unused_data or self._tape.read(1):
            raise _broken("it goes on behind the end of its gzip")
        return b""
