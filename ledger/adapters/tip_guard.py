"""The tip guard: the newest signed note of a ledger, outside its database (evidence.md 5.4).

A database that is cut, restored or rewritten by someone who holds the key still looks whole; the
guard tells, because it is another file in another folder. It is replaced after each commit and
never before: between the two a crash leaves the guard one checkpoint behind, which ``judge_tip``
recognises. Whoever can write both the guard and the database can hide a rollback.
"""

from collections.abc import Sequence
from pathlib import Path

from ledger.adapters.durable import overwrite_file
from ledger.adapters.plain_file import FileNotReadError, read_if_there
from ledger.application.doubtful_tip import DoubtfulTip, TipMovedError
from ledger.dataclass import dataclass
from ledger.domain.ledger_events import GuardFound
from ledger.errors import EvidenceError, FailedError, UsageError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.note import MAX_NOTE, Note, SignatureError, Verifier

_KEEP = "keep both the ledger's folder and the tip guard as they are, and run `release-ledger verify`"
_ACCEPT = (
    "run `release-ledger verify` and find out why; put the tip guard back, or accept the tip with "
    "`release-ledger recover --accept-tip --reason TEXT`"
)


class TipError(EvidenceError):
    """Database and tip guard do not belong together; the parent of every such error."""

    kind = "failed"

    def __init__(self, message: str, *, fact: str, hint: str = _KEEP) -> None:
        super().__init__(message, fact=fact, hint=hint)


class TipRollbackError(TipError):
    """The database lacks events that were signed: a backup was restored, or the tail was cut."""

    def __init__(self, guarded: int, *, stored: int) -> None:
        super().__init__(
            f"the ledger has lost its events from number {stored} on",
            fact=f"the tip guard holds a signed checkpoint of {guarded} events, the database has {stored}",
            hint=f"{_KEEP}; `release-ledger recover --refill BUNDLE` puts back what a bundle, a copy or a replica has",
        )
        self.guarded, self.stored = guarded, stored


class TipRewrittenError(TipError):
    """The database holds another history than the one that was signed."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the first {size} events are not those that were signed",
            fact=f"the root of the tree at {size} differs from the signed checkpoint",
        )
        self.size = size


class TipDoubtedError(TipError):
    """The guard does not vouch for the database, nor speak against it; *found* is what there is of a guard."""

    kind = "undecided"
    found: GuardFound
    guarded: int | None = None

    def __init__(self, message: str, *, fact: str) -> None:
        super().__init__(message, fact=fact, hint=_ACCEPT)

    def about(self, tip: Checkpoint, *, newest: bytes, held: bytes | None, place: Path) -> DoubtfulTip:
        """Return what is in doubt: that the note *newest* of *tip* is the end, where *held* lies in *place*."""
        return DoubtfulTip(found=self.found, newest=newest, tip=tip, held=held, guarded=self.guarded, place=place)


class TipPassedError(TipDoubtedError):
    """Something appended without the guard: nothing can be said until all is verified."""

    found = GuardFound.PASSED

    def __init__(self, guarded: int, *, stored: int) -> None:
        super().__init__(
            "the ledger was appended to without its tip guard",
            fact=f"the guard holds {guarded} events, the database has {stored}, by more than one commit",
        )
        self.guarded, self.stored = guarded, stored


class TipLostError(TipDoubtedError):
    """There are events, but no guard."""

    found = GuardFound.MISSING

    def __init__(self, stored: int) -> None:
        super().__init__(
            "the tip guard of the ledger is missing",
            fact=f"the database has {stored} events, and nothing outside of it says how many there were",
        )
        self.stored = stored


class TipFolderLostError(TipDoubtedError):
    """The folder of the tip guard is gone."""

    found = GuardFound.MISSING

    def __init__(self, folder: Path) -> None:
        super().__init__(
            "the tip guard of the ledger is missing",
            fact=f"there is no folder {folder}, and nothing else says how many events there were",
        )
        self.folder = folder


class TipDamagedError(TipDoubtedError):
    """What lies in the place of the guard is no note that this ledger's key signed."""

    found = GuardFound.DAMAGED

    def __init__(self, fact: str) -> None:
        super().__init__("the tip guard of the ledger is damaged", fact=fact)


class TipForeignError(TipDoubtedError):
    """The guard is that of another ledger."""

    found = GuardFound.FOREIGN

    def __init__(self, origin: str) -> None:
        super().__init__(
            "the tip guard is that of another ledger",
            fact=f"it holds a note of {origin!a}, and nothing else says how many events there were",
        )
        self.origin = origin


