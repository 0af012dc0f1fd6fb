"""The signing key of a ledger: Ed25519, in a file that only its owner can read.

``log.key`` is one line, ``PRIVATE+KEY+<origin>+<key id>+<base64 of 0x01 and the seed>``, the
form of Go's ``sumdb/note``. The key id is the first four bytes of
``H(origin || 0x0A || 0x01 || public key)`` (evidence.md 3.2). Whoever can read this file can
sign another history of this ledger, so a file that others may read or write is refused.
"""

import os
import re
import stat
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.adapters.durable import sync_folder
from ledger.dataclass import dataclass, field
from ledger.errors import EvidenceError, UsageError
from ledger.tlog.checkpoint import OriginError, parse_origin
from ledger.tlog.notation import FormatError, parse_base64, print_base64
from ledger.tlog.vkey import KeyType, Vkey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES = 32
_ED25519 = b"\x01"
_OTHERS = 0o077
_PREFIX = b"PRIVATE+KEY"
_LINE = re.compile(rb"PRIVATE\+KEY\+(?P<origin>[^+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/=]+)\n")


class KeyAccessError(UsageError):
    """The signing key cannot be read or made."""

    def __init__(
        self, path: Path, fact: str, *, hint: str = "run as the user who owns the ledger; reading commands need no key"
    ) -> None:
        super().__init__(f"the signing key {path} cannot be used", fact=fact, hint=hint)
        self.path = path


class KeyLostError(KeyAccessError):
    """There is no signing key."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "it is not there; without it nothing is recorded, what is there can be read and verified",
            hint="put it back from a copy of the ledger's folder; docs/backup.md says what to do where there is none",
        )


class KeyModeError(UsageError):
    """Others may read or write the signing key."""

    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(
            f"the signing key {path} is open to others",
            fact=f"its mode is {mode:04o}; whoever reads it can sign another history",
            hint=f"find out who could read it, then `chmod 600 {path}`",
        )
        self.path = path


class KeyFormatError(EvidenceError):
    """A key file does not hold a signing key."""

    kind = "undecided"

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"{path} holds no signing key of a ledger",
            fact=fact,
            hint="put the file back from the backup of the ledger's folder",
        )
        self.path = path


@dataclass(frozen=True)
class LogKey:
    """The key under which the ledger *origin* signs; *seed* never leaves this object."""

    origin: str
    seed: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The key's name in a signed note: the origin."""
        return self.origin

    @cached_property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._public.public_bytes_raw()

    @cached_property
    def vkey(self) -> Vkey:
        """The public key as auditors write it down."""
        return Vkey(self.origin, KeyType.ED25519, self.public_key)

    @cached_property
    def key_id(self) -> bytes:
        """The four bytes that a signature line begins with."""
        return self.vkey.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature over *message*."""
        return self._private.sign(message)

    def verify(self, text: bytes, payload: bytes) -> bool:
        """Say whether *payload* is this key's signature over *text*."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 # as below

        try:
            self._public.verify(payload, text)
        except InvalidSignature:
            return False
        return True

    @cached_property
    def _public(self) -> "Ed25519PublicKey":
        return self._private.public_key()

    @cached_property
    def _private(self) -> "Ed25519PrivateKey":
        # Reading commands never come here; the import is a tenth of a change's start.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 # its cost

        return Ed25519PrivateKey.from_private_bytes(self.seed)


def create_key(path: Path, *, origin: str, seed: bytes) -> LogKey:
    """Make the key file at *path*, mode 0600, and return the key; an existing file is never replaced.

    It shows under its name only when all of it is written: a key that was cut off could not be told
    from a damaged one.
    Raises: OriginError, KeyAccessError.
    """
    key = LogKey(parse_origin(origin), seed)
    text = b"+".join((_PREFIX, origin.encode(), key.key_id.hex().encode(), print_base64(_ED25519 + seed) + b"\n"))
    try:
        _write_once(path, text)
    except OSError as exc:
        raise KeyAccessError(path, exc.strerror or str(exc)) from exc
    return key


def _write_once(path: Path, text: bytes) -> None:
    temporary = path.with_name(f".{path.name}.ledger-tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text)
        os.fsync(descriptor)
        path.hardlink_to(temporary)  # unlike a rename, it refuses where there is a key
    finally:
        os.close(descriptor)
        temporary.unlink()
    sync_folder(path.parent)


def read_key(path: Path) -> LogKey:
    """Return the key in the file *path*.

    Raises: KeyLostError, KeyAccessError, KeyModeError, KeyFormatError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 # the checks below are of the file that is read
            status = os.fstat(file.fileno())
            text = file.read(1024)
    except FileNotFoundError as exc:
        raise KeyLostError(path) from exc
    except OSError as exc:
        raise KeyAccessError(path, exc.strerror or str(exc)) from exc
    if stat.S_IMODE(status.st_mode) & _OTHERS:
        raise KeyModeError(path, stat.S_IMODE(status.st_mode))
    return _parse(path, text)


def _parse(path: Path, text: bytes) -> LogKey:
    match = _LINE.fullmatch(text)
    if match is None:
        raise KeyFormatError(path, "it is not one line PRIVATE+KEY+origin+id+key")
    try:
        secret, origin = parse_base64(match["key"]), parse_origin(match["origin"].decode())
    except (FormatError, OriginError, UnicodeDecodeError) as exc:
        raise KeyFormatError(path, str(exc)) from exc
    if len(secret) != 1 + SEED_BYTES or secret[:1] != _ED25519:
        raise KeyFormatError(path, "it is no Ed25519 key")
    key = LogKey(origin, secret[1:])
    if key.key_id.hex().encode() != match["id"]:
        raise KeyFormatError(path, "its key id does not belong to its key")
    return key
