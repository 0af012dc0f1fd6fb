"""Release packages in an installation's ``releases/``: finding and inspecting them.

A package of V is a file whose parsed name carries exactly V: 4.4.1 is no part of 4.4.10. Where
no zip carries it, the tarballs count at which EMQX's script looks (otp.md section 4), the first
that exists. What comes near is told: a zip that has V in a name that does not parse, a package in
the root folder, a published tarball.

Inspecting reads the file once. It checks names, headers, limits, layout and checksum; the content
of each member is checked while it is unpacked into the staging folder, before anything is placed.
Where nothing is to be unpacked, ``content_problems`` checks it.
"""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from ledger.adapters.package_layout import MAX_TEXT, ReleaseContent, read_content, shared_folder, texts_of
from ledger.adapters.package_members import FETCH_AGAIN, Listing, unsound
from ledger.adapters.package_reader import list_package, walk_of
from ledger.adapters.package_tape import PackageReadError, Tape
from ledger.adapters.plain_file import FileNotReadError, read_if_there
from ledger.domain.package import PackageName, PackageNameError
from ledger.domain.package_facts import FoundPackages, PackageFacts, PackageForm
from ledger.domain.reason import Reason
from ledger.domain.version import Vsn

_CHECKSUM = r"(?P<digest>[0-9A-Fa-f]{64})(?:[ \t]+\*?[^\r\n]*)?\r?\n?"
_MAX_CHECKSUM = 4096
_MOST_OTHERS = 10


def find_packages(root: Path, vsn: Vsn) -> FoundPackages:
    """Return the packages of *vsn* in the installation at *root*."""
    releases = root / "releases"
    here = _names(releases)
    packages = tuple(str(releases / name) for name in here if _parsed_vsn(name) == vsn)
    tarballs = (releases / f"emqx-{vsn}.tar.gz", releases / f"{vsn}/emqx-{vsn}.tar.gz", releases / f"{vsn}/emqx.tar.gz")
    if not packages:
        packages = tuple(str(path) for path in tarballs if path.is_file())[:1]
    near = [f"releases/{name}" for name in here if _comes_near(name, vsn)]
    near += [name for name in _names(root) if _parsed_vsn(name) == vsn or _comes_near(name, vsn)]
    return FoundPackages(
        vsn=str(vsn),
        packages=packages,
        looked_for=(
            f"releases/emqx[-ee]-{vsn}-otp<otp>-<os>-<arch>.zip",
            *(str(path.relative_to(root)) for path in tarballs),
        ),
        near_misses=tuple(_printable(name) for name in near),
        others=tuple(f"releases/{name}" for name in here if _parsed_vsn(name) not in {None, vsn})[:_MOST_OTHERS],
    )


def inspect_package(path: Path, *, vsn: Vsn) -> PackageFacts:
    """Return all that the package at *path* says of release *vsn*, with all that is wrong with it."""
    form = PackageForm.TAR_GZ if path.name.endswith(".tar.gz") else PackageForm.ZIP
    problems: list[Reason] = []
    listing, size, sha256 = Listing(False, (), (), (), {}), 0, ""  # noqa: FBT003 - the first field
    try:
        with Tape(str(path)) as tape:
            size = tape.size
            try:
                listing = list_package(form, tape, texts_of(vsn), max_text=MAX_TEXT)
            except PackageReadError as exc:
                problems.append(unsound(exc.message, exc.fact))
            sha256 = tape.finish()
    except PackageReadError as exc:
        problems.append(unsound(exc.message, exc.fact))
    problems += listing.problems
    content = ReleaseContent(None, None, (), None)
    if listing.is_laid_out:
        content, wrong = read_content(listing, vsn)
        problems += wrong
    problems += _name_problems(path, form, vsn)
    if sha256:
        problems += _checksum_problems(path, sha256)
    folders = {shared_folder(member.path) for member in listing.members} - {None}
    return PackageFacts(
        path=str(path),
        name=path.name,
        form=form,
        parsed=_parsed(path.name),
        size=size,
        sha256=sha256,
        vsn=content.vsn,
        erts=content.erts,
        libs=content.libs,
        folders=tuple(sorted(folder for folder in folders if folder is not None)),
        unpacked_bytes=sum(member.size for member in listing.members),
        relup=content.relup,
        problems=tuple(problems),
        warnings=listing.warnings,
    )


def content_problems(facts: PackageFacts) -> tuple[Reason, ...]:
    """Return what is wrong with the content of a package in which nothing else was found wrong."""
    try:
        with Tape(facts.path) as tape:
            for _, pieces in walk_of(facts.form)(tape):
                for _ in pieces:
                    pass
    except PackageReadError as exc:
        return (unsound(exc.message, exc.fact),)
    return ()


def missing_libs(facts: PackageFacts, *, root: Path) -> tuple[str, ...]:
    """Return the lib folders that emqx.rel names and neither the package nor the installation has."""
    named = (f"lib/{app}-{vsn}" for app, vsn in facts.libs)
    return tuple(path for path in named if path not in facts.folders and not (root / path).is_dir())


def _names(folder: Path) -> list[str]:
    """Return the names of the files in *folder*, sorted; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _parsed(name: str) -> PackageName | None:
    try:
        return PackageName.parse(name)
    except PackageNameError:
        return None


def _parsed_vsn(name: str) -> Vsn | None:
    parsed = _parsed(name)
    return parsed.vsn if parsed is not None else None


def _comes_near(name: str, vsn: Vsn) -> bool:
    """Whether *name* looks like a package of *vsn* but is none."""
    is_packed = name.lower().endswith((".zip", ".tar.gz", ".tgz"))
    has_vsn = re.search(rf"(?<![0-9.]){re.escape(str(vsn))}(?![0-9]|\.[0-9])", name) is not None
    return is_packed and has_vsn and _parsed(name) is None and name != f"emqx-{vsn}.tar.gz"


def _printable(name: str) -> str:
    text = unicodedata.normalize("NFC", name)
    return text if text.isprintable() else ascii(name)


def _name_problems(path: Path, form: PackageForm, vsn: Vsn) -> Iterator[Reason]:
    if form is PackageForm.TAR_GZ:
        return
    named = _parsed_vsn(path.name)
    if named is None:
        yield unsound(
            "the package's name is no name of a release package",
            _printable(path.name),
            "keep the name under which the package was published",
        )
    elif named != vsn:
        yield unsound(f"the package is of another version than {vsn}", f"its name says {named}")


def _checksum_problems(path: Path, sha256: str) -> Iterator[Reason]:
    """Compare with the ``.sha256`` beside the package; one without it is fine (RULINGS 35)."""
    beside = path.with_name(f"{path.name}.sha256")
    try:
        data = read_if_there(beside, first=_MAX_CHECKSUM)
    except FileNotReadError as exc:
        yield unsound("the package's .sha256 cannot be read", f"{beside.name}: {exc.detail}")
        return
    if data is None:
        return
    text = data.decode("ascii", "replace")
    match = re.fullmatch(_CHECKSUM, text)
    if match is None:
        yield unsound("the package's .sha256 cannot be read", f"{beside.name} is not 64 hex digits")
    elif match["digest"].lower() != sha256:
        fact = f"the package has {sha256}, {beside.name} says {match['digest'].lower()}"
        yield unsound("the package disagrees with its .sha256", fact, FETCH_AGAIN)
