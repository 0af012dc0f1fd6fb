"""Laying a package out beside the installation, and placing it (native-driver.md 5.2).

``stage`` unpacks into ``releases/.ledger-<V>/`` on the same file system. Every member's size and
CRC, and the digest of the whole file, are checked on the way; nothing outside that folder is
touched, and where anything is wrong the folder is removed wholly. Paths that exist are left out:
nothing is ever replaced. What releases share, ``lib/<app>-<vsn>`` and ``erts-<vsn>``, and the
scripts ``bin/<script>-V`` must then have the content that the package has, or the package is
refused: a truncated left-over must not become part of a release (otp.md section 4).

``place`` moves whole folders where they are absent and single files into folders that exist,
``releases/V`` last, so that a release is never half there. Repeated after a kill it goes on.

``releases/V`` may exist: with a tarball that is the package itself (RULINGS 26), or with parts of a
release that is unpacked again. Then its missing files are added and those it has are kept.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.adapters import durable
from ledger.adapters.package_members import unsound
from ledger.adapters.package_tape import PackageReadError, Tape
from ledger.domain.package_facts import PackageFacts, PackageUnsoundError, Staged
from ledger.errors import FailedError

if TYPE_CHECKING:
    from ledger.adapters.staging_area import StagingArea

Progress = Callable[[int, int], None]

_FIRST = ("lib", "erts", "bin")


class StagingFailedError(FailedError):
    """A package could not be laid out or placed: the disk is full, or an owner is wrong."""

    def __init__(self, doing: str, exc: OSError) -> None:
        super().__init__(
            f"{doing} failed: {exc.strerror or exc}",
            fact=str(exc.filename or ""),
            hint="see to space and owners under the installation's root, then repeat the command",
        )


def staging_folder(root: Path, vsn: str) -> Path:
    """Return where a package of *vsn* is laid out."""
    return root / "releases" / f".ledger-{vsn}"


def stage(facts: PackageFacts, *, root: Path, progress: Progress, absent: tuple[str, ...] = ()) -> Staged:
    """Lay the package out and return what was made; *progress* hears bytes done and bytes all.

    *absent* names what is there and will be set aside before the package is placed.

    Raises: PackageUnsoundError with all that is wrong; StagingFailedError or WriteFailedError.
    All leave nothing behind.
    """
    from ledger.adapters.staging_area import StagingArea  # noqa: PLC0415 # few changes lay a package out

    vsn = facts.sound_vsn()
    folder = staging_folder(root, vsn)
    try:
        durable.remove_tree(folder)
        try:
            with StagingArea(root, folder, vsn, absent=absent) as area:
                _unpack(facts, area, progress)
            durable.sync_tree(folder)
        except BaseException:
            durable.remove_tree(folder)
            raise
    except PackageReadError as exc:
        raise PackageUnsoundError(facts.name, (unsound(exc.message, exc.fact),)) from exc
    except OSError as exc:
        raise StagingFailedError(f"unpacking {facts.name}", exc) from exc
    return Staged(
        root=str(root),
        folder=str(folder),
        vsn=vsn,
        files_sha256=area.files_sha256(),
        files=area.files,
        left_out=area.left_out,
        written_bytes=area.written_bytes,
    )


def place(staged: Staged) -> None:
    """Move what is staged into the installation and remove the staging folder.

    Raises: StagingFailedError, WriteFailedError; what was moved stays, and placing can be repeated.
    """
    root, folder = Path(staged.root), Path(staged.folder)
    try:
        for source in sorted(folder.iterdir(), key=_order):
            if source.name != "releases":
                _settle(source, root / source.name)
        for source in sorted((folder / "releases").iterdir(), key=lambda path: (path.name == staged.vsn, path)):
            _settle(source, root / "releases" / source.name)
    except OSError as exc:
        raise StagingFailedError(f"placing {staged.vsn}", exc) from exc
    durable.remove_tree(folder)


def discard(root: Path, vsn: str) -> None:
    """Remove what an interrupted command left in the staging folder of *vsn*.

    Raises: WriteFailedError.
    """
    durable.remove_tree(staging_folder(root, vsn))


def drop_rel_file(root: Path, vsn: str) -> None:
    """Remove ``releases/V/emqx.rel``, which a registered release no longer needs (otp.md section 4).

    Raises: WriteFailedError.
    """
    durable.remove_file(root / "releases" / vsn / "emqx.rel")


def _order(path: Path) -> tuple[int, str]:
    """Sort first what a release rests on."""
    kind = path.name.partition("-")[0]
    return (_FIRST.index(kind) if kind in _FIRST else len(_FIRST), path.name)


def _settle(source: Path, target: Path) -> None:
    """Move *source* to *target* where that is absent; enter folders that exist, keep files that do."""
    if not os.path.lexists(target):
        durable.rename(source, target)
    elif source.is_dir():
        if not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
        for inner in sorted(source.iterdir()):
            _settle(inner, target / inner.name)


def _unpack(facts: PackageFacts, area: "StagingArea", progress: Progress) -> None:
    from ledger.adapters.package_reader import walk_of  # noqa: PLC0415 # as above

    done = 0
    with Tape(facts.path) as tape:
        for member, pieces in walk_of(facts.form)(tape):
            area.take(member, pieces)
            done += member.size
            progress(done, facts.unpacked_bytes)
        if tape.finish() != facts.sha256:
            raise PackageReadError("the package changed since it was inspected", facts.path)
    if problems := area.problems():
        raise PackageUnsoundError(facts.name, problems)
