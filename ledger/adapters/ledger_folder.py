"""The folder of a ledger: who may do what with it lies in its modes.

::

    <folder>/          0700
      ledger.db        0600   events and tree; whoever can write it can break the record, and is found out
      log.key          0600   whoever can read it can sign another history
      log.vkey         0644   the public key, for auditors
      config.toml             written by the operator
    <folder>.tip/      0700   newest signed note and its lock, outside the database's folder (RULINGS 9);
                              a link to it, where the host's settings name another place for guards

The database is made under another name and renamed, so that a folder either holds a whole
ledger or none; ``create`` begins again where a crash left off. The default origin is
``<host>/release-ledger/<8 hex digits>``: the random part keeps two ledgers of one host, or of
two hosts of one name, apart (evidence.md 3.3).
"""

import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.adapters.durable import make_folder, rename, replace_file, sync_folder
from ledger.adapters.keys import SEED_BYTES, LogKey, create_key, read_key
from ledger.adapters.lock import FileLock
from ledger.adapters.sqlite import create_database
from ledger.adapters.tip_guard import TipFolderLostError, TipGuard
from ledger.dataclass import dataclass
from ledger.errors import UsageError
from ledger.tlog.checkpoint import Checkpoint, parse_origin
from ledger.tlog.note import Note, Signature
from ledger.tlog.vkey import Vkey

if TYPE_CHECKING:
    from ledger.application.record_ports import LogSigner

ADDRESS = "address"
"""The file that names the server, in the place of a ledger in PostgreSQL."""

ALARM = "alarm-"
"""How the names of the files begin that keep what a holder said against the ledger."""

_PRIVATE = 0o700
_OTHERS_WRITE = 0o022
_FRESH = "ledger.db.new"
_KEY_TO_COME = ".log.key.ledger-tmp"
_TIP_TO_COME = ".tip.ledger-tmp"
_LEFT_BY_SQLITE = tuple(f"{_FRESH}{suffix}" for suffix in ("", "-journal", "-wal", "-shm"))
# What the operator may have put there, and what a crash in the middle of ``create_folder`` leaves.
_OURS = frozenset(
    {
        "config.toml",
        "log.key",
        _KEY_TO_COME,
        "log.vkey",
        ".log.vkey.ledger-tmp",
        "tip",
        _TIP_TO_COME,
        "tip.lock",
        *_LEFT_BY_SQLITE,
    }
)
_NOT_IN_A_HOST = r"[^a-z0-9.-]+"


class LedgerMissingError(UsageError):
    """There is no ledger where one was expected."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no ledger in {path}",
            fact=f"{path / 'ledger.db'} does not exist",
            hint="make one with `release-ledger init --root DIR`, or name another with `--ledger`",
        )
        self.path = path


class LedgerUnreadableError(UsageError):
    """There is a ledger, but this user may not read it; another is never taken in its place (RULINGS 8)."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"the ledger in {path} cannot be read",
            fact=fact,
            hint="run as its owner (for example with sudo), or name another ledger with `--ledger`",
        )
        self.path = path


class LedgerExistsError(UsageError):
    """There is a ledger already."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is a ledger in {path} already",
            fact=f"{path / 'ledger.db'} exists",
            hint="use it as it is; `register` adds an installation to it",
        )
        self.path = path


class FolderTakenError(UsageError):
    """A folder holds something that is no ledger."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(
            f"{path} is not free for a ledger",
            fact=f"it holds {name!a}, which belongs to something else",
            hint="name a folder that is empty or does not exist",
        )
        self.path = path


class FolderModeError(UsageError):
    """Others may change what lies in the ledger's folder."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"{path} is open to others",
            fact=fact,
            hint=f"give it to the user who runs release-ledger, and `chmod go-w {path}`",
        )
        self.path = path


class FolderNotMadeError(UsageError):
    """The system refused to make a file or folder of the ledger; what is there can be made again."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"the ledger in {path} cannot be made",
            fact=f"{cause.filename or path}: {cause.strerror or cause}",
            hint="see to space and owner of that folder, then run the command again: it goes on from there",
        )
        self.path = path


