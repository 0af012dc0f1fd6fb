"""Packages as published: a zip with the single top folder ``emqx/``.

Listing reads the directory, every local header and the few texts asked for. Unpacking goes
forward over the file once, checks size and CRC of each member, and never yields more bytes than
the directory declares.
"""

import stat
import zlib
from collections.abc import Iterator

from ledger.adapters.package_members import (
    Fault,
    Faults,
    Listing,
    Member,
    allowed_bytes,
    name_faults,
    note_collisions,
    note_kind,
    unsound,
)
from ledger.adapters.package_tape import BLOCK, PackageReadError, Tape
from ledger.adapters.zip_directory import STORED, ZipEntry, read_directory

_TOP = "emqx"


def list_zip(tape: Tape, texts: frozenset[str], *, max_text: int) -> Listing:
    """Return what the zip holds, with the content of the *texts* of at most *max_text* bytes.

    Raises: PackageReadError where it cannot be read as a zip at all.
    """
    faults = Faults()
    entries = read_directory(tape, faults)
    members = tuple(_member(entry, faults) for entry in entries)
    note_collisions(faults, members)
    total = sum(member.size for member in members)
    problems = list(faults.problems())
    if total > allowed_bytes(tape.size):
        problems.append(unsound("the package is a bomb", f"{tape.size} bytes that unpack to {total}"))
    found: dict[str, bytes] = {}
    for entry, member in zip(entries, members, strict=True):
        if member.path in texts and entry.is_readable() and max(entry.size, entry.packed) <= max_text:
            try:
                found[member.path] = _text(tape, entry)
            except PackageReadError as exc:
                problems.append(unsound(exc.message, exc.fact))
    return Listing(Fault.TOP_FOLDER not in faults, members, tuple(problems), faults.warnings(), found)


def walk_zip(tape: Tape) -> Iterator[tuple[Member, Iterator[memoryview | bytes]]]:
    """Yield each member with its content, which is to be read before the next member is asked for.

    The caller has listed the zip, found no problem, and asks here with a fresh tape.
    Raises: PackageReadError at the first member whose content is not what the directory says.
    """
    for entry in read_directory(tape, Faults()):
        tape.skip_to(entry.data)
        yield _member(entry, Faults()), _content(tape, entry)


def _member(entry: ZipEntry, faults: Faults) -> Member:
    is_folder = entry.name.endswith("/")
    name = entry.name[:-1] if is_folder else entry.name
    for fault in name_faults(name):
        faults.add(fault, entry.name)
    note_kind(faults, entry.name, entry.mode)
    if (stat.S_ISDIR(entry.mode) and not is_folder) or (stat.S_ISREG(entry.mode) and is_folder):
        faults.add(Fault.CONTRADICTION, entry.name)
    if is_folder and entry.size:
        faults.add(Fault.CONTRADICTION, entry.name)
    top, _, path = name.partition("/")
    if top != _TOP or not (path or is_folder):
        faults.add(Fault.TOP_FOLDER, entry.name)
        path = name
    return Member(path, entry.size, stat.S_IMODE(entry.mode), is_folder)


def _text(tape: Tape, entry: ZipEntry) -> bytes:
    packed = tape.at(entry.data, entry.packed)
    pieces = iter((packed,)) if entry.method == STORED else _inflated(iter((packed,)), entry)
    return b"".join(_checked(pieces, entry))


def _content(tape: Tape, entry: ZipEntry) -> Iterator[memoryview | bytes]:
    packed = _packed(tape, entry)
    return _checked(packed if entry.method == STORED else _inflated(packed, entry), entry)


def _packed(tape: Tape, entry: ZipEntry) -> Iterator[memoryview]:
    left = entry.packed
    while left:
        piece = tape.read(left)
        if not piece:
            raise PackageReadError("the package is truncated", f"{entry.name!a} is cut off")
        left -= len(piece)
        yield piece


def _inflated(packed: Iterator[memoryview | bytes], entry: ZipEntry) -> Iterator[bytes]:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in packed:
            rest: memoryview | bytes = piece
            if engine.eof:
                raise _wrong(entry, "goes on behind its end")
            while rest:
                yield engine.decompress(rest, BLOCK)
                rest = engine.unconsumed_tail
        # Output may be left when the last input is taken.
        while not engine.eof and (piece := engine.decompress(b"", BLOCK)):
            yield piece
    except zlib.error as exc:
        raise _wrong(entry, "cannot be decompressed") from exc
    if not engine.eof or engine.unused_data:
        raise _wrong(entry, "is cut off or goes on behind its end")


def _checked(pieces: Iterator[memoryview | bytes], entry: ZipEntry) -> Iterator[memoryview | bytes]:
    size = crc = 0
    for piece in pieces:
        size += len(piece)
        if size > entry.size:
            raise _wrong(entry, f"is larger than the {entry.size} bytes declared")
        crc = zlib.crc32(piece, crc)
        yield piece
    if size != entry.size:
        raise _wrong(entry, f"has {size} bytes, {entry.size} are declared")
    if crc != entry.crc:
        raise _wrong(entry, "has a wrong CRC")


def _wrong(entry: ZipEntry, what: str) -> PackageReadError:
    return PackageReadError(Fault.UNSOUND.value, f"{entry.name!a} {what}")
