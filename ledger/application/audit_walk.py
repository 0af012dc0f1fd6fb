"""The one pass over a log: the tree is built anew from its leaves and held against what is stored.

On the way the root is compared with every stored checkpoint and with the notes that others hold;
the tiles with the stored ones; each leaf with the rules of form. The pass stops at the first
difference and names it. It may begin at a size whose tree is taken from the tiles, and end
before the end of the log; who has it do so makes sure of what lies before and behind.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.application.audit_form import FormCheck, ReadLeaf, RowFault
from ledger.application.audit_references import Holding, Reference
from ledger.application.audit_report import Finding, Level, Verdict
from ledger.application.audit_source import LogSource, PartMissingError, StoredLeaf
from ledger.application.audit_trust import Trust, failed_by, read_unsigned, signers_of
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.tiles import Tile
from ledger.tlog.tree_builder import TileRow, TreeBuilder

Progress = Callable[[int, int], None]
_LOWEST = -(2**62)


class StopError(LedgerError):
    """The first difference was found."""


class Findings:
    """What was found so far."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def find(self, level: Level, verdict: Verdict, where: str, what: str) -> None:
        """Keep a finding; what cannot be checked is told once, not for each of a million checkpoints."""
        if verdict is Verdict.UNDECIDED and any((level, what) == (each.level, each.what) for each in self.all):
            return
        self.all.append(Finding(level, verdict, where, what))

    def stop(self, level: Level, where: str, what: str) -> StopError:
        """Keep the first difference and return what ends the pass, to be raised."""
        self.find(level, Verdict.FAILED, where, what)
        return StopError(what)


class SourceTiles:
    """The tiles of a source, as a tree reads them."""

    def __init__(self, source: LogSource) -> None:
        self._source = source

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """Return a tile.

        Raises: PartMissingError, PartWrongError.
        """
        return self._source.tile(Tile(level, n, width))


@dataclass(frozen=True, kw_only=True)
class Route:
    """What one pass reads, and what it holds that against."""

    source: LogSource
    trust: Trust
    read: ReadLeaf | None
    references: tuple[Reference, ...] = ()
    progress: Progress


@dataclass
class Signed:
    """The newest of the checkpoints that were met, and who signed it."""

    checkpoint: Checkpoint | None = None
    note: bytes | None = None
    by: tuple[str, ...] = ()


@dataclass
class _Stored:
    """The checkpoints of the source while they are met in rising order."""

    notes: Iterator[tuple[int, bytes]]
    head: tuple[int, bytes] | None = None
    sizes: list[int] = field(default_factory=list)

    def advance(self) -> None:
        self.head = next(self.notes, None)


