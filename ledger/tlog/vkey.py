"""Verifier keys (C2SP signed-note, section "Verifier keys").

A vkey is ``<name>+<hex of key id>+<base64 of type || public key>``. The key id is the first four
bytes of ``H(name || 0x0A || type || public key)``; it only picks a key, it proves nothing. Since
base64 contains ``+``, only the first two divide. Parsing is exact:
``str(Vkey.parse(text)) == text``, with the id in lower case, and it recomputes the id.

Types: 0x01 Ed25519 over the text of a note (a log), 0x04 Ed25519 cosignature/v1 (a witness),
0x06 ML-DSA-44 cosignature (either). 0x02 ECDSA and 0x05 RFC 6962 are not implemented.
"""

import re
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256

from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError
from ledger.tlog.notation import Base64Error, parse_base64, print_base64, shown

KEY_ID_SIZE = 4

# No compiled pattern: a change writes with the log's key and parses no vkey.
_VKEY = r"(?P<name>[^+]+)\+(?P<key_id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/=]+)"


class KeyType(IntEnum):
    """What a key signs, and how."""

    ED25519 = 0x01
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_ML_DSA_44 = 0x06


_TYPES = frozenset(map(int, KeyType))


PUBLIC_KEY_SIZES: Mapping[KeyType, int] = {
    KeyType.ED25519: 32,
    KeyType.COSIGNATURE_ED25519: 32,
    KeyType.COSIGNATURE_ML_DSA_44: 1312,
}


class VkeyError(CheckFailedError):
    """A key of trust cannot be used; the parent of every such error."""

    kind = "undecided"

    def __init__(self, message: str, *, fact: str) -> None:
        super().__init__(message, fact=fact, hint="ask the key's owner for its vkey, by another way than this one")


class VkeyFormatError(VkeyError):
    """A text is not a vkey."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{shown(text.encode(errors='replace'))} is not a vkey",
            fact="a vkey is <name>+<8 hex digits>+<base64 of type and public key>",
        )
        self.text = text


class KeyNameError(VkeyError):
    """A key's name is empty or contains what it must not."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!a} cannot name a key", fact="a key's name is not empty and has no space, no plus, no control"
        )
        self.name = name


class KeyTypeError(VkeyError):
    """A vkey is of a type that is not implemented."""

    def __init__(self, name: str, *, key_type: int) -> None:
        super().__init__(
            f"the key of {name!a} is of type 0x{key_type:02x}", fact="types 0x01, 0x04 and 0x06 are implemented"
        )
        self.name, self.key_type = name, key_type


class KeyLengthError(VkeyError):
    """A public key does not have the length of its type."""

    def __init__(self, name: str, *, key_type: KeyType, length: int) -> None:
        super().__init__(
            f"the public key of {name!a} has {length} bytes",
            fact=f"a key of type 0x{key_type:02x} has {PUBLIC_KEY_SIZES[key_type]}",
        )
        self.name, self.key_type, self.length = name, key_type, length


class KeyIdError(VkeyError):
    """The id in a vkey is not that of its key."""

    def __init__(self, name: str, *, stated: str, computed: str) -> None:
        super().__init__(
            f"the key id of {name!a} is wrong", fact=f"the vkey says {stated}, the key itself gives {computed}"
        )
        self.name, self.stated, self.computed = name, stated, computed


@dataclass(frozen=True)
class Vkey:
    """One public key with its name and its type."""

    name: str
    key_type: KeyType
    public_key: bytes

    def __post_init__(self) -> None:
        require_key_name(self.name)
        if len(self.public_key) != PUBLIC_KEY_SIZES[self.key_type]:
            raise KeyLengthError(self.name, key_type=self.key_type, length=len(self.public_key))

    @property
    def key_id(self) -> bytes:
        """The four bytes that pick this key among those of its name."""
        return key_id(self.name, key=self._key())

    @classmethod
    def parse(cls, text: str) -> "Vkey":
        """Return the key that *text* states.

        Raises: VkeyError, as the concrete error for the reason.
        """
        match = re.fullmatch(_VKEY, text)
        if match is None:
            raise VkeyFormatError(text)
        name = require_key_name(match["name"])
        try:
            key = parse_base64(match["key"].encode())
        except Base64Error as exc:
            raise VkeyFormatError(text) from exc
        if not key or key[0] not in _TYPES:
            raise KeyTypeError(name, key_type=key[0] if key else 0)
        vkey = cls(name, KeyType(key[0]), key[1:])
        if vkey.key_id.hex() != match["key_id"]:
            raise KeyIdError(name, stated=match["key_id"], computed=vkey.key_id.hex())
        return vkey

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{print_base64(self._key()).decode()}"

    def _key(self) -> bytes:
        return bytes((self.key_type,)) + self.public_key


def key_id(name: str, *, key: bytes) -> bytes:
    """Return the id of *key*, its type byte in front, under *name*."""
    return sha256(name.encode() + b"\n" + key).digest()[:KEY_ID_SIZE]


@lru_cache(maxsize=64)  # every note that a log signs names the same key
def require_key_name(name: str) -> str:
    """Return *name* if it can name a key.

    Raises: KeyNameError.
    """
    if not name or any(char == "+" or char < " " or char.isspace() or "\ud800" <= char <= "\udfff" for char in name):
        raise KeyNameError(name)
    return name