@dataclass(frozen=True)
class LedgerFolder:
    """The places of one ledger."""

    path: Path

    @property
    def address(self) -> str | None:
        """Where the server of the ledger is, None where the database is a file."""
        return None

    def checked(self) -> "LedgerFolder":
        """Return these places, where this host may record.

        Raises: LedgerMissingError.
        """
        if not self.database.exists():
            raise LedgerMissingError(self.path)
        return self

    @property
    def database(self) -> Path:
        """The events and the tree."""
        return self.path / "ledger.db"

    @property
    def key_file(self) -> Path:
        """The signing key."""
        return self.path / "log.key"

    @property
    def vkey_file(self) -> Path:
        """The public key."""
        return self.path / "log.vkey"

    @property
    def tip(self) -> Path:
        """The folder of the tip guard and its lock."""
        return self.path.with_name(f"{self.path.name}.tip")

    @property
    def turn(self) -> FileLock:
        """The lock that orders the writers of this host (evidence.md 5.2, step 1).

        Raises: TipFolderLostError.
        """
        if not self.tip.is_dir():
            raise TipFolderLostError(self.tip)
        return FileLock(self.tip / "tip.lock", mode=0o600, signed=False)

    @property
    def guard(self) -> TipGuard:
        """The file that holds the newest note."""
        return TipGuard(self.tip)

    @property
    def store(self) -> Mapping[str, str]:
        """What the event store has to know to find the database."""
        return {"PERSISTENCE_MODULE": "ledger.adapters.sqlite:LedgerFactory", "SQLITE_DBNAME": str(self.database)}

    @property
    def witnesses(self) -> Path:
        """The list of witnesses, where there are any."""
        return self.path / "witnesses"

    def has_nobody_outside(self) -> bool:
        """Tell whether no witness is listed, and beside the tip guard lies no alarm that one has raised.

        In doubt it is not so: then what reads them is loaded, and tells what is wrong.
        """
        try:
            found = [*os.scandir(self.tip)] if self.guarded else []
        except OSError:
            return False
        return not os.path.lexists(self.witnesses) and not any(entry.name.startswith(ALARM) for entry in found)

    @property
    def guarded(self) -> bool:
        """Whether a tip guard belongs to this ledger here."""
        return self.tip.is_dir()

    def key_of(self, note: bytes | None = None) -> Vkey | None:  # noqa: ARG002 # one key signs all that lies in a folder
        """Return the public key that signs *note*, by default the newest.

        Raises: OSError, UnicodeDecodeError, VkeyError.
        """
        return Vkey.parse(self.vkey_file.read_text(encoding="utf-8").removesuffix("\n"))

    def fleet_keys(self) -> Sequence[Vkey]:
        """Return the keys of other hosts that record in this ledger: of one in a folder, none."""
        return ()

    def read_key(self) -> LogKey:
        """Return the signing key.

        Raises: the errors of ``keys.read_key``.
        """
        return read_key(self.key_file)

    def read_signer(self) -> "LogSigner":
        """Return what signs the commits of this host.

        Raises: as ``read_key``.
        """
        return self.read_key()


