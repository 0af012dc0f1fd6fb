"""Root of our errors and one family for each exit code.

The command line knows only these families (PRODUCT section 10, EMQX's own codes for 1 to 4).
A concrete error stands beside the rule that raises it, carries its facts as attributes and
builds its own message; none of the families here is raised itself.

Every error speaks in three parts: what is wrong (``str(error)``), the fact it rests on
(*fact*) and what to do next (*hint*).
"""

from typing import ClassVar


class LedgerError(Exception):
    """Something that the user must know, with its fact and its way out."""

    code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, fact: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.fact = fact
        self.hint = hint


class UsageError(LedgerError):
    """The command cannot be understood, or the node cannot be reached: exit 1."""

    code = 1
    kind = "usage"


class RefusedError(LedgerError):
    """A rule forbids it and nothing was changed: exit 2."""

    code = 2
    kind = "refused"


class CheckFailedError(LedgerError):
    """A check ran and failed, what runs is unchanged: exit 3."""

    code = 3
    kind = "check_failed"


class FailedError(LedgerError):
    """A change broke off and the node may have changed: exit 4."""

    code = 4
    kind = "failed"


class OpenAttemptError(LedgerError):
    """An attempt is open, or boot files disagree, until ``recover`` closes it: exit 5."""

    code = 5
    kind = "open_attempt"


class EvidenceError(LedgerError):
    """The record is not what was signed: exit 6."""

    code = 6
    kind = "evidence"


class LockedError(LedgerError):
    """Another command holds the lock, try later: exit 75."""

    code = 75
    kind = "locked"
