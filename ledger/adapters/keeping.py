"""How a ledger is kept on its host: its key, its tip guard, the group that may read it. Nothing is changed."""

import grp
import os
from pathlib import Path

from ledger.adapters.anchors.alarm_file import standing_alarms
from ledger.adapters.ledger_folder import LedgerFolder, places_at
from ledger.application.readiness import Keeping
from ledger.dataclass import replace
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.note import Note

_SHARED_FOLDER, _SHARED_FILE = 0o050, 0o040


def keeping_of(folder: Path, *, stored: int, newest: bytes | None, group: str | None) -> Keeping:
    """Return how the ledger in *folder*, of *stored* events with the *newest* note, is kept."""
    places = places_at(folder)
    keeping = Keeping(key="", stored=stored, free_bytes=None if places.address else _free_bytes(places.path))
    try:
        key = places.read_key()
        keeping = replace(keeping, key=f"{places.key_file}, of {key.origin}")
    except (LedgerError, OSError) as exc:
        keeping = replace(keeping, key_fault=_words(exc))
    try:
        keeping = replace(keeping, alarms=standing_alarms(places.tip))
        note = places.guard.read()
        guarded = None if note is None else Checkpoint.parse(Note.parse(note).text).size
        keeping = replace(keeping, guarded=guarded)
        if note is not None and newest is not None and guarded == stored and not _same_tree(note, newest):
            keeping = replace(keeping, guard_fault="it holds another tree than the ledger")
        elif places.address and guarded is not None and guarded < stored:
            keeping = replace(keeping, others_wrote=_others_wrote(places))
    except (LedgerError, FormatError, OSError) as exc:
        keeping = replace(keeping, guard_fault=_words(exc))
    if group is None:
        return keeping
    return replace(keeping, group=group, group_fault=group_fault(places, group))


def _free_bytes(folder: Path) -> int:
    """Return what this user may still write there."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def group_fault(places: LedgerFolder, group: str) -> str:
    """Return what keeps *group* from reading the ledger, nothing where it may."""
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        return f"there is no group {group}"
    for path, wanted in ((places.path, _SHARED_FOLDER), (places.database, _SHARED_FILE)):
        status = path.stat()
        if status.st_gid != gid or status.st_mode & wanted != wanted:
            return f"{path} is not readable for {group}"
    return ""


def _others_wrote(places: LedgerFolder) -> bool:
    """Tell whether what lies past the guard of this host is by other hosts, and continues what the guard holds.

    Raises: the errors of ``fleet_tip``.
    """
    from ledger.adapters.fleet_tip import FleetTipDesk  # noqa: PLC0415 # a ledger in a folder needs no libpq
    from ledger.adapters.postgres_place import HostPlace  # noqa: PLC0415 # as above

    return isinstance(places, HostPlace) and FleetTipDesk(places).doubt() is None


def _same_tree(note: bytes, other: bytes) -> bool:
    return Note.parse(note).text == Note.parse(other).text


def _words(exc: Exception) -> str:
    return f"{exc}: {exc.fact}" if isinstance(exc, LedgerError) else str(exc)
