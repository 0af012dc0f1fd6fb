"""What a host keeps of a ledger in PostgreSQL: its key, the keys of the fleet, and its tip guard.

::

    <base>/<origin, "/" as "_">/   0700
      address                      where the server is; it holds no secret
      log.key                0600  this host's own key; whoever can read it can sign as this host
      log.vkey               0644  its public key
      policy                 0644  the keys of all hosts that this one has met, as an auditor's policy
      tip, tip.lock          0600  the newest signed note that this host has seen, and the turn of its writers
      config.toml                  written by the operator

All hosts sign under one name, the origin; their key ids tell them apart. A key that is not known
here counts where the server says that it is enrolled, which only the role ``ledger_owner`` can
bring about; from then on it stands in ``policy``.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from ledger.adapters.durable import make_folder, replace_file
from ledger.adapters.keys import SEED_BYTES, LogKey, create_key
from ledger.adapters.ledger_folder import ADDRESS, FolderNotMadeError, LedgerFolder
from ledger.adapters.postgres_head import Cursor
from ledger.adapters.postgres_server import enrolled_keys, reached, require_enrolled
from ledger.adapters.signatures import verifier
from ledger.dataclass import dataclass
from ledger.errors import FailedError, UsageError
from ledger.tlog.checkpoint import Checkpoint, parse_origin
from ledger.tlog.note import Note, Verifier, sign_note
from ledger.tlog.policy_file import parse_policy
from ledger.tlog.vkey import Vkey, VkeyError

_PRIVATE = 0o700
_ENROLLED = "SELECT vkey FROM log_key WHERE key_id = %s"


class PlaceMissingError(UsageError):
    """This host has no key for the ledger, so it cannot record in it."""

    def __init__(self, path: Path, place: str) -> None:
        super().__init__(
            f"this host has no key for {place}",
            fact=f"{path} has no place of a ledger at that server and database",
            hint="run `release-ledger init --ledger postgresql://…` on this host once, also where the server has "
            "another address now: key and guard stay; most questions need no key",
        )
        self.path = path


class KeysNotKeptError(UsageError):
    """The key of another host is new here and cannot be kept, so nothing behind its commits is recorded."""

    def __init__(self, cause: FailedError) -> None:
        super().__init__(
            f"the keys of the fleet cannot be kept: {cause}",
            fact=f"{cause.fact}; nothing of this commit was recorded",
            hint=cause.hint,
        )


@dataclass(frozen=True)
class HostPlace(LedgerFolder):
    """The places of one ledger on this host."""

    given: str = ""

    @property
    def address(self) -> str:
        """Where the server is: as this command was told, else as ``init`` was."""
        return self.given or address_in(self.path)

    @property
    def store(self) -> Mapping[str, str]:
        """What the event store has to know to find the server."""
        return {
            "PERSISTENCE_MODULE": "ledger.adapters.postgres:LedgerFactory",
            "POSTGRES_LEDGER_ADDRESS": self.address,
        }

    @property
    def guarded(self) -> bool:
        """Whether this host records in the ledger, so that it has a tip guard."""
        return self.key_file.exists()

    def key_of(self, note: bytes | None = None) -> Vkey | None:
        """Return the enrolled key of the host that signed *note*, by default the newest; None where none did.

        Raises: the errors of reaching the server; VkeyError; FormatError for what is no note.
        """
        with reached(self.address) as connection:
            enrolled = [Vkey.parse(text) for text in enrolled_keys(connection)]
            row = connection.execute("SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1").fetchone()
        text = note or (row[0] if row else b"")
        signers = {(line.name, line.key_id) for line in Note.parse(text).signatures} if text else set()
        return next((vkey for vkey in enrolled if (vkey.name, vkey.key_id) in signers), None)

    def fleet_keys(self) -> Sequence[Vkey]:
        """Return the keys of the other hosts: those that this one has met, and those that are enrolled.

        Who trusts nobody who may enrol a key brings a policy of his own.
        Raises: the errors of reaching the server and of the key; PolicyError.
        """
        with reached(self.address) as connection:
            enrolled = [Vkey.parse(text) for text in enrolled_keys(connection)]
        signer = self.read_signer()
        known = {vkey.key_id: vkey for vkey in (*enrolled, *signer.others)}
        return tuple(vkey for vkey in known.values() if vkey.key_id != signer.key_id and vkey.name == signer.name)

    def checked(self) -> "HostPlace":
        """Return this place, where its key is there and the server knows it.

        Raises: PlaceMissingError, NotEnrolledError; the errors of reaching the server and of the key.
        """
        if not self.key_file.exists():
            raise PlaceMissingError(_base_in(self.path), self.address)
        require_enrolled(self.address, self.read_key().vkey)
        return self

    @property
    def policy_file(self) -> Path:
        """The keys that are known here."""
        return self.path / "policy"

    @property
    def tip(self) -> Path:
        """The folder of the tip guard and its lock: the place itself, as the database is elsewhere."""
        return self.path

    def empty_note(self) -> bytes:
        """Return the note of the empty tree by this host's key, which is what the guard of a new ledger holds.

        Raises: the errors of ``keys.read_key``.
        """
        key = self.read_key()
        text = Checkpoint(key.origin, 0, sha256(b"").digest()).encode()  # RFC 6962, section 2.1
        return sign_note(text, signers=(key,))

    def read_signer(self) -> "HostSigner":
        """Return what signs for this host and knows the others.

        Raises: the errors of ``keys.read_key``; PolicyError.
        """
        return HostSigner(self.read_key(), self.policy_file)


class HostSigner:
    """The key of this host, with what it knows of the keys of others (a ``postgres_tree.FleetSigner``)."""

    def __init__(self, key: LogKey, policy: Path) -> None:
        self.key = key
        self._policy = policy

    @property
    def name(self) -> str:
        """The key's name in a signed note: the origin."""
        return self.key.name

    @property
    def key_id(self) -> bytes:
        """The four bytes that a signature line of this host begins with."""
        return self.key.key_id

    @property
    def others(self) -> Sequence[Vkey]:
        """The keys of other hosts that this one has met."""
        return tuple(self._known.values())

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of this host's signature over *message*."""
        return self.key.sign(message)

    def verify(self, text: bytes, payload: bytes) -> bool:
        """Say whether *payload* is this host's signature over *text*."""
        return self.key.verify(text, payload)

    def verifiers(self, note: Note, cursor: Cursor) -> Sequence[Verifier]:
        """Return the keys of other hosts that *note* names; one that is new here is learned from the server.

        Raises: KeysNotKeptError.
        """
        others = {line.key_id for line in note.signatures if line.name == self.name} - {self.key_id}
        new = tuple(filter(None, (self._enrolled(key_id, cursor) for key_id in others if key_id not in self._known)))
        if new:
            self.learn(new)
        return tuple(verifier(self._known[key_id]) for key_id in others if key_id in self._known)

    def learn(self, vkeys: Sequence[Vkey]) -> None:
        """Keep *vkeys* as keys of this ledger.

        Raises: KeysNotKeptError.
        """
        known = self._known | {vkey.key_id: vkey for vkey in vkeys if vkey.name == self.name}
        try:
            replace_file(self._policy, policy_text((self.key.vkey, *known.values())), mode=0o644)
        except FailedError as exc:
            raise KeysNotKeptError(exc) from exc
        self._known.update(known)

    @cached_property
    def _known(self) -> dict[bytes, Vkey]:
        if not self._policy.exists():
            return {}
        logs = parse_policy(self._policy.read_bytes()).logs
        return {log.vkey.key_id: log.vkey for log in logs if log.vkey.key_id != self.key_id}

    def _enrolled(self, key_id: bytes, cursor: Cursor) -> Vkey | None:
        row = cursor.execute(_ENROLLED, (key_id.hex(),)).fetchone()
        try:
            vkey = Vkey.parse(row[0]) if row else None
        except VkeyError:
            return None
        return vkey if vkey and (vkey.name, vkey.key_id) == (self.name, key_id) else None