class TipKeyError(TipError):
    """The guard holds a note of this ledger's name by another key: one of the two was exchanged."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            "the ledger is signed by another key than before",
            fact=f"the tip guard holds a note of {origin}, and no line of it is by the key of the ledger",
        )
        self.origin = origin


class CheckpointDiffersError(TipError):
    """Events and newest checkpoint of the database do not agree."""

    def __init__(self, size: int, *, signed: int) -> None:
        super().__init__(
            "the newest checkpoint does not cover the events of the ledger",
            fact=f"there are {size} events, and the newest checkpoint is of {signed}",
        )
        self.size, self.signed = size, signed


class GuardBehindError(FailedError):
    """A commit is recorded and the guard could not follow; the next commit lets it catch up."""

    def __init__(self, cause: FailedError) -> None:
        super().__init__(
            f"recorded, but the tip guard could not follow: {cause}",
            fact=f"{cause.fact}; the events are in the ledger, and the guard is one commit behind",
            hint=f"{cause.hint}; `release-ledger recover` closes an attempt that this left open",
        )


class GuardStuckError(UsageError):
    """The guard is one commit behind and cannot catch up, so nothing more is recorded."""

    def __init__(self, cause: FailedError) -> None:
        super().__init__(
            f"the tip guard cannot catch up: {cause}",
            fact=f"{cause.fact}; nothing of this commit was recorded",
            hint=cause.hint,
        )


class GuardAccessError(UsageError):
    """The guard's file cannot be read."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(f"the tip guard {path} cannot be read", fact=fact, hint="run as the user who owns the ledger")
        self.path = path


class TipGuard:
    """The file that holds the newest note; *advanced* tells that it had to catch up after a crash."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tip"
        self.advanced = False

    def read(self) -> bytes | None:
        """Return the note, None where there is no file; of a text that is too long for a note its beginning.

        Raises: GuardAccessError, also for a pipe or device in its place, which is not waited for.
        """
        try:
            return read_if_there(self._path, first=MAX_NOTE + 1, settled=True)
        except FileNotReadError as exc:
            raise GuardAccessError(self._path, exc.detail) from exc

    def swap(self, note: bytes) -> None:
        """Put *note* in the place of the one before, durably.

        Raises: WriteFailedError.
        """
        overwrite_file(self._path, note, mode=0o600)

    def advance(self, note: bytes) -> None:
        """Catch up by one commit, before anything else is recorded.

        Raises: GuardStuckError.
        """
        try:
            self.swap(note)
        except FailedError as exc:
            raise GuardStuckError(exc) from exc
        self.advanced = True

    def pass_over(self, note: bytes) -> None:
        """Let commits of other hosts lie between what this guard holds and *note*: it follows with the next commit."""

    def vouching_for(self, doubt: DoubtfulTip) -> "TipGuard":
        """Return this guard while the acceptance of a tip is recorded."""
        return AcceptedTip(doubt)


class AcceptedTip(TipGuard):
    """A guard that vouches for the tip of *doubt* and for no other."""

    def __init__(self, doubt: DoubtfulTip) -> None:
        super().__init__(doubt.place.parent)
        self._doubt = doubt

    def read(self) -> bytes | None:
        """Return the note that was accepted.

        Raises: TipMovedError, GuardAccessError.
        """
        if super().read() != self._doubt.held:
            raise TipMovedError
        return self._doubt.newest

    def advance(self, note: bytes) -> None:  # noqa: ARG002 # of a commit that nobody verified
        """Refuse to follow a commit that came after the verification.

        Raises: TipMovedError.
        """
        raise TipMovedError


@dataclass(frozen=True)
class Tip:
    """Where a database ends: its *size*, and the sizes of the checkpoints newer than the guard's."""

    size: int
    newer: Sequence[int]
    root_at_guard: bytes


def judge_tip(guard: Checkpoint, tip: Tip) -> bool:
    """Tell whether the guard is one commit behind, which is what a crash leaves; False when in step.

    Raises: TipRollbackError, TipRewrittenError, TipPassedError, by the table of evidence.md 5.4.
    """
    if guard.size > tip.size:
        raise TipRollbackError(guard.size, stored=tip.size)
    if guard.root != tip.root_at_guard:
        raise TipRewrittenError(guard.size)
    if len(tip.newer) > 1:
        raise TipPassedError(guard.size, stored=tip.size)
    return len(tip.newer) == 1


def open_guard(held: bytes, *, log: Verifier) -> Checkpoint:
    """Return what the note *held* of a tip guard says, signed by the key *log* of its ledger.

    Raises: TipDamagedError, TipForeignError, TipKeyError.
    """
    try:
        return open_checkpoint(held, logs=(log,)).checkpoint
    except FormatError as exc:
        raise TipDamagedError(f"it holds no signed note: {exc}") from exc
    except SignatureError as exc:
        try:
            note = Note.parse(held)
            origin = Checkpoint.parse(note.text).origin
        except FormatError:
            raise TipDamagedError(f"{exc}: {exc.fact}") from exc
        if origin != log.name:
            raise TipForeignError(origin) from exc
        if any((line.name, line.key_id) == (log.name, log.key_id) for line in note.signatures):
            raise TipDamagedError(f"{exc}: {exc.fact}") from exc
        raise TipKeyError(origin) from exc
