"""Setting left-overs aside: what lies at the place of a release that the node does not know.

They are renamed to ``releases/.ledger-aside/<attempt>/``, never deleted (RULINGS 26, 34). A
``releases/V`` that holds only a tarball is a package, and stays where it is.
"""

import os
from contextlib import suppress
from pathlib import Path

from ledger.adapters import durable

ASIDE = "releases/.ledger-aside"
_FOLDER_MODE = 0o750

Moved = tuple[tuple[str, str], ...]


def left_overs(root: Path, vsn: str) -> tuple[str, ...]:
    """Return what lies in the way of release *vsn*, relative to *root*."""
    path = root / "releases" / vsn
    if not os.path.lexists(path) or (not path.is_symlink() and path.is_dir() and _is_package(path, vsn)):
        return ()
    return (f"releases/{vsn}",)


def set_aside(root: Path, vsn: str, *, attempt: str) -> Moved:
    """Rename what lies in the way of *vsn*; return the pairs of old and new paths.

    Raises: WriteFailedError.
    """
    return move_aside(root, left_overs(root, vsn), attempt=attempt)


def move_aside(root: Path, paths: tuple[str, ...], *, attempt: str) -> Moved:
    """Rename *paths* under *root*; return the pairs of old and new paths.

    Raises: WriteFailedError.
    """
    moved = []
    folder = root / ASIDE / attempt
    for path in paths:
        durable.make_folder(folder.parent, mode=_FOLDER_MODE)
        durable.make_folder(folder, mode=_FOLDER_MODE)
        new = place_aside(path, attempt=attempt)
        durable.rename(root / path, root / new)
        moved.append((path, new))
    return tuple(moved)


def place_aside(path: str, *, attempt: str) -> str:
    """Return where *path* is moved for *attempt*."""
    return f"{ASIDE}/{attempt}/{path.replace('/', '_')}"


def bring_back(root: Path, moved: Moved) -> None:
    """Undo ``set_aside``, so that a refusal leaves everything as it was.

    Raises: WriteFailedError.
    """
    for path, new in moved:
        durable.rename(root / new, root / path)
        with suppress(OSError):  # one that holds more is still needed
            (root / new).parent.rmdir()


def _is_package(folder: Path, vsn: str) -> bool:
    """Tell whether *folder* holds nothing but a tarball of *vsn* or EMQX's link to one."""
    return {path.name for path in folder.iterdir()} <= {f"emqx-{vsn}.tar.gz", "emqx.tar.gz"}
