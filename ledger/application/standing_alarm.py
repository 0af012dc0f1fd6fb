"""What a holder has said against the ledger, as long as it is not explained (evidence.md 5.3).

An alarm stands while its file does. Nothing is recorded meanwhile: whatever came after a fork or
a rollback would have to be told apart later. Only the operator removes the file, by hand.
"""

from collections.abc import Sequence

from ledger.dataclass import dataclass
from ledger.errors import EvidenceError

EXPLAIN = (
    "keep ledger, tip guard and alarm file as they are; find out who appended from a copy, and compare with "
    "`release-ledger verify`; remove the alarm file only when it is explained"
)


@dataclass(frozen=True)
class StandingAlarm:
    """What *sink* has *said*, and the *file* that keeps it."""

    sink: str
    said: str
    file: str

    def __str__(self) -> str:
        return f"{self.sink} spoke against this ledger: {self.said}"


class AlarmStandsError(EvidenceError):
    """A holder has spoken against the ledger, and that is not explained."""

    kind = "failed"

    def __init__(self, alarms: Sequence[StandingAlarm]) -> None:
        super().__init__(
            "; ".join(map(str, alarms)), fact=f"kept in {', '.join(alarm.file for alarm in alarms)}", hint=EXPLAIN
        )
        self.alarms = tuple(alarms)
