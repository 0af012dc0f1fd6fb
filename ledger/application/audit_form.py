"""Level 0 over the rows of a log: each leaf's form, its place, and that of its commit.

The checks are those of evidence.md 1.3, in the order of the index. Bytes are hashed first: what
a changed byte says about its own place is no longer of interest.

Identifiers must be unique. To remember a million of them in a set takes 130 MiB, so 64 bits of
each are kept in an array and sorted at the end; where two agree, the leaves are read again to
see whether the identifiers really do.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from operator import eq
from typing import Protocol

from ledger.application.audit_source import StoredLeaf
from ledger.errors import EvidenceError, LedgerError


class Facts(Protocol):
    """What a leaf says of its own place."""

    @property
    def boot_id(self) -> bytes: ...  # noqa: D102 # named as in evidence.md 1.2
    @property
    def monotonic_us(self) -> bytes: ...  # noqa: D102 # as above
    @property
    def commit_id(self) -> bytes: ...  # noqa: D102 # as above
    @property
    def event_id(self) -> bytes: ...  # noqa: D102 # as above
    @property
    def ledger(self) -> bytes: ...  # noqa: D102 # as above
    @property
    def recorded_at(self) -> bytes: ...  # noqa: D102 # as above
    @property
    def stream(self) -> bytes: ...  # noqa: D102 # as above
    @property
    def type(self) -> bytes: ...  # noqa: D102 # as above
    @property
    def version(self) -> bytes: ...  # noqa: D102 # as above


ReadLeaf = Callable[[bytes, bytes], Facts]
_CLOCKS_SHOWN = 5


class RowFault(EvidenceError):  # noqa: N818 # it is the fault itself, and never leaves the audit
    """What is wrong with row *index*."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(f"event {index}: {what}", fact=what)
        self.index, self.what = index, what


class FormCheck:
    """The state of level 0 while a log is read in order."""

    def __init__(
        self, read: ReadLeaf | None, *, origin: str | None, first: int, versions: Mapping[bytes, int] | None
    ) -> None:
        self._read = read
        self._origin = None if origin is None else origin.encode()
        self._next = first
        self._versions = dict(versions or {})
        # Where a stream stands that was not met yet; None where nothing tells.
        self._unknown = None if versions is None else 0
        self._events, self._commits = array("q"), array("q")
        self._last: Facts | None = None
        self.run_starts: list[int] = []
        self.unread: RowFault | None = None
        self.absent: int | None = None
        self.clocks: list[int] = []

    def take(self, rows: Sequence[StoredLeaf]) -> tuple[list[bytes], RowFault | None]:
        """Return the leaf hashes of *rows* up to the first that is wrong, and what is wrong with it."""
        hashes: list[bytes] = []
        keep, check = hashes.append, self._check_row
        index = self._next
        try:
            for row in rows:
                keep(check(index, row))
                index += 1
        except RowFault as fault:
            return hashes, fault
        finally:
            self._next = index
        return hashes, None

    def _check_row(self, index: int, row: StoredLeaf) -> bytes:
        stored, leaf_hash, leaf, stream, version, topic = row
        if stored != index:
            raise RowFault(index, f"it is missing; the next one stored is {stored}")
        if leaf is None:
            self.absent = index if self.absent is None else self.absent
            return leaf_hash
        hashed = sha256(b"\0" + leaf).digest()
        if hashed != leaf_hash:
            raise RowFault(index, "its bytes are not those that were hashed into the tree")
        if self._read is None:
            return hashed
        try:
            facts = self._read(leaf, topic or b"")
        except LedgerError as exc:
            self._pass_over(index, exc)
            return hashed
        own = int(facts.version)
        if stream is not None and (stream != facts.stream or version != own or topic != facts.type):
            raise RowFault(index, "the columns of its row say another stream, version or topic than its bytes")
        if facts.ledger != self._origin and self._origin is not None:
            raise RowFault(index, f"it was written for the ledger {facts.ledger.decode()!a}, not for this one")
        before = self._versions.get(facts.stream, self._unknown)
        if before is not None and own != before + 1:
            raise RowFault(index, f"it is version {own} of its stream, which stood at {before}")
        self._versions[facts.stream] = own
        self._follow_commit(index, facts)
        return hashed

    def _pass_over(self, index: int, exc: LedgerError) -> None:
        """Go on behind a leaf whose form is not known here; any other that cannot be read has failed."""
        if exc.kind != "undecided":
            raise RowFault(index, exc.fact) from exc
        self.unread = self.unread or RowFault(index, str(exc))
        # Its place in its stream and among the commits is not known; the tree is checked all the same.
        self._last, self._unknown = None, None
        self._versions.clear()

    def _follow_commit(self, index: int, facts: Facts) -> None:
        last, self._last = self._last, facts
        self._events.append(hash(facts.event_id))
        if last is None or last.commit_id != facts.commit_id:
            self.run_starts.append(index)
            self._commits.append(hash(facts.commit_id))
        if last is not None and facts.recorded_at < last.recorded_at and _later(last, facts):
            self.clocks.append(index)

    def suspects(self) -> bool:
        """Tell whether two identifiers may be the same, so that the leaves must be read again."""
        return any(_has_twins(found) for found in (self._events, self._commits))

    def clock_words(self) -> Iterator[str]:
        """Yield what is to be said of clocks: flagged, never refused (RULINGS 10)."""
        if self.clocks:
            shown = ", ".join(map(str, self.clocks[:_CLOCKS_SHOWN]))
            more = ", …" if len(self.clocks) > _CLOCKS_SHOWN else ""
            yield f"the clock was set back before {len(self.clocks)} of the events: {shown}{more}"


def find_twin(batches: Iterator[Sequence[StoredLeaf]], read: ReadLeaf) -> RowFault | None:
    """Return the first row whose identifier stood in another commit or event before."""
    events: set[bytes] = set()
    commits: set[bytes] = set()
    last = b""
    for row in (row for rows in batches for row in rows):
        if row[2] is None:
            continue
        try:
            facts = read(row[2], row[5] or b"")
        except LedgerError:
            return None  # what is wrong there was found before
        if facts.event_id in events:
            return RowFault(row[0], "its event_id is that of an earlier event")
        if facts.commit_id != last and facts.commit_id in commits:
            return RowFault(row[0], "its commit_id is that of an earlier commit")
        events.add(facts.event_id)
        commits.add(facts.commit_id)
        last = facts.commit_id
    return None


def _later(last: Facts, facts: Facts) -> bool:
    return last.boot_id == facts.boot_id and int(facts.monotonic_us) > int(last.monotonic_us)


def _has_twins(found: "array[int]") -> bool:
    ordered = sorted(found)
    return any(map(eq, ordered, islice(ordered, 1, None)))
