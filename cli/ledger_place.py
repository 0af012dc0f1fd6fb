"""Where a ledger is: a folder of this host, or a database of PostgreSQL that this host joins.

The command line works on folders. For an address, ``folder_of`` makes one that stands for it and is
gone with the command: it holds the address, and leads to the host's own place where there is one.
A command that is killed leaves its folder; the next one removes it, as nobody holds its lock any more.
The place is known by server and database: ``init`` may be run by another user than changes are.
"""

import atexit
import fcntl
import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from cli.errors import FileAccessError
from ledger.dataclass import dataclass, replace
from ledger.errors import UsageError
from ledger.temporary import TemporaryPlaceError, make_temporary_folder

SCHEMES = ("postgresql://", "postgres://")
_ADDRESS = "address"
_PREFIX = "release-ledger-at-"
_YOUNG = 60.0
"""Seconds in which a folder that is not locked may be one that was made a moment ago."""
_SECRET = frozenset({"password", "sslpassword"})
_SERVER = frozenset({"host", "hostaddr", "port", "dbname", "service"})
_CONFIG = b"""\
# Settings of this ledger (TOML). Taken away, a line has its default: what stands here.

[policy]
require_reason = false
require_ticket = false
anchors = []  # who holds checkpoints outside: "file:/PATH", "syslog"; witnesses: `release-ledger witness add`
holders = 0  # how many of them must hold every event before a change starts
"""
_FLEET = b"""\

# [fleet]
# offline = "spool"  # while the server is out of reach, changes go on in a ledger of this host; else they are refused
"""


class SecretInAddressError(UsageError):
    """The address of a server holds a password."""

    def __init__(self) -> None:
        super().__init__(
            "the address of the ledger holds a password",
            fact="a command line and its variables can be read by others, and end in histories and logs",
            hint="put it into ~/.pgpass (mode 0600) or a service file, and take it out of the address",
        )


class MalformedAddressError(UsageError):
    """The address of a server cannot be taken apart."""

    def __init__(self) -> None:
        super().__init__(
            "the address of the ledger cannot be read",
            fact="it is not repeated here, for it may hold a secret",
            hint="write it as postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full",
        )


class OtherOriginError(UsageError):
    """There is a ledger already, of another name."""

    def __init__(self, folder: Path, origin: str) -> None:
        super().__init__(
            f"the ledger in {folder} has another name",
            fact=f"its origin is {origin}, and a ledger keeps its origin for ever",
            hint="leave --name away, or name another folder with --ledger",
        )


@dataclass(frozen=True, kw_only=True)
class MadeLedger:
    """A ledger of ``init``: its places, and whether this command made it."""

    folder: Path
    origin: str
    vkey: str
    key_file: Path
    made: bool


def folder_of(address: str, *, base: Path) -> Path:
    """Return a folder that stands for the ledger at *address* for the length of this command; places lie in *base*.

    Raises: SecretInAddressError, MalformedAddressError, before the address is written or told anywhere;
    TemporaryPlaceError.
    """
    _refuse_secret(address)
    folder = make_temporary_folder(_PREFIX)
    _sweep(folder.parent)
    _hold(folder)  # as long as this process lives
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = _place_of(address, base)
    told = {_ADDRESS: address, "base": base} | ({"place": place} if place is not None else {})
    try:
        for name, text in told.items():
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
        if place is not None:
            for name in ("config.toml", "views.db", "log.vkey"):
                (folder / name).symlink_to(place / name)
    except OSError as exc:
        raise TemporaryPlaceError(exc, folder=folder.parent) from exc
    return folder


def _refuse_secret(address: str) -> None:
    from urllib.parse import parse_qs, urlsplit  # noqa: PLC0415 # only an address is taken apart

    try:
        parts = urlsplit(address)
    except ValueError as exc:
        raise MalformedAddressError from exc
    if parts.password or not _SECRET.isdisjoint(parse_qs(parts.query)):
        raise SecretInAddressError


def _sweep(parent: Path) -> None:
    """Remove the folders that commands of this user left which were killed; what cannot be removed stays."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = folder.lstat()
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
            if not ours or time.time() - found.st_mtime < _YOUNG:
                continue
            held = _hold(folder)
            try:
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(held)


def _hold(folder: Path) -> int:
    """Lock *folder* and return what holds it.

    Raises: OSError where another process holds it.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