def default_origin(host: str, *, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Return a new origin for a ledger on *host*."""
    name = re.sub(_NOT_IN_A_HOST, "-", host.lower())[:100].strip("-.") or "host"
    return f"{name}/release-ledger/{entropy(4).hex()}"


def create_folder(
    path: Path, *, origin: str, tip_guard: Path | None = None, entropy: Callable[[int], bytes] = os.urandom
) -> LedgerFolder:
    """Make an empty ledger in *path*, with a new key; its guard lies in a folder of *tip_guard*, if that is given.

    Raises: OriginError, LedgerExistsError, FolderTakenError, FolderModeError, KeyAccessError, WriteFailedError,
    FolderNotMadeError; those of making a database. It can be called again.
    """
    parse_origin(origin)
    folder = LedgerFolder(path.absolute())
    try:
        _make_private(folder.path)
        _make_guard(folder.tip, tip_guard)
        key = folder.read_key() if folder.key_file.exists() else None
        (folder.path / _KEY_TO_COME).unlink(missing_ok=True)
        key = key or create_key(folder.key_file, origin=origin, seed=entropy(SEED_BYTES))
        write_vkey(folder, key)
        _guard_nothing(folder, key)
        _make_database(folder)
    except OSError as exc:
        raise FolderNotMadeError(folder.path, exc) from exc
    return folder


def write_vkey(folder: LedgerFolder, key: LogKey) -> None:
    """Write the public key of *key* where auditors find it.

    Raises: WriteFailedError.
    """
    replace_file(folder.vkey_file, f"{key.vkey}\n".encode(), mode=0o644)


def open_folder(path: Path) -> LedgerFolder:
    """Return the ledger in *path*.

    Raises: LedgerMissingError, LedgerUnreadableError, FolderModeError; PlaceMissingError and the errors of the server
    for a ledger in PostgreSQL.
    """
    folder = places_at(path)
    if folder.address is not None:
        return folder.checked()
    try:
        statuses = [(place, place.stat()) for place in (folder.path, folder.database)]
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise LedgerMissingError(path) from exc
    except OSError as exc:
        raise LedgerUnreadableError(path, exc.strerror or str(exc)) from exc
    for place, status in statuses:
        _require_closed(place, status)
    if not os.access(folder.database, os.R_OK):
        raise LedgerUnreadableError(path, f"{folder.database} belongs to user {statuses[1][1].st_uid}")
    return folder


def places_at(path: Path) -> LedgerFolder:
    """Return the places of the ledger in *path*, or of the one in PostgreSQL whose address lies there."""
    if not os.path.isfile(path / ADDRESS):  # noqa: PTH113 # unlike pathlib, it says no where it may not look
        return LedgerFolder(path.absolute())
    from ledger.adapters.postgres_place import served_place  # noqa: PLC0415 # a ledger in a folder needs no libpq

    return served_place(path)


def _guard_nothing(folder: LedgerFolder, key: LogKey) -> None:
    """Let the guard hold the empty tree, so that a crash behind the first commit is one like any other."""
    text = Checkpoint(key.origin, 0, sha256(b"").digest()).encode()  # RFC 6962, section 2.1
    folder.guard.swap(Note(text, (Signature(key.name, key.key_id, key.sign(text)),)).encode())


def _make_database(folder: LedgerFolder) -> None:
    for name in _LEFT_BY_SQLITE:
        (folder.path / name).unlink(missing_ok=True)
    fresh = folder.path / _FRESH
    create_database(fresh)
    sync_folder(folder.path)
    rename(fresh, folder.database)


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    make_folder(path, mode=_PRIVATE)
    try:
        names = sorted(entry.name for entry in path.iterdir())
        _require_closed(path, path.stat())
    except OSError as exc:
        raise LedgerUnreadableError(path, exc.strerror or str(exc)) from exc
    if "ledger.db" in names:
        raise LedgerExistsError(path)
    foreign = next((name for name in names if name not in _OURS), None)
    if foreign is not None:
        raise FolderTakenError(path, foreign)
    path.chmod(_PRIVATE)


def _make_guard(tip: Path, tip_guard: Path | None) -> None:
    if tip_guard is None:
        _make_private(tip.resolve())
        return
    place = tip_guard.resolve() / tip.name
    _make_private(place)
    if not os.path.lexists(tip):  # a link that leads nowhere is there too
        if (place / "tip").exists():  # of another ledger, in a folder of the same name
            raise FolderTakenError(place, "tip")
        tip.symlink_to(place)
        sync_folder(tip.parent)
    elif tip.resolve() != place:
        raise FolderTakenError(tip, tip.resolve().name)


def _require_closed(path: Path, status: os.stat_result) -> None:
    if status.st_mode & _OTHERS_WRITE:
        raise FolderModeError(path, f"its mode is {stat.S_IMODE(status.st_mode):04o}")
    if status.st_uid not in {0, os.geteuid()} and os.geteuid() != 0:
        raise FolderModeError(path, f"it belongs to user {status.st_uid}")
