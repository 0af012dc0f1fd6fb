"""The auditor's own state file: for each log, the last note that was verified.

::

    release-ledger-auditor-state 1
    <base64 of the note, one a line, one for each origin>

It lies where the auditor wants it, never in what is verified, and is replaced durably and only
after a *verified*. Whoever can write it can make the auditor forget what was seen.
"""

from pathlib import Path

from ledger.adapters.durable import replace_file
from ledger.application.audit_source import HeldNote, PartMissingError
from ledger.application.audit_trust import read_unsigned
from ledger.dataclass import dataclass
from ledger.tlog.notation import FormatError, parse_base64, print_base64, split_lines

_MOST = 64 * 1024 * 1024
_MAGIC = b"release-ledger-auditor-state 1"


@dataclass(frozen=True)
class AuditState:
    """The notes of one state file."""

    path: Path
    notes: tuple[tuple[str, bytes], ...]

    def held(self, origin: str) -> HeldNote | None:
        """Return the last verified note of *origin*, None at first contact."""
        note = dict(self.notes).get(origin)
        return None if note is None else HeldNote(f"the state file {self.path}", note, log=origin)

    def keep(self, note: bytes) -> None:
        """Remember *note*, which was verified, in the place of the earlier one of its log.

        Raises: WriteFailedError.
        """
        kept = {**dict(self.notes), read_unsigned(note).origin: note}
        lines = (_MAGIC, *(print_base64(kept[origin]) for origin in sorted(kept)))
        replace_file(self.path, b"".join(line + b"\n" for line in lines), mode=0o600)


def read_state(path: Path) -> AuditState:
    """Return the state in the file *path*; a file that is not there yet is an empty one.

    Raises: PartMissingError where it cannot be read, since a lost memory must not pass unseen.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
        if len(data) > _MOST:
            raise PartMissingError(str(path), fact=f"it is larger than {_MOST} bytes")
        lines = split_lines(data)
        if lines[:1] != (_MAGIC,):
            raise PartMissingError(str(path), fact="it is no state file of an auditor")
        notes = [parse_base64(line) for line in lines[1:]]
        return AuditState(path, tuple((read_unsigned(note).origin, note) for note in notes))
    except FileNotFoundError:
        return AuditState(path, ())
    except (OSError, FormatError) as exc:
        raise PartMissingError(str(path), fact=str(exc)) from exc
