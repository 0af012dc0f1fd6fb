"""The files of an installation after a step, beside those that the recording saw.

`differences` compares what both can have. Where this tool leaves other files on purpose, a named
`Tolerance` says so; a caller may take one away.
"""

import fnmatch
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path

from tests.conformance.erts_labels import relabelled
from tests.conformance.transcripts import Expected, Table

_OWN_NAMES = (".release-ledger", ".release-ledger.lock", ".ledger-*")
_RELEASE = re.compile(r'\{release,"emqx","([^"]+)","[^"]+",\s*\[[^][]*\],\s*(\w+)\}')
_RELEASES = re.compile(rf"%% coding: utf-8\n\[{_RELEASE.pattern}(?:,\s*{_RELEASE.pattern})*\]\.\n")
_REPACKED = re.compile(r"emqx-\d[\w.-]*\.tar\.gz")
_REL_VSN = re.compile(r'^REL_VSN="([^"]*)"$', re.MULTILINE)


class Tolerance(StrEnum):
    """What may differ from the recording, and why."""

    ERTS_LABELS = "the lab's ERTS have versions of OTP 24"
    NO_REPACKED_TARBALL = "a zip is read directly, so that releases/emqx-V.tar.gz does not arise (PRODUCT 12)"
    NO_LINK = "no link releases/V/emqx.tar.gz is made, so that none is left over (PRODUCT 12)"
    NO_REPEATED_VARS = "what emqx_vars ends with is not appended to it again"
    NO_NODE_SETTINGS = "sys.config and vm.args come from the settings of a running node"


EVERY_TOLERANCE = frozenset(Tolerance)


@dataclass(frozen=True, kw_only=True)
class DiskSide:
    """What lies on the disk; *disk_state* is ``missing`` or ``unreadable`` where RELEASES is.

    *releases_dir* leaves out this tool's own files. *version_dirs* are the files in each
    ``releases/V``, None where nobody looked.
    """

    disk_state: Table | str
    start_erl_data: str
    rel_vsns: tuple[str, ...]
    releases_dir: tuple[str, ...]
    lib_emqx_dirs: tuple[str, ...]
    bin_script_versions: tuple[str, ...]
    version_dirs: Mapping[str, tuple[str, ...]] | None


@dataclass(frozen=True)
class Difference:
    """One point in which the disk is not as recorded."""

    what: str
    expected: object
    found: object


def differences(
    root: Path, expected: Expected, *, tolerances: frozenset[Tolerance] = EVERY_TOLERANCE
) -> tuple[Difference, ...]:
    """Return every point in which the installation at *root* is not as *expected*."""
    found = observe_disk(root)
    wanted = _tolerant(_disk_side(expected), found, tolerances)
    pairs = ((field.name, getattr(wanted, field.name), getattr(found, field.name)) for field in fields(DiskSide))
    return tuple(Difference(name, want, have) for name, want, have in pairs if want != have)


def observe_disk(root: Path) -> DiskSide:
    """Return what lies on the disk of the installation at *root*."""
    releases = root / "releases"
    return DiskSide(
        disk_state=_disk_state(releases / "RELEASES"),
        start_erl_data=_text_of(releases / "start_erl.data"),
        rel_vsns=tuple(_REL_VSN.findall(_text_of(releases / "emqx_vars"))),
        releases_dir=_names(releases),
        lib_emqx_dirs=tuple(name for name in _names(root / "lib") if name.startswith("emqx-")),
        bin_script_versions=tuple(
            name.removeprefix("emqx-") for name in _names(root / "bin") if name.startswith("emqx-")
        ),
        version_dirs={path.name: _names(path) for path in releases.iterdir() if _is_version(path)},
    )


def _disk_state(path: Path) -> Table | str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "missing"
    if not _RELEASES.fullmatch(text):
        return "unreadable"
    return tuple((vsn, status) for vsn, status in _RELEASE.findall(text))


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if not _is_own(path.name)))


def _is_own(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _OWN_NAMES)


def _is_version(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not _is_own(path.name)


def _disk_side(expected: Expected) -> DiskSide:
    return DiskSide(
        disk_state=expected.disk_state,
        start_erl_data=expected.start_erl_data,
        rel_vsns=expected.rel_vsns,
        releases_dir=expected.releases_dir,
        lib_emqx_dirs=expected.lib_emqx_dirs,
        bin_script_versions=expected.bin_script_versions,
        version_dirs=expected.version_dirs,
    )


def _tolerant(wanted: DiskSide, found: DiskSide, tolerances: frozenset[Tolerance]) -> DiskSide:
    """Return *wanted* as it would be with what the *tolerances* let differ in *found*."""
    if Tolerance.ERTS_LABELS in tolerances:
        wanted = replace(wanted, start_erl_data=relabelled(wanted.start_erl_data))
    if Tolerance.NO_REPACKED_TARBALL in tolerances:
        names = _less(wanted.releases_dir, found.releases_dir, lambda name: _REPACKED.fullmatch(name) is not None)
        wanted = replace(wanted, releases_dir=names)
    if Tolerance.NO_REPEATED_VARS in tolerances and _runs(wanted.rel_vsns) == _runs(found.rel_vsns):
        wanted = replace(wanted, rel_vsns=found.rel_vsns)
    absent = {"emqx.tar.gz"} if Tolerance.NO_LINK in tolerances else set[str]()
    absent |= {"sys.config", "vm.args"} if Tolerance.NO_NODE_SETTINGS in tolerances else set[str]()
    if wanted.version_dirs is None:
        return replace(wanted, version_dirs=found.version_dirs)
    there = found.version_dirs or {}
    folders = {vsn: _less(files, there.get(vsn, ()), absent.__contains__) for vsn, files in wanted.version_dirs.items()}
    return replace(wanted, version_dirs=folders)


def _runs(vsns: tuple[str, ...]) -> list[str]:
    """Return *vsns* with each run of equal ones as one."""
    return [vsn for vsn, _ in itertools.groupby(vsns)]


def _less(names: Iterable[str], found: Iterable[str], tolerated: Callable[[str], bool]) -> tuple[str, ...]:
    there = set(found)
    return tuple(name for name in names if name in there or not tolerated(name))
