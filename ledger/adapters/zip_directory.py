"""The central directory of a zip, read strictly (PKWARE APPNOTE 6.3, sections 4.3 and 4.4).

Two programs that read one zip must see the same members. So there is one end record and it ends
the file, the directory ends where that record begins, the members fill the file from byte 0 to
the directory without overlap or gap, and each local header says what the directory says, as do
zip64 fields, a data descriptor behind the content, and a name in Unicode, which Info-ZIP takes
for the name. Zip64 is read. A zip over several disks is not.
"""

import struct
from collections.abc import Iterator
from itertools import pairwise

from ledger.adapters.package_members import MAX_MEMBERS, Fault, Faults
from ledger.adapters.package_tape import PackageReadError, Tape
from ledger.dataclass import dataclass, replace

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")
_END64_AT = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 0xFFFF
_USUAL_EXTRA = 64  # Info-ZIP writes 28 bytes; more takes a second read
_NO_16, _NO_32 = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA = 0x0001
_UNICODE_NAME_EXTRA = 0x7075  # 4.6.9: a version, the CRC of the plain name, the name in UTF-8
_FLAG_ENCRYPTED = 0x2041  # bits 0, 6 and 13: traditional, strong, masked headers
_FLAG_DESCRIPTOR = 0x0008
_FLAG_PATCH = 0x0020
_DESCRIPTORS = (12, 16, 20, 24)  # 4.3.9: with or without signature, 4- or 8-byte sizes
_DESCRIPTOR_SIGN = b"PK\7\x08"
_UNIX = (3, 19)
# Far above what the members that are allowed need; keeps memory flat on a hostile directory.
_MAX_DIRECTORY = MAX_MEMBERS * 1024


