"""Level 0 over the rows of a log: each leaf's form, its place, and that of its commit.

The checks are those of evidence.md 1.3, in the order of the index. Bytes are hashed first: what
a changed byte says about its own place is no longer of interest.

Rows come in batches. A batch in which nothing is wrong is told so by comparing whole columns;
any other is read again row by row, which finds the first that is wrong and says what is.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain, compress, islice, pairwise
from operator import le, ne
from typing import NamedTuple, Protocol

from ledger.application.audit_ids import Identifiers
from ledger.application.audit_source import StoredLeaf
from ledger.errors import EvidenceError, LedgerError

_CLOCKS_SHOWN = 5
_Column = tuple[bytes, ...]


class Facts(NamedTuple):
    """What a leaf says of its own place, in the order in which its members stand."""

    boot_id: bytes
    monotonic_us: bytes
    commit_id: bytes
    event_id: bytes
    ledger: bytes
    recorded_at: bytes
    stream: bytes
    type: bytes
    version: bytes


class _Columns(NamedTuple):
    """The facts of a batch, member by member."""

    boot_id: _Column
    monotonic_us: _Column
    commit_id: _Column
    event_id: _Column
    ledger: _Column
    recorded_at: _Column
    stream: _Column
    type: _Column
    version: _Column


class ReadLeaf(Protocol):
    """Knows the form of leaves."""

    def __call__(self, leaf: bytes, topic: bytes, /) -> Facts:
        """Return what *leaf* says; *topic* is only a hint at its shape.

        Raises: LedgerError, of kind ``undecided`` where the form is not known here.
        """
        ...

    def read_all(self, leaves: Sequence[bytes], topics: Sequence[bytes], /) -> Sequence[Facts]:
        """Return what each of *leaves* says.

        Raises: LedgerError, as for one.
        """
        ...


class RowFault(EvidenceError):  # noqa: N818 # it is the fault itself, and never leaves the audit
    """What is wrong with row *index*."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(f"event {index}: {what}", fact=what)
        self.index, self.what = index, what


