"""What an audit found, and its verdict (evidence.md 6.1 and 6.2).

*verified*: every level asked for holds. *failed*: a check ran and failed. *undecided*: a check
could not run. Failed beats undecided, and absence of proof is never *verified*. A report states
size, root, the level reached, what is held outside and since when the rest is not, and what it
did not check; integrity is not truth.
"""

from enum import IntEnum, StrEnum

from ledger.dataclass import dataclass

INTEGRITY_IS_NOT_TRUTH = "integrity is not truth: that events were not changed does not say that they were true"


class Level(IntEnum):
    """What has been shown, each on top of those below (evidence.md 6.1)."""

    FORM = 0
    TREE = 1
    SIGNATURE = 2
    HISTORY = 3
    OUTSIDE = 4
    MEANING = 5


class Verdict(StrEnum):
    """What an audit comes to."""

    VERIFIED = "verified"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Finding:
    """One check that failed or could not run: at which *level*, *where*, and *what* is wrong."""

    level: Level
    verdict: Verdict
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The outcome of one audit.

    *asked* are the levels that were required, *holding* those that were shown. *held* is the
    newest size that somebody outside holds, *held_by* who; *sampled* how many entries a sample has.
    *first* is the first event checked, above 0 in an incremental audit; *types* are those of the events that were
    read to the end. *native* is a log of this product, *unguarded*
    the place of a tip guard that is not there.
    """

    origin: str | None
    size: int
    root: bytes | None
    signed_by: tuple[str, ...]
    asked: frozenset[Level]
    holding: frozenset[Level]
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    limits: tuple[str, ...]
    first: int = 0
    types: frozenset[bytes] = frozenset()
    held: int = 0
    held_by: tuple[str, ...] = ()
    unheld_since: str | None = None
    note: bytes | None = None
    sampled: int | None = None
    native: bool = True
    unguarded: str | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict: failed beats undecided."""
        verdicts = {finding.verdict for finding in self.findings}
        if Verdict.FAILED in verdicts:
            return Verdict.FAILED
        return Verdict.VERIFIED if not verdicts and self.asked <= self.holding else Verdict.UNDECIDED

    @property
    def level(self) -> Level | None:
        """The highest of the levels 0 to 4 that holds together with all below; None where none does.

        The form of another software's leaves is not known, and is then passed over.
        """
        reached = None
        for level in (Level.FORM, Level.TREE, Level.SIGNATURE, Level.HISTORY, Level.OUTSIDE):
            if level in self.holding:
                reached = level
            elif level is not Level.FORM or level in self.asked:
                break
        return reached

    @property
    def unheld(self) -> int:
        """How many events nobody outside holds."""
        return max(0, self.size - self.held)

    @property
    def reason(self) -> Finding | None:
        """The first finding that decides the verdict."""
        return next((finding for finding in self.findings if finding.verdict is self.verdict), None)

    @property
    def words(self) -> str:
        """The one line that says it (PRODUCT section 8)."""
        reason = self.reason
        if self.verdict is not Verdict.VERIFIED:
            return f"{self.verdict}: {reason}" if reason else f"{self.verdict}"
        root = self.root.hex() if self.root is not None else "none"
        signed = f"signed by {', '.join(self.signed_by)}" if self.signed_by else "signature not checked"
        counted = f"{self.size} {_events(self.size)}"
        if self.sampled is not None:
            counted = f"{self.sampled} sampled of {counted}"
        unguarded = ", no tip guard" if self.unguarded is not None else ""
        return f"ok: {counted}, root {root}, {signed}, {self.outside_words}{unguarded}"

    @property
    def outside_words(self) -> str:
        """How much is held outside, in words."""
        told = f"held outside: {min(self.held, self.size)} of {self.size}"
        if not self.unheld:
            return told
        # Of a log of other software it is not known where else it lies.
        where = "only on this host" if self.native else "not shown to be held by others"
        return f"{told} (last {self.unheld} {where})"


def _events(number: int) -> str:
    return "event" if number == 1 else "events"