class Walk:
    """One pass from leaf *first*, whose tree *builder* holds, up to *size*."""

    def __init__(
        self, route: Route, findings: Findings, *, builder: TreeBuilder, size: int, origin: str | None
    ) -> None:
        self._source, self._trust = route.source, route.trust
        self._route = route
        # A ledger has a receipt for each commit and holder: none may be asked for what the others say.
        self._references: dict[int, list[Reference]] = {}
        for found in route.references:
            self._references.setdefault(found.checkpoint.size, []).append(found)
        self._stops = sorted(self._references)
        self._findings = findings
        self._size = size
        self._origin = origin
        self._first = builder.size
        self.builder = builder
        self.holding = Holding(route.trust)
        self.newest = Signed()
        self._stored = _Stored(stored_notes(route.source, self._first, findings))

    def run(self, versions: Mapping[bytes, int] | None, *, after: bool = False) -> FormCheck:
        """Walk up to the size, *versions* being where each stream stands before the first leaf.

        With *after* the checkpoint at the first leaf was met by whoever walked up to there.
        Raises: StopError; PartMissingError, PartWrongError.
        """
        stored = self._stored
        stored.advance()
        while after and stored.head is not None and stored.head[0] <= self._first:
            stored.advance()
        form = FormCheck(self._route.read, origin=self._origin, first=self._first, versions=versions, joins=after)
        if not after:
            self._meet()
        for rows in self._source.leaves(self._first, self._size):
            self._take(rows, form)
            self._route.progress(self.builder.size, self._size)
        if self.builder.size < self._size:
            raise self._stop(Level.TREE, f"event {self.builder.size}", "it is missing; the log ends before its size")
        return form

    def compare_edge(self) -> None:
        """Hold the tiles that are not full against the stored ones, at the end of the log.

        Raises: StopError; PartMissingError, PartWrongError.
        """
        self._compare(self.builder.partial_tiles())

    @property
    def next_checkpoint(self) -> int | None:
        """The size of the first stored checkpoint that was not met."""
        return None if self._stored.head is None else self._stored.head[0]

    @property
    def ends_commit(self) -> bool:
        """Whether a checkpoint stands at the size that was reached."""
        return self.builder.size in self._stored.sizes

    def _stop(self, level: Level, where: str, what: str) -> StopError:
        return self._findings.stop(level, where, what)

    def _take(self, rows: Sequence[StoredLeaf], form: FormCheck) -> None:
        base, stored = self.builder.size, self._stored
        hashes, fault = form.take(rows)
        end = base + len(hashes)
        while self.builder.size < end:
            at = self.builder.size
            place = bisect_right(self._stops, at)
            ahead = self._stops[place] if place < len(self._stops) else end
            stop = min(end, ahead, stored.head[0] if stored.head is not None and stored.head[0] > at else end)
            self._compare(self.builder.extend(hashes[at - base : stop - base]))
            self._meet()
        self._compare_runs(form, end - 1)
        if fault is not None:
            raise self._stop(Level.FORM if self._route.read else Level.TREE, f"event {fault.index}", fault.what)

    def _meet(self) -> None:
        """Hold the present root against what was signed for the present size."""
        size, stored = self.builder.size, self._stored
        while stored.head is not None and stored.head[0] <= size:
            at, note = stored.head
            self._check_stored(at, note, size)
            stored.sizes.append(at)
            stored.advance()
        for found in self._references.get(size, ()):
            if found.checkpoint.root != self.builder.root():
                raise self._stop(found.level, found.name, f"it holds another history up to size {size}")

    def _check_stored(self, at: int, note: bytes, size: int) -> None:
        where = f"checkpoint {at}"
        checkpoint = unsigned(note, where, self._findings)
        if at != size or checkpoint.size != at:
            raise self._stop(Level.TREE, where, f"its note is of size {checkpoint.size}")
        if checkpoint.root != self.builder.root():
            raise self._stop(Level.TREE, where, "the root that it states is not that of the events")
        if checkpoint.origin != self._origin:
            raise self._stop(Level.SIGNATURE, where, f"it is of another log, {checkpoint.origin}")
        self.newest = Signed(checkpoint, note)
        try:
            opened = self._trust.open(note)
        except LedgerError as exc:
            if failed_by(exc):
                raise self._stop(Level.SIGNATURE, where, f"{exc}: {exc.fact}") from exc
            self._findings.find(Level.SIGNATURE, Verdict.UNDECIDED, where, f"{exc}: {exc.fact}")
            return
        self.newest.by = signers_of(opened)
        self.holding.add(opened, f"the cosignatures of size {at}")

    def _compare(self, rows: Sequence[TileRow]) -> None:
        for row in rows:
            # In a folder the leaf hashes themselves were read from the tiles of level 0.
            if row.tile.level == 0 and not self._source.nature.commits:
                continue
            try:
                found = self._source.tile(row.tile)
            except PartMissingError as exc:
                self._findings.find(Level.TREE, Verdict.UNDECIDED, exc.place, exc.fault)
                continue
            if found != row.hashes:
                raise self._stop(Level.TREE, str(row.tile), "its hashes are not those of the events below it")

    def _compare_runs(self, form: FormCheck, last: int) -> None:
        """Hold commits against checkpoints, as far as both are known: up to leaf *last*."""
        stored = self._stored
        starts = [at for at in form.run_starts if at > self._first]
        ends = [at for at in stored.sizes if self._first < at <= last]
        form.run_starts.clear()
        stored.sizes = [at for at in stored.sizes if at > last]
        known = self._route.read is not None and self._source.nature.commits and not form.unread
        if known and starts != ends:
            at = min(set(starts) ^ set(ends))
            missing, inside = "it is missing, though a commit ends there", "it stands inside a commit"
            raise self._stop(Level.FORM, f"checkpoint {at}", missing if at in starts else inside)


def stored_notes(source: LogSource, first: int, findings: Findings) -> Iterator[tuple[int, bytes]]:
    """Yield the stored checkpoints from size *first* on, each with its size.

    Raises: StopError where a note without a stored size says none; PartMissingError, PartWrongError.
    """
    for size, note in source.checkpoints(first - 1 if first else _LOWEST):
        yield unsigned(note, "the checkpoint", findings).size if size is None else size, note


def unsigned(note: bytes, where: str, findings: Findings) -> Checkpoint:
    """Return what *note* says, not trusted.

    Raises: StopError.
    """
    try:
        return read_unsigned(note)
    except FormatError as exc:
        raise findings.stop(Level.TREE, where, f"{exc}: {exc.fact}") from exc


def stop_at(fault: RowFault | None, findings: Findings) -> None:
    """End the pass where there is a *fault*.

    Raises: StopError.
    """
    if fault is not None:
        raise findings.stop(Level.FORM, f"event {fault.index}", fault.what)
