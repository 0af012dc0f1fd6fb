"""What ``check`` and ``packages`` look at on one host: root, packages, scripts, lock; nothing is changed."""

from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path

from ledger.adapters.clock import SystemClock
from ledger.adapters.installation_root import InstallationRoot
from ledger.adapters.lock import INSTALLATION_LOCK, FileLock, LockHeldError
from ledger.application.moment import Moment
from ledger.application.readiness import Disk, Keeping
from ledger.domain.observation import Observation
from ledger.errors import LedgerError, UsageError

_PACKED = (".zip", ".tar.gz")
_SCRIPT = "install_upgrade.escript"


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
        """As ``ledger.adapters.keeping.keeping_of``."""
        from ledger.adapters.keeping import keeping_of  # noqa: PLC0415 # a list of packages needs no store and no key

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

    Raises: OSError, FileNotReadError where the root cannot be read.
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
