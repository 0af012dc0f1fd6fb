"""The wiring of one installation: its driver, its lock, and what reads it.

Beside ``cli.bootstrap`` one of the few that import adapters, inside the functions that wire them, so
that a command pays for what it uses.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import FileAccessError
from ledger.application.ports import Installation, InstallationLock, LeftOvers, ReleaseHandler
from ledger.domain.records import Driver, Kind
from ledger.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from cli.discovery import Found
    from cli.node_keeper import NodeKeeper
    from ledger.adapters.embedded_node import EmbeddedNode
    from ledger.adapters.ledger_folder import LedgerFolder
    from ledger.domain.releases import NodeReleases

Tell = Callable[[str], None]

_MARKER = "releases/.release-ledger"


class OfflineChangeError(RefusedError):
    """A rehearsal driver would change an installation that serves (RULINGS 2)."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"{node} is registered as live and is not changed by a rehearsal",
            fact="--driver embedded changes files without the node; the node would not know",
            hint="start the node and leave --driver away; `--allow offline --reason TEXT` does it all the same",
        )


class RehearsalDriverError(UsageError):
    """A driver of running nodes was named for a rehearsal, which has none."""

    def __init__(self, node: str, driver: str) -> None:
        super().__init__(
            f"{node} is a rehearsal, and the driver {driver} is for running nodes",
            fact="what an installation is was fixed when it was registered; nothing was changed",
            hint="leave --driver away to rehearse; name the running installation with --node, or `init` it in a ledger",
        )
        self.driver = driver


class NotAnInstallationError(UsageError):
    """A folder holds no EMQX installation."""

    def __init__(self, root: Path, fact: str) -> None:
        super().__init__(
            f"{root} is not an EMQX installation",
            fact=fact,
            hint="name the folder that holds bin/, lib/ and releases/; one that was moved goes on with "
            "`release-ledger register --root NEW --continues NODE`",
        )
        self.root = root


def handler_of(
    node: "NodeReleases", *, driver: str, tell: Tell, offline: bool = False, wait: float = 0.0
) -> ReleaseHandler:
    """Return the driver of *node*; *tell* hears what it does that takes its time, *wait* is as `--wait`.

    Raises: OfflineChangeError, RehearsalDriverError.
    """
    # A rehearsal has no node but the embedded one, so it needs no option.
    if node.kind is Kind.REHEARSAL:
        if driver not in {"auto", "embedded"}:
            raise RehearsalDriverError(node.node, driver)
        driver = "embedded"
    elif driver == "embedded" and not offline:
        raise OfflineChangeError(node.node)
    return handler_at(Path(node.root), driver=driver, tell=tell, wait=wait)


def handler_at(root: Path, *, driver: str, tell: Tell = lambda _: None, wait: float = 0.0) -> ReleaseHandler:
    """Return the driver named *driver* of the installation at *root*; the rest as for `handler_of`."""
    if driver == "embedded":
        return _embedded_node(root)
    return _emqx_script(root, tell, wait) if driver == "script" else _erlang_node(root, tell, wait)


def installation_lock(root: Path) -> InstallationLock:
    """Return the lock of the installation."""
    from ledger.adapters.lock import INSTALLATION_LOCK, FileLock  # noqa: PLC0415 # as the module says

    return FileLock(root / INSTALLATION_LOCK)


def turn_at(root: Path) -> AbstractContextManager[None]:
    """Return what lets several who register the installation at *root* go on one after the other."""
    from ledger.adapters.lock import turn_at as turn  # noqa: PLC0415 # as the module says

    return turn(root)


def host_id() -> str:
    """Return the id of this host, as events have it."""
    from ledger.adapters.identity import host_id_of, look_around  # noqa: PLC0415 # as the module says

    return host_id_of(look_around({}))


def looking_at(node: "NodeReleases", handler: ReleaseHandler) -> tuple[ReleaseHandler, InstallationLock]:
    """Return what observes *node* and holds its lock without a trace, in place of *handler* and the lock."""
    from ledger.adapters.embedded_look import EmbeddedLook, LockForLook  # noqa: PLC0415 # as the module says
    from ledger.adapters.lock import INSTALLATION_LOCK  # noqa: PLC0415 # as above

    root = Path(node.root)
    # A running node is only asked; of an embedded one, looking would write its memory.
    looks = _embedded_node(root, EmbeddedLook) if handler.driver is Driver.EMBEDDED else handler
    return looks, LockForLook(root / INSTALLATION_LOCK)


def installation_at(root: Path, *, thorough: bool) -> Installation:
    """Return what reads the installation at *root*; *thorough* as there.

    Raises: NotAnInstallationError.
    """
    from ledger.adapters.installation_root import InstallationRoot  # noqa: PLC0415 # as the module says

    check_installation(root)
    return InstallationRoot(root, thorough=thorough)