def address_in(folder: Path) -> str:
    """Return the address that lies in *folder*.

    Raises: PlaceMissingError.
    """
    try:
        return (folder / ADDRESS).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise PlaceMissingError(folder, "the ledger") from exc


def _base_in(folder: Path) -> Path:
    """Return where the places of this host lie, which the folder that stands for an address says; else *folder*."""
    try:
        return Path((folder / "base").read_text(encoding="utf-8").removesuffix("\n"))
    except (OSError, UnicodeDecodeError):
        return folder


def served_place(folder: Path) -> HostPlace:
    """Return the host's place of the ledger that *folder* stands for; *folder* itself where it is one, or has none.

    Raises: PlaceMissingError.
    """
    leads = folder / "place"
    place = Path(leads.read_text(encoding="utf-8").removesuffix("\n")) if leads.is_file() else folder.absolute()
    return HostPlace(place, address_in(folder))


def policy_text(vkeys: Sequence[Vkey]) -> bytes:
    """Return the policy that lists *vkeys* and asks for no witness."""
    return "".join((*(f"log {vkey}\n" for vkey in dict.fromkeys(vkeys)), "quorum none\n")).encode()


def place_of(base: Path, origin: str) -> HostPlace:
    """Return the place of the ledger *origin* under *base*, whether or not it is there."""
    return HostPlace(base / parse_origin(origin).replace("/", "_"))


def make_place(
    base: Path, origin: str, *, address: str, entropy: Callable[[int], bytes] = os.urandom
) -> tuple[HostPlace, HostSigner]:
    """Make the place of a ledger on this host where it is not there yet, with a key; *address* is written anew.

    It can be called again, where a crash left off.
    Raises: FolderNotMadeError, KeyAccessError, WriteFailedError.
    """
    place = place_of(base, origin)
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        make_folder(place.path, mode=_PRIVATE)
        if not place.key_file.exists():
            create_key(place.key_file, origin=origin, seed=entropy(SEED_BYTES))
        signer = place.read_signer()
        replace_file(place.vkey_file, f"{signer.key.vkey}\n".encode(), mode=0o644)
        replace_file(place.path / ADDRESS, f"{address}\n".encode(), mode=0o600)
    except OSError as exc:
        raise FolderNotMadeError(place.path, exc) from exc
    return place, signer
