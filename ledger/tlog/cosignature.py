"""Signatures over checkpoints, by type of key (C2SP signed-note and tlog-cosignature).

- 0x01, a log: Ed25519 over the text of the note; the payload is the signature.
- 0x04, a witness: Ed25519 over ``cosignature/v1``, ``time <T>`` and the text, a line each; the
  payload is ``u64be(T) || signature``. It does not cover the cosigner's name, so one key serves
  one cosigner.
- 0x06, a log or a witness: ML-DSA-44 with empty context over a binary message with the
  cosigner's name, T, origin, size and root; the payload is as above. Extension lines are not
  covered.

T is in seconds since the epoch, at most 2^63-1, and never 0 for a witness: that at T this was
the largest consistent tree the cosigner had seen under that origin. The primitives themselves
come in from outside: this package holds no cryptography but SHA-256.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, assert_never

from ledger.dataclass import dataclass
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import MAX_DECIMAL, FormatError
from ledger.tlog.vkey import KeyType, Vkey, VkeyError

TIME_SIZE = 8
SIGNATURE_SIZES: Mapping[KeyType, int] = {
    KeyType.ED25519: 64,
    KeyType.COSIGNATURE_ED25519: 64,
    KeyType.COSIGNATURE_ML_DSA_44: 2420,
}


class VerifyPrimitive(Protocol):
    """A signature algorithm."""

    def __call__(self, public_key: bytes, signature: bytes, message: bytes, /) -> bool:
        """Say whether *signature* over *message* is by *public_key*."""
        ...


class PrimitiveMissingError(VkeyError):
    """Nothing here can verify signatures of a key's type."""

    def __init__(self, vkey: Vkey) -> None:
        super().__init__(
            f"signatures of {vkey.name} cannot be verified here",
            fact=f"no implementation of key type 0x{vkey.key_type:02x} was given",
        )
        self.vkey = vkey


class CosignatureTimeError(FormatError):
    """A time cannot stand in a cosignature."""

    def __init__(self, at: int) -> None:
        super().__init__(f"{at} is not the time of a cosignature", fact=f"times are 1 to {MAX_DECIMAL}")
        self.at = at


class NameTooLongError(FormatError):
    """A name does not fit its one byte of length."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:60]!a}... is too long to be cosigned", fact="names have at most 255 bytes here")
        self.name = name


@dataclass(frozen=True)
class KeyVerifier:
    """Verifies the signature lines of one key (a ``note.Verifier``)."""

    vkey: Vkey
    primitive: VerifyPrimitive

    @property
    def name(self) -> str:
        """Name of the key."""
        return self.vkey.name

    @property
    def key_id(self) -> bytes:
        """Its four bytes of id."""
        return self.vkey.key_id

    def verify(self, text: bytes, payload: bytes) -> bool:
        """Say whether *payload* signs *text* with this key."""
        at, signature = split_payload(self.vkey, payload)
        if len(signature) != SIGNATURE_SIZES[self.vkey.key_type]:
            return False
        try:
            message = message_to_sign(self.vkey, text=text, at=at)
        except FormatError:
            return False
        return self.primitive(self.vkey.public_key, signature, message)


@dataclass(frozen=True)
class KeySigner:
    """Signs for the key *vkey* with *primitive* (a ``note.Signer``); *at* is a cosigner's clock."""

    vkey: Vkey
    primitive: Callable[[bytes], bytes]
    at: int = 0

    @property
    def name(self) -> str:
        """Name of the key."""
        return self.vkey.name

    @property
    def key_id(self) -> bytes:
        """Its four bytes of id."""
        return self.vkey.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the payload of this key's line under the note text *message*.

        Raises: CosignatureTimeError; FormatError for a text that this type of key cannot sign.
        """
        signature = self.primitive(message_to_sign(self.vkey, text=message, at=self.at))
        return signature if self.vkey.key_type is KeyType.ED25519 else self.at.to_bytes(TIME_SIZE) + signature


def verifier_of(vkey: Vkey, *, primitives: Mapping[KeyType, VerifyPrimitive]) -> KeyVerifier:
    """Return what verifies the lines of *vkey*.

    Raises: PrimitiveMissingError, since a known line that cannot be checked must not be ignored.
    """
    primitive = primitives.get(vkey.key_type)
    if primitive is None:
        raise PrimitiveMissingError(vkey)
    return KeyVerifier(vkey, primitive)


def split_payload(vkey: Vkey, payload: bytes) -> tuple[int, bytes]:
    """Return time and signature in the *payload* of a line of *vkey*; time 0 where the type has none."""
    if vkey.key_type is KeyType.ED25519:
        return 0, payload
    return int.from_bytes(payload[:TIME_SIZE]), payload[TIME_SIZE:]


def message_to_sign(vkey: Vkey, *, text: bytes, at: int) -> bytes:
    """Return the bytes that *vkey* signs for the note *text* at time *at*.

    Raises: CosignatureTimeError; FormatError where the type signs only checkpoints.
    """
    match vkey.key_type:
        case KeyType.ED25519:
            return text
        case KeyType.COSIGNATURE_ED25519:
            return cosignature_message(text, at=at)
        case KeyType.COSIGNATURE_ML_DSA_44:
            return subtree_message(Checkpoint.parse(text), name=vkey.name, at=at)
        case _ as never:
            assert_never(never)


def cosignature_message(text: bytes, *, at: int) -> bytes:
    """Return what a witness signs with Ed25519 for the checkpoint *text* at time *at*.

    Raises: CosignatureTimeError.
    """
    if not 1 <= at <= MAX_DECIMAL:
        raise CosignatureTimeError(at)
    return b"cosignature/v1\ntime %d\n" % at + text


def subtree_message(checkpoint: Checkpoint, *, name: str, at: int) -> bytes:
    """Return what the cosigner *name* signs with ML-DSA-44 for *checkpoint*; time 0 is a log's own.

    Raises: CosignatureTimeError; NameTooLongError.
    """
    if not 0 <= at <= MAX_DECIMAL:
        raise CosignatureTimeError(at)
    start_and_end = (0).to_bytes(8) + checkpoint.size.to_bytes(8)
    return b"".join(
        (
            b"subtree/v1\n\0",
            _with_length(name),
            at.to_bytes(TIME_SIZE),
            _with_length(checkpoint.origin),
            start_and_end,
            checkpoint.root,
        )
    )


def _with_length(name: str) -> bytes:
    data = name.encode()
    if len(data) > 255:  # noqa: PLR2004 -- the largest number in one byte
        raise NameTooLongError(name)
    return bytes((len(data),)) + data
