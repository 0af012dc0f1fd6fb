"""The signature algorithms that verify the lines of notes: Ed25519, for logs and for witnesses.

``ledger.tlog`` knows what is signed and holds no cryptography; here is what it asks for. A key
of another type has no entry, so its lines are never taken for unknown ones
(``PrimitiveMissingError``).
"""

from collections.abc import Mapping
from typing import Final

from ledger.tlog.cosignature import KeyVerifier, VerifyPrimitive, verifier_of
from ledger.tlog.vkey import KeyType, Vkey


def verify_ed25519(public_key: bytes, signature: bytes, message: bytes, /) -> bool:
    """Say whether *signature* over *message* is by *public_key* (RFC 8032)."""
    # Reading commands verify nothing; the import is a tenth of a change's start.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 # its cost
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 # its cost

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


PRIMITIVES: Final[Mapping[KeyType, VerifyPrimitive]] = {
    KeyType.ED25519: verify_ed25519,
    KeyType.COSIGNATURE_ED25519: verify_ed25519,
}


def verifier(vkey: Vkey) -> KeyVerifier:
    """Return what verifies the lines of *vkey*.

    Raises: PrimitiveMissingError.
    """
    return verifier_of(vkey, primitives=PRIMITIVES)