class FormCheck:
    """The state of level 0 while a log, or a range of it, is read in order.

    *versions* says where each stream stands before the first row; None where nothing tells: then
    *met* keeps the version at which each stream was first seen. With *joins* the first row may go
    on with the commit of the row before it, so the id of that commit is left to whoever joins.
    """

    def __init__(
        self,
        read: ReadLeaf | None,
        *,
        origin: str | None,
        first: int,
        versions: Mapping[bytes, int] | None,
        joins: bool = False,
    ) -> None:
        self._read = read
        self._joins = joins
        self._origin = None if origin is None else origin.encode()
        self._next = first
        # Where a stream stands that was not met yet; None where nothing tells.
        self._unknown = None if versions is None else 0
        self.versions = dict(versions or {})
        self.met: dict[bytes, int] = {}
        self.events, self.commits = Identifiers(), Identifiers()
        self.begins_with: Facts | None = None
        self.last: Facts | None = None
        self.run_starts: list[int] = []
        self.unread: RowFault | None = None
        self.absent: int | None = None
        self.clocks: list[int] = []
        self.types: set[bytes] = set()

    def take(self, rows: Sequence[StoredLeaf]) -> tuple[list[bytes], RowFault | None]:
        """Return the leaf hashes of *rows* up to the first that is wrong, and what is wrong with it."""
        alike = self._take_alike(rows) if rows else []
        return self._take_each(rows) if alike is None else (alike, None)

    def suspects(self) -> bool:
        """Tell whether two identifiers may be the same, so that the leaves must be read again."""
        return self.events.may_repeat() or self.commits.may_repeat()

    # A batch at a time

    def _take_alike(self, rows: Sequence[StoredLeaf]) -> list[bytes] | None:
        """Return the leaf hashes of *rows*, None where any of them needs a closer look; nothing is taken then."""
        indexes, stored, leaves, streams, versions, topics = zip(*rows, strict=True)
        if None in leaves or indexes != tuple(range(self._next, self._next + len(rows))):
            return None
        hashes = [sha256(b"\0" + leaf).digest() for leaf in leaves]
        if hashes != list(stored):
            return None
        if self._read is not None:
            try:
                found = self._read.read_all(leaves, [topic or b"" for topic in topics])
            except LedgerError:
                return None
            columns = _Columns(*zip(*found, strict=True))
            own = tuple(map(int, columns.version))
            told = (columns.stream, own, columns.type)
            if streams.count(None) != len(rows) and (streams, versions, topics) != told:
                return None
            if not self._are_in_place(columns, own):
                return None
            self._follow(found, columns)
        self._next += len(rows)
        return hashes

    def _are_in_place(self, columns: _Columns, own: Sequence[int]) -> bool:
        if self._origin is not None and columns.ledger.count(self._origin) != len(own):
            return False
        after: dict[bytes, int] = {}
        met: dict[bytes, int] = {}
        for stream, version in zip(columns.stream, own, strict=True):
            before = after.get(stream) or self.versions.get(stream, self._unknown)
            if before is None:
                met[stream] = version
            elif version != before + 1:
                return False
            after[stream] = version
        self.versions.update(after)
        self.met.update(met)
        return True

    def _follow(self, found: Sequence[Facts], columns: _Columns) -> None:
        """Follow identifiers, commits and clocks of a batch whose places are right."""
        last = self.last
        self.types.update(columns.type)
        self.events.add(columns.event_id)
        joined = columns.commit_id[0] if self._joins and self.begins_with is None else None
        before = chain((joined if last is None else last.commit_id,), columns.commit_id)
        begins = tuple(map(ne, columns.commit_id, before))
        self.run_starts += compress(range(self._next, self._next + len(found)), begins)
        self.commits.add(tuple(compress(columns.commit_id, begins)))
        times = columns.recorded_at
        if (last is not None and last.recorded_at > times[0]) or not all(map(le, times, islice(times, 1, None))):
            rows = chain(() if last is None else (last,), found)
            first = self._next if last is not None else self._next + 1
            self.clocks += [first + at for at, (one, two) in enumerate(pairwise(rows)) if went_back(one, two)]
        self.begins_with = self.begins_with or found[0]
        self.last = found[-1]

    # Row by row

    def _take_each(self, rows: Sequence[StoredLeaf]) -> tuple[list[bytes], RowFault | None]:
        hashes: list[bytes] = []
        try:
            for row in rows:
                hashes.append(self._check_row(self._next, row))
                self._next += 1
        except RowFault as fault:
            return hashes, fault
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
        before = self.versions.get(facts.stream, self._unknown)
        if before is not None and own != before + 1:
            raise RowFault(index, f"it is version {own} of its stream, which stood at {before}")
        if before is None:
            self.met.setdefault(facts.stream, own)
        self.versions[facts.stream] = own
        self._follow([facts], _Columns(*zip(facts, strict=True)))
        return hashed

    def _pass_over(self, index: int, exc: LedgerError) -> None:
        """Go on behind a leaf whose form is not known here; any other that cannot be read has failed."""
        if exc.kind != "undecided":
            raise RowFault(index, exc.fact) from exc
        self.unread = self.unread or RowFault(index, str(exc))
        # Its place in its stream and among the commits is not known; the tree is checked all the same.
        self.last, self._unknown = None, None
        self.versions.clear()


def went_back(last: Facts, facts: Facts) -> bool:
    """Tell whether the clock was set back between two neighbours (evidence.md 1.2, ``recorded_at``)."""
    later = last.boot_id == facts.boot_id and int(facts.monotonic_us) > int(last.monotonic_us)
    return facts.recorded_at < last.recorded_at and later


def clock_words(clocks: Sequence[int]) -> Iterator[str]:
    """Yield what is to be said of the events before which a clock was set back: flagged, never refused (RULINGS 10)."""
    if clocks:
        shown = ", ".join(map(str, clocks[:_CLOCKS_SHOWN]))
        more = ", …" if len(clocks) > _CLOCKS_SHOWN else ""
        yield f"the clock was set back before {len(clocks)} of the events: {shown}{more}"


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
