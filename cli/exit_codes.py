"""Exit codes: what each number means, and which one an error has (PRODUCT section 10).

1 to 4 mean what they mean in EMQX's own script. Everything else in the program speaks of
families of errors; only here does a family become a number.
"""

from collections.abc import Mapping

from ledger.errors import (
    CheckFailedError,
    EvidenceError,
    FailedError,
    LedgerError,
    LockedError,
    OpenAttemptError,
    RefusedError,
    UsageError,
)

DONE = 0
USAGE = 1
DIFFERENT = 7
INTERRUPTED = 130

FAMILIES: Mapping[type[LedgerError], int] = {
    UsageError: USAGE,
    RefusedError: 2,
    CheckFailedError: 3,
    FailedError: 4,
    OpenAttemptError: 5,
    EvidenceError: 6,
    LockedError: 75,
}
MEANINGS: Mapping[int, str] = {
    DONE: "done, or already so",
    USAGE: "usage, or the node cannot be reached",
    2: "refused, nothing changed",
    3: "a check failed, what runs is unchanged",
    4: "an install failed, the node may have changed",
    5: "an attempt is open, or boot files disagree: `release-ledger recover`",
    6: "integrity failure",
    DIFFERENT: "different",
    75: "locked, try later",
    INTERRUPTED: "interrupted; an attempt that had begun stays open",
}


def exit_code(error: LedgerError) -> int:
    """Return the number of the family that *error* belongs to."""
    return next((code for family, code in FAMILIES.items() if isinstance(error, family)), error.code)
