"""What broken-off commands left under one root, and clearing it.

Staging folders and temporary files are ours and are removed. What lies at the place of a release
that the node does not know may be somebody's and is set aside (RULINGS 26); the file ``.unrecorded``
beside it stands until the record has it, so that a recovery that is killed is made up for. A tarball of EMQX's
script whose content is of another release is stale: EMQX would use it (otp.md section 4).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ledger.adapters import durable
from ledger.adapters.installation import Installation
from ledger.adapters.package_files import inspect_package
from ledger.adapters.plain_file import unreadable
from ledger.adapters.set_aside import ASIDE, left_overs, make_place, move_aside
from ledger.application.ports import LeftOver
from ledger.domain.version import VSN_PATTERN, Vsn

_STAGING = re.compile(rf"\.ledger-(?P<vsn>{VSN_PATTERN})", re.ASCII)
_TEMPORARY = re.compile(r"\..+\.ledger-tmp")
_RELEASE = re.compile(VSN_PATTERN, re.ASCII)
_TARBALL = re.compile(rf"emqx-(?P<vsn>{VSN_PATTERN})\.tar\.gz", re.ASCII)
_FOLDERS = ("bin", "data", "lib", "releases")

_OURS = "the laid out files of a command that broke off"
_TEMP = "a temporary file of a command that broke off"
_UNKNOWN = "a release that the node does not know"
_ASIDE = "set aside by a recovery that broke off before it was recorded"
_UNRECORDED = ".unrecorded"
_STALE = "a repacked package whose content is of another release, or broken"


class RootLeftOvers:
    """The left-overs under *root*."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, known: frozenset[str]) -> tuple[LeftOver, ...]:
        """Return what no release of *known* needs, nor one that the saved table lists: that was lost (otp.md 6.3).

        Raises: FileNotReadError.
        """
        known |= {entry.vsn for entry in Installation(self._root).saved_releases() or ()}
        with unreadable(self._root):
            return (*self._in_releases(known), *self._temporary(), *self._unrecorded())

    def clear(self, left_over: LeftOver, *, attempt: str) -> str:
        """Remove what is ours, set the rest aside under *attempt*; return what was done.

        Raises: WriteFailedError.
        """
        path = self._root / left_over.path
        if left_over.what in {_OURS, _TEMP}:
            durable.remove_tree(path)
            return f"removed {left_over.path}"
        if left_over.what == _ASIDE:
            return f"kept {left_over.path}, which was set aside before"
        durable.replace_file(make_place(self._root, attempt=attempt) / _UNRECORDED, b"")
        ((_, new),) = move_aside(self._root, (left_over.path,), attempt=attempt)
        return f"set {left_over.path} aside as {new}"

    def settle(self) -> None:
        """Remove the marks of what is recorded now.

        Raises: WriteFailedError.
        """
        for mark in self._marks():
            durable.remove_file(mark)

    def _marks(self) -> tuple[Path, ...]:
        return tuple(sorted((self._root / ASIDE).glob(f"*/{_UNRECORDED}")))

    def _unrecorded(self) -> Iterator[LeftOver]:
        for mark in self._marks():
            for path in sorted(mark.parent.iterdir()):
                if path != mark and not _TEMPORARY.fullmatch(path.name):
                    yield LeftOver(str(path.relative_to(self._root)), _ASIDE, "record")

    def _in_releases(self, known: frozenset[str]) -> Iterator[LeftOver]:
        for path in sorted((self._root / "releases").iterdir()):
            if _STAGING.fullmatch(path.name):
                yield LeftOver(f"releases/{path.name}", _OURS)
            elif _RELEASE.fullmatch(path.name) and path.name not in known:
                for found in left_overs(self._root, path.name):
                    yield LeftOver(found, _UNKNOWN)
            elif _is_stale(path):
                yield LeftOver(f"releases/{path.name}", _STALE)

    def _temporary(self) -> Iterator[LeftOver]:
        releases = sorted((self._root / "releases").iterdir())
        aside = sorted((self._root / ASIDE).glob("*"))
        for place in (self._root, *(self._root / folder for folder in _FOLDERS), *releases, *aside):
            for path in sorted(place.iterdir()) if place.is_dir() and not place.is_symlink() else ():
                if _TEMPORARY.fullmatch(path.name):
                    yield LeftOver(str(path.relative_to(self._root)), _TEMP)


def _is_stale(path: Path) -> bool:
    tarball = _TARBALL.fullmatch(path.name)
    return (
        tarball is not None and path.is_file() and bool(inspect_package(path, vsn=Vsn.parse(tarball["vsn"])).problems)
    )