@dataclass(frozen=True)
class ZipEntry:
    """One entry of the directory; *data* is where its compressed bytes begin, *named* its name in Unicode."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    header: int
    data: int = 0
    named: bytes = b""

    def is_encrypted(self) -> bool:
        """Whether the content needs a password."""
        return bool(self.flags & _FLAG_ENCRYPTED)

    def is_readable(self) -> bool:
        """Whether the content is stored in a way that is read here."""
        return self.method in (STORED, DEFLATED) and not self.flags & (_FLAG_ENCRYPTED | _FLAG_PATCH)


def read_directory(tape: Tape, faults: Faults) -> tuple[ZipEntry, ...]:
    """Return the entries in the order of their bytes, and note the *faults* of their headers.

    Raises: PackageReadError where there is no directory to trust.
    """
    start, size, count = _find_directory(tape)
    if count > MAX_MEMBERS or size > _MAX_DIRECTORY:
        raise PackageReadError("the package has too many members", f"{count}, at most {MAX_MEMBERS} are read")
    try:
        listed = sorted(_entries(tape.at(start, size), count), key=lambda entry: entry.header)
    except (struct.error, IndexError) as exc:
        raise _broken("its directory cannot be read") from exc
    entries = tuple(_with_local_header(tape, entry, faults) for entry in listed)
    _note_extents(tape, entries, start, faults)
    return entries


def _broken(fact: str) -> PackageReadError:
    return PackageReadError("the package is no sound zip", fact)


def _find_directory(tape: Tape) -> tuple[int, int, int]:
    """Return offset, length and number of entries of the directory."""
    if tape.size == 0:
        raise PackageReadError("the package is empty", "its size is 0")
    tail_start = max(0, tape.size - _END.size - _MAX_COMMENT)
    tail = tape.at(tail_start, tape.size - tail_start)
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < _END.size:
        raise _broken("it has no end record: truncated, or no zip at all")
    end = tail_start + found
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(tail, found)
    if found + _END.size + comment != len(tail):
        raise _broken(f"{len(tail) - found - _END.size - comment} bytes behind its end record")
    if disk or first_disk or here != count:
        raise _broken("it is one of several disks")
    if count == _NO_16 or _NO_32 in (size, start):
        end, start, size, count = _zip64(tape, end, (start, size, count))
    if start + size != end:
        raise _broken(f"its directory ends at byte {start + size}, its end record begins at {end}")
    return start, size, count


def _zip64(tape: Tape, end: int, plain: tuple[int, int, int]) -> tuple[int, int, int, int]:
    locator = tape.at(max(0, end - _END64_AT.size), _END64_AT.size)
    if end < _END64_AT.size or locator[:4] != b"PK\6\7":
        return (end, *plain)
    _, _, at, _ = _END64_AT.unpack(locator)
    record = tape.at(at, _END64.size) if at < end else b""
    if len(record) < _END64.size or record[:4] != b"PK\6\6":
        raise _broken("its zip64 end record is missing")
    _, length, _, _, _, _, _, count, size, start = _END64.unpack(record)
    if at + 12 + length != end - _END64_AT.size:
        raise _broken("bytes behind its zip64 end record")
    return at, start, size, count


def _entries(directory: bytes, count: int) -> Iterator[ZipEntry]:
    at = 0
    for _ in range(count):
        head = _CENTRAL.unpack_from(directory, at)
        sign, made, _, flags, method, _, _, crc, packed, size, names, extras, comments, _, _, attributes, header = head
        if sign != b"PK\1\2":
            raise _broken(f"entry at byte {at} of its directory is none")
        at += _CENTRAL.size
        raw_name, extra = directory[at : at + names], directory[at + names : at + names + extras]
        size, packed, header = _from_zip64_extra(extra, (size, packed, header))
        at += names + extras + comments
        # Type bits are heeded whatever system they claim: programs that unpack do so too.
        mode = attributes >> 16 if made >> 8 in _UNIX or attributes >> 28 else 0
        # Info-ZIP writes UTF-8 with or without the flag for it.
        name = raw_name.decode("utf-8", "surrogateescape")
        named = _unicode_name(extra, raw_name)
        yield ZipEntry(name, raw_name, flags, method, crc, packed, size, mode, header, named=named)
    if at != len(directory):
        raise _broken(f"{len(directory) - at} bytes behind the {count} entries of its directory")


def _extra_field(extra: bytes, kind: int) -> bytes | None:
    """Return the first field of this *kind* (4.5.1)."""
    at = 0
    while at + 4 <= len(extra):
        found, length = struct.unpack_from("<2H", extra, at)
        if found == kind:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return None


def _from_zip64_extra(extra: bytes, fields: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return size, packed size and offset, each from the extra field where it is said to stand there (4.5.3)."""
    if _NO_32 not in fields:
        return fields
    body = _extra_field(extra, _ZIP64_EXTRA) or b""
    values = [value for (value,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
    size, packed, header = (values.pop(0) if field == _NO_32 and values else field for field in fields)
    return size, packed, header


def _unicode_name(extra: bytes, name: bytes) -> bytes:
    """Return the name that an extra field gives in the place of *name*, else *name*."""
    body = _extra_field(extra, _UNICODE_NAME_EXTRA)
    return name if body is None else body[5:]


def _with_local_header(tape: Tape, entry: ZipEntry, faults: Faults) -> ZipEntry:
    head = tape.at(entry.header, _LOCAL.size + len(entry.raw_name) + _USUAL_EXTRA)
    if len(head) < _LOCAL.size + len(entry.raw_name) or head[:4] != b"PK\3\4":
        raise _broken(f"the header of {entry.name!a} is missing")
    _, _, flags, method, _, _, crc, packed, size, names, extras = _LOCAL.unpack_from(head)
    found = replace(entry, flags=entry.flags | flags, data=entry.header + _LOCAL.size + names + extras)
    start = _LOCAL.size + names
    extra = head[start : start + extras] if extras <= _USUAL_EXTRA else tape.at(entry.header + start, extras)
    size, packed, _ = _from_zip64_extra(extra, (size, packed, 0))
    if found.is_encrypted():
        faults.add(Fault.ENCRYPTED, entry.name)
    elif not found.is_readable():
        faults.add(Fault.METHOD, entry.name)
    same = (method, head[_LOCAL.size : _LOCAL.size + len(entry.raw_name)], names) == (
        entry.method,
        entry.raw_name,
        len(entry.raw_name),
    )
    if not found.flags & _FLAG_DESCRIPTOR:
        same = same and (crc, packed, size) == (entry.crc, entry.packed, entry.size)
    same = same and entry.named == entry.raw_name == _unicode_name(extra, entry.raw_name)
    if not same or (entry.method == STORED and entry.size != entry.packed):
        faults.add(Fault.CONTRADICTION, entry.name)
    return found


def _note_extents(tape: Tape, entries: tuple[ZipEntry, ...], directory: int, faults: Faults) -> None:
    if entries and entries[0].header:
        faults.add(Fault.STRAY_BYTES, f"{entries[0].header} bytes before the first member")
    limits = [after.header for _, after in pairwise(entries)] + [directory]
    for entry, limit in zip(entries, limits, strict=False):
        end = entry.data + entry.packed
        gap = limit - end
        if gap < 0:
            faults.add(Fault.OVERLAP, entry.name)
        elif gap and not (entry.flags & _FLAG_DESCRIPTOR and gap in _DESCRIPTORS):
            faults.add(Fault.STRAY_BYTES, f"{gap} bytes behind {entry.name}")
        elif gap and tape.at(end, gap) not in _descriptors(entry):
            faults.add(Fault.CONTRADICTION, entry.name)


def _descriptors(entry: ZipEntry) -> Iterator[bytes]:
    """Yield what may stand behind the content of *entry* (4.3.9): with or without signature, 4- or 8-byte sizes."""
    for sizes in ("<L2Q", "<L2L"):
        if sizes == "<L2Q" or max(entry.packed, entry.size) <= _NO_32:
            body = struct.pack(sizes, entry.crc, entry.packed, entry.size)
            yield from (body, _DESCRIPTOR_SIGN + body)