def address_in(folder: Path) -> str | None:
    """Return the address of the ledger in PostgreSQL that *folder* stands for, None for any other."""
    try:
        return (folder / _ADDRESS).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        return None


def _place_of(address: str, base: Path) -> Path | None:
    server = _server_of(address)
    for file in sorted(base.glob(f"*/{_ADDRESS}"), reverse=True):
        with suppress(OSError, UnicodeDecodeError):
            if _server_of(file.read_text(encoding="utf-8").removesuffix("\n")) == server:
                return file.parent
    return None


def _server_of(address: str) -> tuple[object, ...]:
    """Return what of an address says which database is meant, and not who asks or how."""
    from urllib.parse import parse_qsl, urlsplit  # noqa: PLC0415 # only an address is taken apart

    parts = urlsplit(address)
    named = sorted((name, value) for name, value in parse_qsl(parts.query) if name in _SERVER)
    return parts.netloc.rpartition("@")[2], parts.path, *named


def make_ledger(folder: Path, *, origin: str | None, tip_guard: Path | None) -> MadeLedger:
    """Return the ledger in *folder*; make it, with a key and its settings, where there is none.

    *tip_guard* is the folder in which its guard is to lie, beside the ledger for None.

    Raises: what making or opening a ledger raises; OtherOriginError.
    """
    from ledger.adapters.ledger_folder import create_folder, default_origin, open_folder, write_vkey  # noqa: PLC0415 # as the module says

    if os.path.isfile(folder / _ADDRESS):  # noqa: PTH113 # unlike pathlib, it says no where it may not look
        return _joined_ledger(folder, origin=origin)
    made = not _is_there(folder / "ledger.db")
    if made:
        create_folder(folder, origin=origin or default_origin(os.uname().nodename), tip_guard=tip_guard)
    ledger = replace(existing_ledger(folder), made=made)
    if origin is not None and origin != ledger.origin:
        raise OtherOriginError(folder, ledger.origin)
    places = open_folder(folder)
    if not places.vkey_file.exists():  # it was lost: it follows from the key
        write_vkey(places, places.read_key())
    _write_config(ledger.folder / "config.toml", _CONFIG)
    return ledger


def origin_there(folder: Path) -> str | None:
    """Return the name of the ledger in *folder*, or that it stands for, None where there is none; nothing is written.

    Raises: the errors of reaching a server, of opening a ledger and its key.
    """
    address = address_in(folder)
    if address is None:
        return existing_ledger(folder).origin if _is_there(folder / "ledger.db") else None
    from ledger.adapters.postgres_server import origin_at  # noqa: PLC0415 # as the module says

    return origin_at(address)


def existing_ledger(folder: Path) -> MadeLedger:
    """Return the ledger in *folder*.

    Raises: the errors of opening a ledger and its key.
    """
    from ledger.adapters.ledger_folder import open_folder  # noqa: PLC0415 # as the module says

    places = open_folder(folder)
    key = places.read_key()
    return MadeLedger(folder=places.path, origin=key.origin, vkey=str(key.vkey), key_file=places.key_file, made=False)


def _joined_ledger(folder: Path, *, origin: str | None) -> MadeLedger:
    """Return the ledger in PostgreSQL that *folder* stands for, made where its database is empty, and joined here."""
    from ledger.adapters.fleet_entry import join  # noqa: PLC0415 # as above
    from projections.postgres_views import make_views  # noqa: PLC0415 # as above

    joined = join(
        folder,
        origin=origin,
        host=os.uname().nodename,
        base=Path((folder / "base").read_text(encoding="utf-8").removesuffix("\n")),
    )
    if origin is not None and origin != joined.origin:
        raise OtherOriginError(folder, joined.origin)
    make_views(address_in(folder) or "")
    _write_config(joined.folder / "config.toml", _CONFIG + _FLEET)
    return MadeLedger(
        folder=joined.folder,
        origin=joined.origin,
        vkey=joined.vkey,
        key_file=joined.key_file,
        made=joined.made,
    )


def _write_config(path: Path, text: bytes) -> None:
    from ledger.adapters.durable import replace_file  # noqa: PLC0415 # as the module says

    if not _is_there(path):
        replace_file(path, text, mode=0o600)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as exc:
        raise FileAccessError(path, exc if isinstance(exc, OSError) else OSError(str(exc))) from exc
    return True
