"""A tip for which the tip guard does not vouch, as it was verified and is accepted (evidence.md 5.4)."""

from hashlib import sha256
from pathlib import Path

from ledger.dataclass import dataclass
from ledger.domain.ledger_events import GuardFound
from ledger.errors import EvidenceError
from ledger.tlog.checkpoint import Checkpoint


class TipMovedError(EvidenceError):
    """Ledger or guard are not what was verified."""

    kind = "undecided"

    def __init__(self) -> None:
        super().__init__(
            "the ledger or its tip guard changed while its tip was accepted",
            fact="they are not what was verified; nothing was recorded",
            hint="find out who writes to them, then run the command again: it verifies anew",
        )


@dataclass(frozen=True, kw_only=True)
class DoubtfulTip:
    """The *newest* note of a ledger, which says *tip*, and *held*, what lies in the place of the guard.

    *found* is ``missing``, ``damaged``, ``foreign`` or ``passed``; *guarded* how many events the guard holds, if that
    is known; *place* its file.
    """

    found: GuardFound
    newest: bytes
    tip: Checkpoint
    held: bytes | None
    guarded: int | None
    place: Path

    @property
    def words(self) -> str:
        """What was found, in words."""
        if self.guarded is not None:
            return f"the tip guard holds {self.guarded} events, and several commits were written past it"
        return {
            GuardFound.MISSING: f"the tip guard {self.place} is missing",
            GuardFound.DAMAGED: f"the tip guard {self.place} is damaged",
        }.get(self.found, f"the tip guard {self.place} is that of another ledger")

    @property
    def guard_sha256(self) -> str | None:
        """The digest of what lies in the place of the guard."""
        return None if self.held is None else sha256(self.held).hexdigest()
