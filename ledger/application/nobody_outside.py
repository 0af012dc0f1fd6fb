"""What ``Outside`` is for a ledger without outside holders: nobody is asked, and nobody objects.

Most ledgers are such. What speaks to holders, and keeps their receipts, is then not loaded.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.application.anchoring import Late
    from ledger.errors import EvidenceError


class NobodyOutside:
    """No outside holder; each method is that of ``Outside``."""

    late: "tuple[Late, ...]" = ()
    alarms: "tuple[EvidenceError, ...]" = ()

    def hand_over(self, *, patient: bool = False) -> "tuple[Late, ...]":  # noqa: ARG002 # nobody is waited for
        """Give the newest note to nobody."""
        return ()

    def demand(self, holders: int) -> None:
        """Let a risky command begin only when no holder is demanded.

        Raises: TooFewHoldersError.
        """
        if holders > 0:
            from ledger.application.anchoring import TooFewHoldersError  # noqa: PLC0415 # as the module says

            raise TooFewHoldersError(holders, holding=(), missing=())

    def confront(self) -> tuple[str, ...]:
        """Show the newest note to nobody."""
        return ()