def left_overs_of(root: Path) -> LeftOvers:
    """Return what finds and clears what broken-off commands left under *root*."""
    from ledger.adapters.left_overs import RootLeftOvers  # noqa: PLC0415 # as the module says

    return RootLeftOvers(root)


def find_out(root: Path) -> "Found":
    """Return what lies on the disk of the installation at *root*.

    Raises: NotAnInstallationError; BootFileError where nothing says what boots; FileAccessError.
    """
    from cli.discovery import Found  # noqa: PLC0415 # as the module says
    from ledger.adapters.emqx_vars import rel_vsns  # noqa: PLC0415 # as above
    from ledger.adapters.installation import BootFileError, Installation  # noqa: PLC0415 # as above

    check_installation(root)
    files = Installation(root)
    vsn = rel_vsns(files.read_vars())[-1]
    try:
        erts = next((entry.erts for entry in files.read_releases() if entry.vsn == vsn), None)
    except BootFileError:
        erts = None
    try:
        packages = tuple(sorted(path.name for path in files.releases.iterdir() if path.suffix == ".zip"))
    except OSError as exc:
        raise FileAccessError(files.releases, exc) from exc
    return Found(
        vsn=vsn,
        erts=erts,
        built_on=files.built_on(vsn),
        machine=None if erts is None else files.elf_machine(erts),
        packages=packages,
        node_name=files.node_name_on_disk(),
    )


def mark_installation(root: Path, folder: Path) -> str | None:
    """Leave in *root* which ledger it belongs to (RULINGS 8); return the other one that it named before.

    Raises: WriteFailedError.
    """
    from ledger.adapters.durable import replace_file  # noqa: PLC0415 # as the module says

    marker = root / _MARKER
    try:
        before = marker.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        before = ""
    if before != str(folder):
        replace_file(marker, f"{folder}\n".encode("utf-8", "surrogateescape"), mode=0o644)
    return before if before not in {"", str(folder)} else None


def _embedded_node(root: Path, kind: "type[EmbeddedNode] | None" = None) -> ReleaseHandler:
    from ledger.adapters.clock import SystemClock, read_boot_id  # noqa: PLC0415 # as the module says
    from ledger.adapters.embedded_node import EmbeddedNode  # noqa: PLC0415 # as above

    clock = SystemClock()
    return (kind or EmbeddedNode)(root, boot_id=read_boot_id(), now=lambda: clock.read().recorded_at)


def _erlang_node(root: Path, tell: Tell, wait: float) -> ReleaseHandler:
    from ledger.adapters.clock import read_boot_id  # noqa: PLC0415 # as the module says
    from ledger.adapters.erlang_node import ErlangNode  # noqa: PLC0415 # as above
    from ledger.adapters.installation import Installation  # noqa: PLC0415 # as above
    from ledger.adapters.node_connection import NodeConnection  # noqa: PLC0415 # as above

    files = Installation(root)
    return ErlangNode(files, connection=NodeConnection(files, wait=wait, tell=tell), boot_id=read_boot_id(), tell=tell)


def _emqx_script(root: Path, tell: Tell, wait: float) -> ReleaseHandler:
    from ledger.adapters.clock import read_boot_id  # noqa: PLC0415 # as the module says
    from ledger.adapters.emqx_script import EmqxScript  # noqa: PLC0415 # as above
    from ledger.adapters.erlang_node import ErlangNode  # noqa: PLC0415 # as above
    from ledger.adapters.installation import Installation  # noqa: PLC0415 # as above
    from ledger.adapters.node_connection import NodeConnection  # noqa: PLC0415 # as above

    files = Installation(root)
    connection = NodeConnection(files, wait=wait, tell=tell)
    node = ErlangNode(files, connection=connection, boot_id=read_boot_id(), tell=tell)
    return EmqxScript(files, node=node, connection=connection, tell=tell)


def check_installation(root: Path) -> None:
    """Refuse a folder that holds no installation.

    Raises: NotAnInstallationError.
    """
    try:
        missing = [name for name in ("bin", "lib", "releases") if not (root / name).is_dir()]
    except (OSError, ValueError) as exc:
        raise NotAnInstallationError(root, str(exc)) from exc
    if missing:
        raise NotAnInstallationError(root, f"there is no {', no '.join(f'{name}/' for name in missing)} in it")


def keeper_of(places: "LedgerFolder", read: "Callable[[str], NodeReleases]") -> "NodeKeeper | None":
    """Return what keeps this host's installations, where it is to go on without the ledger of its fleet in *places*.

    *read* folds a stream of that ledger.
    """
    if places.address is None:
        return None
    from ledger.adapters.spool_place import SpoolPlace  # noqa: PLC0415 # as the module says

    kept = SpoolPlace(places.path).kept
    if not kept.begun:
        return None
    from cli.node_keeper import NodeKeeper  # noqa: PLC0415 # as above

    return NodeKeeper(kept, read=read)
