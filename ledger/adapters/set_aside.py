"""Setting left-overs aside: what lies at the place of a release that the node does not know.

They are renamed to ``releases/.ledger-aside/<attempt>/``, never deleted (RULINGS 26, 34), and only
after the intent of the attempt was recorded with their names, so that a kill at any point leaves
none that the record does not know. A ``releases/V`` that holds only a tarball is a package, and
stays where it is.
"""

import os
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


def move_aside(root: Path, paths: tuple[str, ...], *, attempt: str) -> Moved:
    """Rename *paths* under *root*, each to a free name; return the pairs of old and new paths.

    Raises: WriteFailedError.
    """
    moved = []
    for path in paths:
        make_place(root, attempt=attempt)
        new = plain = f"{ASIDE}/{attempt}/{path.replace('/', '_')}"
        number = 1
        while os.path.lexists(root / new):
            number += 1
            new = f"{plain}.{number}"
        durable.rename(root / path, root / new)
        moved.append((path, new))
    return tuple(moved)


def make_place(root: Path, *, attempt: str) -> Path:
    """Return the folder of what *attempt* sets aside, made where it is not there.

    Raises: WriteFailedError.
    """
    folder = root / ASIDE / attempt
    durable.make_folder(folder.parent, mode=_FOLDER_MODE)
    durable.make_folder(folder, mode=_FOLDER_MODE)
    return folder


def _is_package(folder: Path, vsn: str) -> bool:
    """Tell whether *folder* holds nothing but a tarball of *vsn* or EMQX's link to one."""
    return {path.name for path in folder.iterdir()} <= {f"emqx-{vsn}.tar.gz", "emqx.tar.gz"}
