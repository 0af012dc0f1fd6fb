"""What the file anchors of a host hold, for its own check: nothing is written to them.

A file that the settings name must be there and hold a note that the log signed: one that is gone
leaves the check undecided, since it may be gone to hide what it held. The first change after an
anchor was named makes its file. Other holders are not asked: their receipts lie in the ledger.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ledger.adapters.anchors.file import FileAnchor, HolderFileError
from ledger.adapters.log_keys import ListedKeys
from ledger.application.audit_source import HeldNote
from ledger.tlog.policy import Policy

_FILE = "file:"


def notes_in_files(settings: Sequence[str], *, policy: Policy) -> Iterator[HeldNote]:
    """Yield the last note of each log of *policy* in each file that *settings* names as an anchor.

    A log is an origin: in a fleet any of its keys may have signed the last note.
    """
    files = [Path(setting.removeprefix(_FILE)) for setting in settings if setting.startswith(_FILE)]
    for origin in dict.fromkeys(log.vkey.name for log in policy.logs):
        keys = ListedKeys([log.vkey for log in policy.logs if log.vkey.name == origin])
        yield from (_last_note(FileAnchor(file, keys), origin) for file in files)


def _last_note(anchor: FileAnchor, origin: str) -> HeldNote:
    try:
        note, lost = anchor.last_note(), "it holds no note that this log signed"
    except (HolderFileError, ValueError) as exc:
        note, lost = None, f"it cannot be read: {exc.fact if isinstance(exc, HolderFileError) else exc}"
    return HeldNote(anchor.name, note or b"", lost=None if note else lost, log=origin)
