"""What ``check`` and ``packages`` look at on one host: root, packages, scripts, lock, key, guard; nothing changes."""

import grp
from collections.abc import Callable
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path

from ledger.adapters.clock import SystemClock
from ledger.adapters.installation_root import InstallationRoot
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.adapters.lock import INSTALLATION_LOCK, FileLock, LockHeldError
from ledger.application.readiness import Disk, Keeping
from ledger.application.record_ports import Moment
from ledger.domain.observation import Observation
from ledger.errors import LedgerError, UsageError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.note import Note

_PACKED = (".zip", ".tar.gz")
_SCRIPT = "install_upgrade.escript"
_SHARED_FOLDER, _SHARED_FILE = 0o050, 0o040


class HostSight:
    """All that is looked at, as one thing for whoever may not import adapters."""

    def now(self) -> Moment:
        """Return what the clock of this host says."""
        return SystemClock().read()

    def look_under(self, root: Path, observe: Callable[[], Observation]) -> tuple[Disk, Observation | LedgerError]:
        """As the function ``look_under``."""
        return look_under(root, observe)

    def packages(self, root: Path) -> tuple[Path, ...]:
        """As the function ``package_files``."""
        return package_files(root)

    def digest_of(self, path: Path) -> str:
        """As the function ``digest_of``."""
        return digest_of(path)

    def keeping_of(self, folder: Path, *, stored: int, newest: bytes | None, group: str | None) -> Keeping:
        """As the function ``keeping_of``."""
        return keeping_of(folder, stored=stored, newest=newest, group=group)


class UnreadablePackageError(UsageError):
    """A package lies there and cannot be read."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"{path} cannot be read",
            fact=cause.strerror or str(cause),
            hint="run as the user who owns the installation",
        )
        self.path = path


def look_under(root: Path, observe: Callable[[], Observation]) -> tuple[Disk, Observation | LedgerError]:
    """Return what lies under *root*, and what *observe* gives under the lock, or why it gives nothing.

    Raises: OSError where the root cannot be read.
    """
    files = InstallationRoot(root)
    holder = None
    found: Observation | LedgerError
    try:
        with FileLock(root / INSTALLATION_LOCK).hold("check", wait=0):
            found = observe()
    except LockHeldError as exc:
        holder, found = exc.holder or "another process", exc
    except LedgerError as exc:
        found = exc
    disk = Disk(
        owner=files.owner(),
        foreign=files.foreign_paths(),
        free_bytes=files.free_bytes(),
        largest_package=max((path.stat().st_size for path in package_files(root)), default=0),
        holder=holder,
        script=script_in_place(root),
    )
    return disk, found


def package_files(root: Path) -> tuple[Path, ...]:
    """Return the packed files in ``releases/``, by name.

    Raises: OSError where it cannot be read.
    """
    return tuple(sorted(p for p in (root / "releases").iterdir() if p.name.endswith(_PACKED) and p.is_file()))


def digest_of(path: Path) -> str:
    """Return the sha256 of a file.

    Raises: UnreadablePackageError.
    """
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise UnreadablePackageError(path, exc) from exc


def script_in_place(root: Path) -> str | None:
    """Return the release whose ``install_upgrade.escript`` is in place, None where it is of none that is here."""
    try:
        script = (root / "bin" / _SCRIPT).read_bytes()
        copies = sorted((root / "bin").glob(f"{_SCRIPT}-*"), reverse=True)
        found = [path for path in copies if path.read_bytes() == script]
    except OSError:
        return None
    return found[0].name.removeprefix(f"{_SCRIPT}-") if found else None


def keeping_of(folder: Path, *, stored: int, newest: bytes | None, group: str | None) -> Keeping:
    """Return how the ledger in *folder*, of *stored* events with the *newest* note, is kept."""
    places = LedgerFolder(folder.absolute())
    keeping = Keeping(key="", stored=stored)
    try:
        key = places.read_key()
        keeping = replace(keeping, key=f"{places.key_file}, of {key.origin}")
    except (LedgerError, OSError) as exc:
        keeping = replace(keeping, key_fault=_words(exc))
    try:
        note = places.guard.read()
        guarded = None if note is None else Checkpoint.parse(Note.parse(note).text).size
        keeping = replace(keeping, guarded=guarded)
        if note is not None and newest is not None and guarded == stored and not _same_tree(note, newest):
            keeping = replace(keeping, guard_fault="it holds another tree than the ledger")
    except (LedgerError, FormatError, OSError) as exc:
        keeping = replace(keeping, guard_fault=_words(exc))
    if group is None:
        return keeping
    return replace(keeping, group=group, group_fault=group_fault(places, group))


def group_fault(places: LedgerFolder, group: str) -> str:
    """Return what keeps *group* from reading the ledger, nothing where it may."""
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        return f"there is no group {group}"
    for path, wanted in ((places.path, _SHARED_FOLDER), (places.database, _SHARED_FILE)):
        status = path.stat()
        if status.st_gid != gid or status.st_mode & wanted != wanted:
            return f"{path} is not readable for {group}"
    return ""


def _same_tree(note: bytes, other: bytes) -> bool:
    return Note.parse(note).text == Note.parse(other).text


def _words(exc: Exception) -> str:
    return f"{exc}: {exc.fact}" if isinstance(exc, LedgerError) else str(exc)
