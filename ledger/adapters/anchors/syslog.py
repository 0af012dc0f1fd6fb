"""The log of the system as outside holder: one line for each note (evidence.md 4.3).

``release-ledger checkpoint origin=… size=… root=… note=<base64 of the note>``, handed to the
socket of the local log as a datagram of facility *user*, severity *notice*. A line of an
ML-DSA-44 key is left out: it alone is longer than many logs take. The log gives no receipt, so
this holder is worth what the log's way off this host is worth.
"""

import socket
from pathlib import Path

from ledger.application.anchor_ports import LogKeys, SignedTip, open_by
from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import SIGNATURE_SIZES, TIME_SIZE
from ledger.tlog.notation import print_base64
from ledger.tlog.note import Note
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.vkey import KeyType

DEFAULT_SOCKET = Path("/dev/log")
LIMIT_SECONDS = 1.0
_PRIORITY = b"<13>"  # RFC 3164: facility user (1) times 8, severity notice (5)
_TAG = b"release-ledger: "
_LONG = SIGNATURE_SIZES[KeyType.COSIGNATURE_ML_DSA_44] + TIME_SIZE


class SyslogError(CheckFailedError):
    """The log of the system does not take the line."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"the system's log at {path} does not take the newest checkpoint",
            fact=fact,
            hint="see that the log's daemon runs and listens there; the next command tries again",
        )
        self.path = path


@dataclass(frozen=True)
class SyslogAnchor:
    """The log that listens at *path*, for the ledger that *log* signs; *mark* ends its name, see ``Anchor.name``."""

    log: LogKeys
    path: Path = DEFAULT_SOCKET
    limit: float = LIMIT_SECONDS
    mark: str = ""

    @property
    def name(self) -> str:
        """Its name in the table ``anchor``."""
        return f"syslog:{self.path}{self.mark}"

    @property
    def vouches(self) -> bool:
        """Whether no other host can have made a receipt of it."""
        return not self.mark

    def hand_over(self, tip: SignedTip, *, tree: TiledTree, last: int) -> bytes:  # noqa: ARG002 # a log forgets nothing and proves nothing
        """Send the line and return the note that it carried.

        Raises: SyslogError.
        """
        note = short_note(tip.note)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.settimeout(self.limit)
                connection.connect(str(self.path))
                connection.send(_PRIORITY + _TAG + line_of(tip.checkpoint, note=note))
        except OSError as exc:
            raise SyslogError(self.path, exc.strerror or str(exc)) from exc
        return note

    def read(self, proof: bytes) -> Checkpoint:
        """Return the checkpoint of a note that the log signed.

        Raises: SignatureError, FormatError.
        """
        return open_by(self.log, proof).checkpoint


def line_of(checkpoint: Checkpoint, *, note: bytes) -> bytes:
    """Return the line that carries *note*."""
    parts = (checkpoint.origin.encode(), checkpoint.size, print_base64(checkpoint.root), print_base64(note))
    return b"release-ledger checkpoint origin=%s size=%d root=%s note=%s" % parts


def short_note(data: bytes) -> bytes:
    """Return the note *data* without the lines of ML-DSA-44 keys."""
    note = Note.parse(data)
    return Note(note.text, tuple(line for line in note.signatures if len(line.payload) != _LONG)).encode()
