"""Where boot files do not say what they should, and the copies that tell what belongs into them.

RELEASES is compared by what it must agree on, its permanent release and the set of releases; a
status may differ from memory by OTP's own rules (otp.md 2.2). Copies are those that
``Installation.save_copies`` keeps before each change.
"""

from collections.abc import Iterator
from pathlib import Path

from ledger.adapters import durable
from ledger.adapters.boot_scripts import mixed_scripts, other_scripts
from ledger.adapters.emqx_vars import rel_vsns
from ledger.adapters.installation import SAVED, BootFileError, Installation
from ledger.adapters.plain_file import FileNotReadError, read_file
from ledger.adapters.releases_file import BootFileTextError, ReleaseEntry, parse_releases
from ledger.domain.status import ReleaseStatus
from ledger.errors import OpenAttemptError


class NothingSavedError(OpenAttemptError):
    """A boot file is lost, and no copy of it was kept."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"nothing tells what belongs into {path}",
            fact=f"there is no sound copy of it in releases/{SAVED}/",
            hint="put the file back from a backup or from the package of what runs, then run recover again",
        )
        self.path = path


def disagreements(files: Installation, memory: tuple[ReleaseEntry, ...], vsn: str, *, scripts: bool) -> Iterator[str]:
    """Return, in words, each place that does not name *vsn* permanent."""
    in_memory = _permanent(memory)
    if in_memory != vsn:
        yield f"memory: permanent is {in_memory or 'none'}, not {vsn}"
    try:
        entries = files.read_releases()
    except BootFileError as exc:
        yield f"RELEASES: {exc.detail}"
    else:
        if _permanent(entries) != vsn:
            yield f"RELEASES: permanent is {_permanent(entries) or 'none'}, not {vsn}"
        elif {entry.vsn for entry in entries} != {entry.vsn for entry in memory}:
            yield "RELEASES: it does not list the releases that the node knows"
    yield from _pointers(files, vsn)
    if scripts:
        yield from other_scripts(files.root, vsn)
    else:
        yield from mixed_scripts(files.root, vsn, tuple(entry.vsn for entry in memory))


def full_table(files: Installation, memory: tuple[ReleaseEntry, ...], vsn: str) -> tuple[ReleaseEntry, ...]:
    """Return *memory*, or the saved table where the node booted from a RELEASES that was lost or overwritten.

    Such a node knows no libraries, or not even the release *vsn* whose code it runs.
    Raises: NothingSavedError.
    """
    if all(entry.libs for entry in memory) and any(entry.vsn == vsn for entry in memory):
        return memory
    try:
        saved = parse_releases(read_file(files.releases / SAVED / "RELEASES"))
    except (FileNotReadError, BootFileTextError) as exc:
        raise NothingSavedError(files.releases_file) from exc
    if not any(entry.vsn == vsn for entry in saved):
        raise NothingSavedError(files.releases_file)
    return saved


def restore_saved(files: Installation, path: Path) -> str:
    """Put the copy of a boot file back; return what was done, in words.

    Raises: NothingSavedError; WriteFailedError.
    """
    copy = files.releases / SAVED / path.name
    if not copy.is_file():
        raise NothingSavedError(path)
    durable.copy_file(copy, path)
    return f"put the saved copy of {path.name} back"


def _permanent(entries: tuple[ReleaseEntry, ...]) -> str | None:
    return next((entry.vsn for entry in entries if entry.status is ReleaseStatus.PERMANENT), None)


def _pointers(files: Installation, vsn: str) -> Iterator[str]:
    try:
        named = files.read_start_erl().vsn
        if named != vsn:
            yield f"start_erl.data: it names {named}, not {vsn}"
    except BootFileError as exc:
        yield f"start_erl.data: {exc.detail}"
    try:
        boots = rel_vsns(files.read_vars())[-1]
        if boots != vsn:
            yield f"emqx_vars: it boots {boots}, not {vsn}"
    except BootFileError as exc:
        yield f"emqx_vars: {exc.detail}"
