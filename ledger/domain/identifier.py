"""Identifiers of events, commits and attempts: UUID version 7 (RFC 9562, section 5.7), lower case with hyphens.

The first 48 bits are milliseconds since 1970, so identifiers sort roughly by time; order in the
ledger is the leaf index all the same. Time and randomness come in as arguments.
"""

ENTROPY_BYTES = 10
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM = (0xFFF << 64) | (2**62 - 1)


def uuid7(milliseconds: int, entropy: bytes) -> str:
    """Return the identifier made of a time and ten random bytes."""
    random = int.from_bytes(entropy, "big") & _RANDOM
    digits = f"{(milliseconds & (2**48 - 1)) << 80 | _VERSION | _VARIANT | random:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
