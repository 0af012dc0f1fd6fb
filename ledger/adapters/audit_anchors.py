"""What the file anchors of a host hold, for its own check: nothing is written to them.

A file that the settings name must be there and hold a note that the log signed: one that is gone
leaves the check undecided, since it may be gone to hide what it held. The first change after an
anchor was named makes its file. Other holders are not asked: their receipts lie in the ledger.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ledger.adapters.anchors.file import FileAnchor, HolderFileError
from ledger.adapters.signatures import verifier
from ledger.application.audit_source import HeldNote
from ledger.tlog.vkey import Vkey

_FILE = "file:"


def notes_in_files(settings: Sequence[str], *, vkey: Vkey) -> Iterator[HeldNote]:
    """Yield the last note of *vkey* in each file that *settings* names as an anchor."""
    for setting in settings:
        if not setting.startswith(_FILE):
            continue
        anchor = FileAnchor(Path(setting.removeprefix(_FILE)), verifier(vkey))
        try:
            note, lost = anchor.last_note(), "it holds no note that this log signed"
        except (HolderFileError, ValueError) as exc:
            note, lost = None, f"it cannot be read: {exc.fact if isinstance(exc, HolderFileError) else exc}"
        yield HeldNote(anchor.name, note or b"", lost=None if note else lost)
