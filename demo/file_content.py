"""Content of files that are not text: plausible at their first bytes, the same on every machine.

*noise* comes from SHAKE-256, so a name always gives the same bytes, and they do not compress.
"""

import hashlib
import struct

_ELF_MACHINES = {"amd64": 62, "arm64": 183}  # EM_X86_64, EM_AARCH64 (ELF gABI, e_machine)
_EXECUTABLE = 2
_ENTRY = 0x401000
_ATOM, _STRING, _TUPLE, _EMPTY, _MAGIC = b"d", b"k", b"h", b"j", b"\x83"  # erts ext_dist, tags


def noise(seed: str, size: int) -> bytes:
    """Return *size* bytes that belong to *seed* and do not compress."""
    return hashlib.shake_256(seed.encode()).digest(size)


def prose(seed: str, size: int) -> bytes:
    """Return *size* bytes of text that belong to *seed* and compress well."""
    line = f"{seed} {hashlib.sha256(seed.encode()).hexdigest()}\n".encode()
    return (line * (size // len(line) + 1))[:size]


def elf_program(seed: str, *, arch: str, size: int) -> bytes:
    """Return a file of *size* bytes that begins with the ELF64 header of a program for *arch*."""
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bit, little endian, version 1
    rest = struct.pack("<HHIQQQIHHHHHH", _EXECUTABLE, _ELF_MACHINES[arch], 1, _ENTRY, 64, 0, 0, 64, 56, 0, 64, 0, 0)
    return head + rest + noise(seed, size - len(head) - len(rest))


def beam_module(module: str, seed: str, *, size: int) -> bytes:
    """Return a BEAM file of *module*: the IFF form with the chunks ``AtU8`` and ``Code``."""
    atom = struct.pack(">I", 1) + bytes([len(module)]) + module.encode()
    chunks = _chunk(b"AtU8", atom) + _chunk(b"Code", noise(seed, size))
    return b"FOR1" + struct.pack(">I", len(chunks) + 4) + b"BEAM" + chunks


def boot_script(vsn: str) -> bytes:
    """Return a boot file: ``{script,{"emqx",Vsn},[]}`` in the external term format."""
    name = _TUPLE + b"\x02" + _string("emqx") + _string(vsn)
    return _MAGIC + _TUPLE + b"\x03" + _ATOM + struct.pack(">H", 6) + b"script" + name + _EMPTY


def _string(text: str) -> bytes:
    return _STRING + struct.pack(">H", len(text)) + text.encode()


def _chunk(name: bytes, data: bytes) -> bytes:
    padding = -len(data) % 4
    return name + struct.pack(">I", len(data)) + data + bytes(padding)
