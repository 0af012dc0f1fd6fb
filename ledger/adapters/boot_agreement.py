"""Where boot files do not say what they should, and the copies that tell what belongs into them.

RELEASES is compared by what it must agree on, its permanent release and the set of releases; a
status may differ from memory by OTP's own rules (otp.md 2.2). Copies are those that
``Installation.save_copies`` keeps before each change; what a recovery replaces goes to
``releases/.ledger-before-recover/`` first.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from ledger.adapters import durable
from ledger.adapters.boot_scripts import mixed_scripts, other_scripts
from ledger.adapters.emqx_vars import rel_vsns
from ledger.adapters.installation import SAVED, BootFileError, Installation
from ledger.adapters.plain_file import read_file
from ledger.adapters.releases_file import ReleaseEntry
from ledger.dataclass import replace
from ledger.domain.status import ReleaseStatus
from ledger.errors import OpenAttemptError

BEFORE_RECOVERY = ".ledger-before-recover"
_DIGITS = 8


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
    if lost := lost_releases(files, memory):
        names = ", ".join(entry.vsn for entry in lost)
        yield f"RELEASES: it lost {names}, which the saved copy lists and whose files are there"
    yield from _pointers(files, vsn)
    if scripts:
        yield from other_scripts(files.root, vsn)
    else:
        yield from mixed_scripts(files.root, vsn, tuple(entry.vsn for entry in memory))


def lost_releases(files: Installation, memory: tuple[ReleaseEntry, ...]) -> tuple[ReleaseEntry, ...]:
    """Return the saved entries of releases that are there on disk and that the node does not know.

    A release that was uninstalled has no ``releases/V`` any more; one that is there was lost with a
    RELEASES that somebody overwrote (otp.md 6.3).
    """
    known = {entry.vsn for entry in memory}
    saved = () if (found := files.saved_releases()) is None else found
    return tuple(entry for entry in saved if entry.vsn not in known and files.can_boot(entry.vsn))


def full_table(files: Installation, memory: tuple[ReleaseEntry, ...], vsn: str) -> tuple[ReleaseEntry, ...]:
    """Return *memory*, with saved entries where the node booted from a RELEASES that was lost or overwritten.

    Such a node knows no libraries, or lacks releases, perhaps the release *vsn* whose code it runs.
    Raises: NothingSavedError.
    """
    lost = lost_releases(files, memory)
    whole = all(entry.libs for entry in memory)
    if whole and not lost and any(entry.vsn == vsn for entry in memory):
        return memory
    saved = files.saved_releases()
    if saved is None:
        raise NothingSavedError(files.releases_file)
    by_memory = {entry.vsn: entry.status for entry in memory}
    known = {entry.vsn for entry in (*lost, *saved) if entry.vsn in by_memory or entry in lost}
    added = [entry for entry in memory if entry.vsn not in known]
    table = (*added, *(replace(entry, status=_status(entry, by_memory)) for entry in saved if entry.vsn in known))
    if not any(entry.vsn == vsn for entry in table) or not all(entry.libs for entry in table):
        raise NothingSavedError(files.releases_file)
    return table


def keep(files: Installation, path: Path) -> None:
    """Keep what is to be replaced, sound or not, under a name that its content gives.

    Raises: WriteFailedError, FileNotReadError.
    """
    folder = files.releases / BEFORE_RECOVERY
    if path.is_dir() and not path.is_symlink():  # nothing can be written over a folder, so it makes way
        durable.make_folder(folder, mode=0o755)
        taken = sum(1 for other in folder.iterdir() if other.name.startswith(f"{path.name}.folder"))
        durable.rename(path, folder / f"{path.name}.folder{taken + 1}")
    elif path.is_file() and not path.is_symlink():
        durable.make_folder(folder, mode=0o755)
        digest = sha256(read_file(path)).hexdigest()[:_DIGITS]
        durable.copy_file(path, folder / f"{path.name}.{digest}")


def restore_saved(files: Installation, path: Path) -> str:
    """Put the copy of a boot file back; return what was done, in words.

    Raises: NothingSavedError; WriteFailedError.
    """
    copy = files.releases / SAVED / path.name
    if not copy.is_file():
        raise NothingSavedError(path)
    keep(files, path)
    durable.copy_file(copy, path)
    if path == files.vars_file:
        _follow(files)
    return f"put the saved copy of {path.name} back"


def _follow(files: Installation) -> None:
    """Let a copy of emqx_vars that was put back boot what the two other files name; the copy is older than they."""
    try:
        permanent = next(entry for entry in files.read_releases() if entry.status is ReleaseStatus.PERMANENT)
        if files.read_start_erl().vsn == permanent.vsn:
            files.boot_next(vsn=permanent.vsn, erts=permanent.erts)
    except (BootFileError, StopIteration):
        return  # the copy itself is the best that is known


def _status(entry: ReleaseEntry, by_memory: Mapping[str, ReleaseStatus]) -> ReleaseStatus:
    """Return the status by memory; of a lost release that of the copy, but only one release is permanent."""
    kept = ReleaseStatus.OLD if entry.status is ReleaseStatus.PERMANENT else entry.status
    return by_memory.get(entry.vsn, kept)


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
