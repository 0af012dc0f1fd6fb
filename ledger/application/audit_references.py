"""Notes that were kept outside the record, opened by the auditor's policy.

The auditor's own note, notes of other holders and the tip guard must be continued by the record
(level 3); copies of cosigned notes in the record count for what their witnesses say (level 4).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.application.audit_report import Finding, Level, Verdict
from ledger.application.audit_source import HeldNote
from ledger.application.audit_trust import PolicyMissingError, Trust, failed_by, read_unsigned
from ledger.dataclass import dataclass, replace
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.policy import WitnessedCheckpoint

_CLOCKS_DIFFER = 60  # seconds, which nobody need be told of
_YEAR_10000 = 253_402_300_800
_SIGNATURE_LINE = "\n\N{EM DASH} ".encode()


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One such note: what it says, and what it counts for."""

    name: str
    checkpoint: Checkpoint
    opened: WitnessedCheckpoint | None
    level: Level
    outside: bool = True
    guard: bool = False


class Held(NamedTuple):
    """What a ``Holding`` found: the size, who holds it, whether a quorum was met, the last time of a cosignature."""

    size: int
    names: frozenset[str]
    quorum: bool
    latest: int


class Holding:
    """Up to which size somebody outside holds the log, who does, and whether a quorum was met."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self.size = 0
        self.names: set[str] = set()
        self.quorum = False
        self.latest = 0

    def add(self, opened: WitnessedCheckpoint, name: str) -> None:
        """Count the witnesses that cosigned, as far as the policy lets them count."""
        quorum = self._trust.has_quorum(opened)
        self.latest = max(self.latest, opened.latest)
        self.quorum = self.quorum or quorum
        if quorum or (opened.witnesses and not self._trust.asks_for_quorum):
            names = ", ".join(sorted(witness.decode(errors="replace") for witness in opened.witnesses))
            self.add_size(opened.opened.checkpoint.size, names or name)

    @property
    def found(self) -> Held:
        """What was found."""
        return Held(self.size, frozenset(self.names), self.quorum, self.latest)

    def join(self, other: Held) -> None:
        """Count what was found elsewhere."""
        self.quorum = self.quorum or other.quorum
        self.latest = max(self.latest, other.latest)
        for name in other.names:
            self.add_size(other.size, name)

    def remarks(self) -> Iterator[str]:
        """Yield what is odd about the times of cosignatures (evidence.md 3.4); no verdict rests on a clock."""
        now, latest = self._trust.now, self.latest
        if now is not None and latest > now + _CLOCKS_DIFFER:
            when = _as_time(latest) if latest < _YEAR_10000 else f"second {latest} of the epoch"
            yield f"a witness says that it cosigned at {when}, which lies ahead of the clock here, {_as_time(now)}"

    def add_size(self, size: int, name: str) -> None:
        """Count *name* as a holder of *size*."""
        if size > self.size:
            self.size, self.names = size, {name}
        elif size == self.size:
            self.names.add(name)


def _as_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Opened = tuple[tuple[Reference, ...], tuple[Finding, ...], tuple[str, ...]]


def open_references(trust: Trust, *, anchors: Sequence[HeldNote], since: HeldNote | None) -> Opened:
    """Return the notes that the record must continue, what is wrong with others, and remarks."""
    references: list[Reference] = []
    findings: list[Finding] = []
    remarks: list[str] = []
    # Where an audit begins is the auditor's choice; that somebody holds it is not said by that.
    begun = [replace(since, outside=False)] if since is not None and since not in trust.held else []
    own = [*begun, *trust.held]
    if trust.guard is not None and trust.guard.data is not None:
        own.append(HeldNote(trust.guard.name, trust.guard.data, outside=False))
    for note in own:
        found = _open(trust, note, Level.HISTORY)
        (findings if isinstance(found, Finding) else references).append(found)  # type: ignore[arg-type] # each kind goes into the list of its own
    for note in anchors:
        receipt = open_receipt(trust, note)
        if isinstance(receipt, Finding):
            findings.append(receipt)
        elif isinstance(receipt, Reference):
            references.append(receipt)
        else:
            remarks.append(f"{note.name} {receipt}")
    return tuple(references), tuple(findings), tuple(remarks)


def open_receipt(trust: Trust, note: HeldNote) -> Reference | Finding | str:
    """Return the copy of a cosigned *note*, what is wrong with it, or why it counts for nothing, in words."""
    if _SIGNATURE_LINE not in note.data:
        return "is no signed note; it was not checked"
    found = _open(trust, note, Level.OUTSIDE)
    if isinstance(found, Finding) or (found.opened is not None and found.opened.witnesses):
        return found
    return f"says size {found.checkpoint.size}; no known witness vouches for it"


def _open(trust: Trust, note: HeldNote, level: Level) -> Reference | Finding:
    if note.lost is not None:
        return Finding(level, Verdict.UNDECIDED, note.name, note.lost)
    guard = trust.guard is not None and note.name == trust.guard.name
    try:
        try:
            opened = trust.open(note.data)
        except PolicyMissingError:
            checkpoint = read_unsigned(note.data)
            return Reference(
                name=note.name, checkpoint=checkpoint, opened=None, level=level, outside=note.outside, guard=guard
            )
    except LedgerError as exc:
        # What was kept elsewhere and cannot be read speaks neither for nor against the record.
        unreadable = level is Level.HISTORY and isinstance(exc, FormatError)
        verdict = Verdict.FAILED if failed_by(exc) and not unreadable else Verdict.UNDECIDED
        return Finding(level, verdict, note.name, f"{exc}: {exc.fact}")
    return Reference(
        name=note.name,
        checkpoint=opened.opened.checkpoint,
        opened=opened,
        level=level,
        outside=note.outside,
        guard=guard,
    )
