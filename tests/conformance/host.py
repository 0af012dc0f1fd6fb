"""The host of a lab: what was done to the machine between two commands, done again for real.

Whatever a directory can show is done to it. What needs more, and is not given here, is refused with
`UnmetNeedError` and the need.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Protocol, assert_never

from tests.conformance.erts_labels import relabelled
from tests.conformance.host_actions import (
    Copy,
    Delete,
    Evaluate,
    FillDisk,
    FreeDisk,
    HostAction,
    KillClient,
    KillNode,
    Link,
    LookAtFolders,
    MakeFolder,
    Need,
    OnFiles,
    Own,
    PutTarball,
    RemoveAppended,
    RunTogether,
    Truncate,
    WaitForNode,
    Write,
)

MEMORY = "data/embedded_node.json"

_LAST_ASSIGNMENT = "EMQX_DESCRIPTION="
_REPACKED = re.compile(r"emqx-\d[\w.-]*\.tar\.gz")


class Disk(Protocol):
    """A disk of its own that can be filled."""

    def fill(self, *, left: int) -> None:
        """Leave about *left* bytes free."""
        ...

    def free(self) -> None:
        """Give back what `fill` took."""
        ...


class Site(Protocol):
    """Where a host action happens: the installation at *root*, on a *disk* of its own or not."""

    @property
    def root(self) -> Path:
        """The folder of the installation."""
        ...

    @property
    def disk(self) -> Disk | None:
        """The small disk it lies on."""
        ...

    def package(self, name: str) -> Path:
        """Return the package published as *name*."""
        ...

    def tarball(self, vsn: str, *, top_folder: str | None) -> Path:
        """Return the tarball of release *vsn*."""
        ...


class UnmetNeedError(Exception):
    """A host action needs what this machine does not give."""

    def __init__(self, action: HostAction, need: Need) -> None:
        super().__init__(f"{action} needs {need}")
        self.action, self.need = action, need


class LooksDifferentError(Exception):
    """The installation does not have the folders that were seen in the recording."""


def perform(action: HostAction, site: Site) -> None:
    """Do *action* at *site*.

    Raises: UnmetNeedError, LooksDifferentError.
    """
    match action:
        case FillDisk() | FreeDisk() | LookAtFolders() | KillNode() | WaitForNode() | RunTogether():
            _on_machine(action, site)
        case Evaluate() | KillClient():
            raise UnmetNeedError(action, Need.VM)
        case _:
            _on_files(action, site)


def _on_files(action: OnFiles, site: Site) -> None:
    match action:
        case Copy(name, to):
            shutil.copyfile(site.package(name), site.root / to)
        case PutTarball(vsn, to, top_folder):
            (site.root / to).parent.mkdir(exist_ok=True)
            shutil.copyfile(site.tarball(vsn, top_folder=top_folder), site.root / to)
        case Delete(path):
            _delete(site.root / path)
        case MakeFolder(path):
            (site.root / path).mkdir()
        case Write(path, text):
            (site.root / path).write_text(text, encoding="utf-8")
        case Truncate(path, size):
            os.truncate(site.root / path, size)
        case Link(path, target):
            (site.root / path).symlink_to(target)
        case RemoveAppended(path):
            _remove_appended(site.root / path)
        case Own(user, path):
            _own(action, site.root / path, user)
        case _:
            assert_never(action)


def _on_machine(action: FillDisk | FreeDisk | LookAtFolders | KillNode | WaitForNode | RunTogether, site: Site) -> None:
    match action:
        case FillDisk(left):
            _disk(action, site).fill(left=left)
        case FreeDisk():
            _disk(action, site).free()
        case LookAtFolders(names):
            _look(site.root, names)
        case KillNode():
            (site.root / MEMORY).unlink(missing_ok=True)
        case WaitForNode() | RunTogether():
            pass
        case _:
            assert_never(action)


def _disk(action: HostAction, site: Site) -> Disk:
    if site.disk is None:
        raise UnmetNeedError(action, Need.MOUNT)
    return site.disk


def _delete(path: Path) -> None:
    if _REPACKED.fullmatch(path.name):
        path.unlink(missing_ok=True)  # EMQX's script left it there; we do not make it
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_appended(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    last = next(index for index, line in enumerate(lines) if line.startswith(_LAST_ASSIGNMENT))
    path.write_text("".join(lines[: last + 1]), encoding="utf-8")


def _own(action: Own, path: Path, user: str) -> None:
    try:
        give_away(path, user)
    except PermissionError as exc:
        raise UnmetNeedError(action, Need.ROOT) from exc


def give_away(path: Path, user: str) -> None:
    """Make *user* the owner of *path* and of all below it, but not of what links lead to.

    Raises: PermissionError.
    """
    for found in (path, *path.rglob("*")):
        if not found.is_symlink():
            shutil.chown(found, user)


def _look(root: Path, names: tuple[str, ...]) -> None:
    expected, found = sorted(map(relabelled, names)), sorted(path.name for path in root.iterdir())
    if found != expected:
        raise LooksDifferentError(f"expected {expected}, found {found}")
