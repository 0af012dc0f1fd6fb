"""Ed25519 keys for tests, made from a number, and the primitives that verify them."""

from collections.abc import Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.tlog.cosignature import KeySigner, KeyVerifier, VerifyPrimitive, verifier_of
from ledger.tlog.vkey import KeyType, Vkey


def ed25519(public_key: bytes, signature: bytes, message: bytes, /) -> bool:
    assert len(signature) == 64, "a primitive sees signatures of its own length only"
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def toy_ml_dsa(public_key: bytes, signature: bytes, message: bytes, /) -> bool:
    """Stand in for ML-DSA-44 with its lengths: what is signed is tested, not the algorithm."""
    return signature == toy_ml_dsa_sign(public_key, message)


def toy_ml_dsa_sign(public_key: bytes, message: bytes) -> bytes:
    return (sha256(public_key + message).digest() * 76)[:2420]


PRIMITIVES: Mapping[KeyType, VerifyPrimitive] = {
    KeyType.ED25519: ed25519,
    KeyType.COSIGNATURE_ED25519: ed25519,
    KeyType.COSIGNATURE_ML_DSA_44: toy_ml_dsa,
}


def make_signer(name: str, seed: int, *, key_type: KeyType = KeyType.ED25519, at: int = 0) -> KeySigner:
    if key_type is KeyType.COSIGNATURE_ML_DSA_44:
        public = (sha256(b"%d" % seed).digest() * 41)[:1312]
        return KeySigner(Vkey(name, key_type, public), lambda message: toy_ml_dsa_sign(public, message), at)
    private = Ed25519PrivateKey.from_private_bytes(sha256(b"%d" % seed).digest())
    return KeySigner(Vkey(name, key_type, private.public_key().public_bytes_raw()), private.sign, at)


def make_witness(name: str, seed: int, *, at: int = 1_700_000_000) -> KeySigner:
    return make_signer(name, seed, key_type=KeyType.COSIGNATURE_ED25519, at=at)


def verify_with(signer: KeySigner) -> KeyVerifier:
    return verifier_of(signer.vkey, primitives=PRIMITIVES)


def verifier_from(text: str) -> KeyVerifier:
    return verifier_of(Vkey.parse(text), primitives=PRIMITIVES)
