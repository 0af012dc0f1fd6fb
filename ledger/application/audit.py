"""Whether a log is complete and unaltered: one pass over it, levels 0 to 4 of evidence.md 6.1.

The tree is built anew from the leaves. On the way its root is held against every stored
checkpoint, the notes that others hold, and the tip guard; its tiles against the stored ones;
each leaf against the rules of form. The pass stops at the first difference and names it. An
incremental audit begins at a note that is trusted: it takes the tree up to there from the
tiles, whose root must be that of the note, and reads the later leaves only.

Nothing here knows an event, and nothing is written. What is trusted comes in as *trust*, never
from the source.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ledger.application.audit_form import FormCheck, ReadLeaf, RowFault, find_twin
from ledger.application.audit_references import Holding, Reference, open_references
from ledger.application.audit_report import INTEGRITY_IS_NOT_TRUTH, AuditReport, Finding, Level, Verdict
from ledger.application.audit_source import HeldNote, LogSource, PartMissingError, PartWrongError, StoredLeaf
from ledger.application.audit_trust import Trust, failed_by, read_unsigned, signers_of
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.tiles import Tile
from ledger.tlog.tree_builder import TileRow, TreeBuilder

Progress = Callable[[int, int], None]
_LOWEST = -(2**62)


def audit(
    source: LogSource,
    *,
    trust: Trust,
    read: ReadLeaf | None = None,
    level: Level | None = None,
    since: HeldNote | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Return what the audit of *source* comes to.

    *read* knows the form of leaves, and is None for a log of other software. *level* is the
    highest level asked for, None for all that *trust* gives the means for.
    """
    run = _Audit(source, trust=trust, read=read, progress=progress or _silent)
    return run.report(level, since)


@dataclass
class _Stored:
    """The checkpoints of the source while they are met in rising order."""

    notes: Iterator[tuple[int, bytes]]
    head: tuple[int, bytes] | None = None
    sizes: list[int] = field(default_factory=list)
    total: list[int] = field(default_factory=list)

    def advance(self) -> None:
        self.head = next(self.notes, None)


class _StopError(LedgerError):
    """The first difference was found."""


class _Tiles:
    """The source's tiles, as the tree reads them."""

    def __init__(self, source: LogSource) -> None:
        self._source = source

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        return self._source.tile(Tile(level, n, width))


class _Audit:
    def __init__(self, source: LogSource, *, trust: Trust, read: ReadLeaf | None, progress: Progress) -> None:
        self._source = source
        self._trust = trust
        self._read = read
        self._progress = progress
        self._builder = TreeBuilder()
        self._findings: list[Finding] = []
        self._remarks: list[str] = []
        self._limits: list[str] = [INTEGRITY_IS_NOT_TRUTH]
        self._origin: str | None = None
        self._signed_by: tuple[str, ...] = ()
        self._note: bytes | None = None
        self._last: Checkpoint | None = None
        self._first = 0
        self._complete = False
        self._holding = Holding(trust)
        self._compared = False

    def report(self, level: Level | None, since: HeldNote | None) -> AuditReport:
        """Run the audit."""
        references: tuple[Reference, ...] = ()
        try:
            references = self._references(since)
            self._pass(references, since)
            self._complete = True
        except _StopError:
            pass
        except PartMissingError as exc:
            self._find(Level.TREE, Verdict.UNDECIDED, exc.place, exc.fault)
        except PartWrongError as exc:
            self._find(Level.TREE, Verdict.FAILED, exc.place, exc.fault)
        self._compare_ends(references)
        self._check_quorum(level)
        return self._reported(level)

    # The pass

    def _references(self, since: HeldNote | None) -> tuple[Reference, ...]:
        references, findings, remarks = open_references(self._trust, anchors=tuple(self._source.anchors()), since=since)
        self._findings += findings
        self._remarks += remarks
        return references

    def _pass(self, references: Sequence[Reference], since: HeldNote | None) -> None:
        self._begin(references, since)
        stored = _Stored(self._stored_notes())
        stored.advance()
        size = self._size(stored)
        if self._first > size:
            self._stop(Level.HISTORY, f"checkpoint {self._first}", f"the record ends at {size}: events are lost")
        versions = self._source.versions_before(self._first) if self._first else {}
        form = FormCheck(self._read, origin=self._origin, first=self._first, versions=versions)
        self._meet(stored, references)
        for rows in self._source.leaves(self._first, size):
            self._take(rows, form, stored, references)
            self._progress(self._builder.size, size)
        self._end(form, stored, size)

    def _begin(self, references: Sequence[Reference], since: HeldNote | None) -> None:
        begun = next((found for found in references if since is not None and found.name == since.name), None)
        if begun is None or begun.checkpoint.size == 0:
            return
        self._first = begun.checkpoint.size
        self._limits.append(f"the events before {self._first} were not read again; {begun.name} vouches for them")
        stored = self._source.size()
        if stored is not None and stored < self._first:
            self._stop(Level.HISTORY, begun.name, f"it holds size {self._first}, the record ends at {stored}")
        self._builder = TreeBuilder.resume(self._first, reader=_Tiles(self._source))
        if self._builder.root() != begun.checkpoint.root:
            self._stop(Level.HISTORY, begun.name, f"the record has another history up to size {self._first}")

    def _stored_notes(self) -> Iterator[tuple[int, bytes]]:
        for stored, note in self._source.checkpoints(self._first - 1 if self._first else _LOWEST):
            size = stored
            if size is None:
                size = self._unsigned(note, "the checkpoint").size
            yield size, note

    def _unsigned(self, note: bytes, where: str) -> Checkpoint:
        try:
            return read_unsigned(note)
        except FormatError as exc:
            self._stop(Level.TREE, where, f"{exc}: {exc.fact}")
            raise  # never reached: _stop raises

    def _size(self, stored: _Stored) -> int:
        leaves = self._source.size()
        if stored.head is None:
            self._find(Level.SIGNATURE, Verdict.UNDECIDED, "the record", "it holds no checkpoint")
            return leaves or 0
        size, note = stored.head
        self._origin = self._unsigned(note, f"checkpoint {size}").origin
        return size if leaves is None else leaves

    def _take(
        self, rows: Sequence[StoredLeaf], form: FormCheck, stored: _Stored, references: Sequence[Reference]
    ) -> None:
        base = self._builder.size
        hashes, fault = form.take(rows)
        end = base + len(hashes)
        stops = {found.checkpoint.size for found in references}
        while self._builder.size < end:
            at = self._builder.size
            ahead = min((size for size in stops if size > at), default=end)
            stop = min(end, ahead, stored.head[0] if stored.head is not None and stored.head[0] > at else end)
            self._compare(self._builder.extend(hashes[at - base : stop - base]))
            self._meet(stored, references)
        self._compare_runs(form, stored, end - 1)
        if fault is not None:
            self._stop(Level.FORM if self._read else Level.TREE, f"event {fault.index}", fault.what)

    def _meet(self, stored: _Stored, references: Sequence[Reference]) -> None:
        """Hold the present root against what was signed for the present size."""
        size = self._builder.size
        while stored.head is not None and stored.head[0] <= size:
            at, note = stored.head
            self._check_stored(at, note, size)
            stored.sizes.append(at)
            stored.total.append(at)
            stored.advance()
        for found in references:
            if found.checkpoint.size == size and found.checkpoint.root != self._builder.root():
                self._stop(found.level, found.name, f"it holds another history up to size {size}")

    def _check_stored(self, at: int, note: bytes, size: int) -> None:
        where = f"checkpoint {at}"
        checkpoint = self._unsigned(note, where)
        if at != size or checkpoint.size != at:
            self._stop(Level.TREE, where, f"its note is of size {checkpoint.size}")
        if checkpoint.root != self._builder.root():
            self._stop(Level.TREE, where, "the root that it states is not that of the events")
        if checkpoint.origin != self._origin:
            self._stop(Level.SIGNATURE, where, f"it is of another log, {checkpoint.origin}")
        self._last, self._note, self._signed_by = checkpoint, note, ()
        try:
            opened = self._trust.open(note)
        except LedgerError as exc:
            if failed_by(exc):
                self._stop(Level.SIGNATURE, where, f"{exc}: {exc.fact}")
            self._find(Level.SIGNATURE, Verdict.UNDECIDED, where, f"{exc}: {exc.fact}")
            return
        self._signed_by = signers_of(opened)
        self._holding.add(opened, f"the cosignatures of size {at}")

    def _compare(self, rows: Sequence[TileRow]) -> None:
        for row in rows:
            # In a folder the leaf hashes themselves were read from the tiles of level 0.
            if row.tile.level == 0 and not self._source.nature.commits:
                continue
            try:
                found = self._source.tile(row.tile)
            except PartMissingError as exc:
                self._find(Level.TREE, Verdict.UNDECIDED, exc.place, exc.fault)
                continue
            if found != row.hashes:
                self._stop(Level.TREE, str(row.tile), "its hashes are not those of the events below it")

    def _compare_runs(self, form: FormCheck, stored: _Stored, last: int) -> None:
        """Hold commits against checkpoints, as far as both are known: up to leaf *last*."""
        starts = [at for at in form.run_starts if at > self._first]
        ends = [at for at in stored.sizes if self._first < at <= last]
        form.run_starts.clear()
        stored.sizes = [at for at in stored.sizes if at > last]
        if starts == ends or self._read is None or form.unread or not self._source.nature.commits:
            return
        at = min(set(starts) ^ set(ends))
        self._stop(
            Level.FORM,
            f"checkpoint {at}",
            "it is missing, though a commit ends there" if at in starts else "it stands inside a commit",
        )

    def _end(self, form: FormCheck, stored: _Stored, size: int) -> None:
        built = self._builder.size
        if built < size:
            self._stop(Level.TREE, f"event {built}", "it is missing; the log ends before its size")
        self._compare(self._builder.partial_tiles())
        if stored.head is not None:
            self._stop(Level.TREE, f"event {size}", f"it is missing, though checkpoint {stored.head[0]} covers it")
        if self._last is not None and self._last.size != size:
            first = self._last.size
            self._stop(Level.TREE, f"event {first}", f"it and all later ones, up to {size - 1}, are in no checkpoint")
        for words in self._source.surplus(size):
            self._stop(Level.FORM, "the record", words)
        if form.suspects() and self._read is not None:
            self._stop_at(find_twin(self._source.leaves(self._first, size), self._read))
        self._tell(form)

    def _tell(self, form: FormCheck) -> None:
        self._remarks += form.clock_words()
        if form.unread is not None:
            self._find(Level.FORM, Verdict.UNDECIDED, f"event {form.unread.index}", form.unread.what)
        if form.absent is not None and self._source.nature.entries:
            self._find(Level.FORM, Verdict.UNDECIDED, f"event {form.absent}", "its bytes are not there")
        elif form.absent is not None:
            self._limits.append("the record holds hashes only: the bytes of its entries were not checked")

    # What others hold

    def _compare_ends(self, references: Sequence[Reference]) -> None:
        size = self._builder.size
        for found in references:
            at = found.checkpoint.size
            if self._origin is not None and found.checkpoint.origin != self._origin:
                self._find(found.level, Verdict.FAILED, found.name, f"it is of another log, {found.checkpoint.origin}")
            elif not self._complete:
                continue
            elif at > size:
                lost = f"event {size} is" if at == size + 1 else f"events {size} to {at - 1} are"
                self._find(
                    found.level,
                    Verdict.FAILED,
                    found.name,
                    f"it holds size {at}, the record ends at {size}: {lost} lost",
                )
            elif at < self._first and self._root_before(at) != found.checkpoint.root:
                self._find(found.level, Verdict.FAILED, found.name, f"it holds another history up to size {at}")
            else:
                self._compared = self._compared or found.level is Level.HISTORY
                self._agree(found)

    def _root_before(self, size: int) -> bytes:
        return TiledTree(self._first, reader=_Tiles(self._source)).root(size)

    def _agree(self, found: Reference) -> None:
        if found.opened is not None:
            self._holding.add(found.opened, found.name)
        if found.outside and found.level is Level.HISTORY:
            self._holding.add_size(found.checkpoint.size, found.name)
        if not found.guard:
            return
        newer = self._source.checkpoints(found.checkpoint.size) if self._source.nature.commits else iter(())
        behind = sum(1 for _ in newer)
        if behind == 1:
            self._remarks.append(f"{found.name} is one commit behind: the process ended between the two writes")
        elif behind:
            self._find(
                Level.HISTORY,
                Verdict.UNDECIDED,
                found.name,
                f"it holds size {found.checkpoint.size}, and {behind} commits were written past it",
            )

    def _check_quorum(self, level: Level | None) -> None:
        wanted = self._trust.asks_for_quorum or (level is not None and level >= Level.OUTSIDE)
        if wanted and self._complete and not self._holding.quorum:
            self._find(Level.OUTSIDE, Verdict.UNDECIDED, "the quorum", "no checkpoint is cosigned by enough witnesses")

    # The report

    def _reported(self, level: Level | None) -> AuditReport:
        guard = self._trust.guard
        if guard is not None and guard.data is None:
            self._find(Level.HISTORY, Verdict.UNDECIDED, guard.name, "the tip guard is not there")
        asked = self._asked(level)
        if Level.HISTORY in asked and self._complete and not self._compared and guard is None:
            self._find(Level.HISTORY, Verdict.UNDECIDED, "the history", "there is no earlier note to compare it with")
        findings = tuple(found for found in self._findings if found.level in asked or found.verdict is Verdict.FAILED)
        wrong = {found.level for found in findings}
        means = {Level.TREE, Level.SIGNATURE, *({Level.FORM} if self._read else ())}
        means |= {Level.HISTORY} if self._compared else set()
        means |= {Level.OUTSIDE} if self._holding.quorum else set()
        if not self._signed_by:
            means.discard(Level.SIGNATURE)
        if Level.HISTORY not in means:
            self._limits.append(
                "no earlier note was compared: a log that was cut or rewritten with its key looks the same"
            )
        return AuditReport(
            origin=self._origin,
            size=self._builder.size,
            root=self._builder.root() if self._complete else None,
            signed_by=self._signed_by,
            asked=asked,
            holding=frozenset(means - wrong) if self._complete else frozenset(),
            findings=findings,
            remarks=tuple(self._remarks),
            limits=tuple(self._limits),
            first=self._first,
            held=self._holding.size,
            held_by=tuple(sorted(self._holding.names)),
            unheld_since=self._unheld_since() if self._complete else None,
            note=self._note,
        )

    def _asked(self, level: Level | None) -> frozenset[Level]:
        lowest = {Level.FORM} if self._read else set[Level]()
        if level is not None:
            return frozenset(lowest | {each for each in Level if Level.TREE <= each <= min(level, Level.OUTSIDE)})
        asked = lowest | {Level.TREE, Level.SIGNATURE}
        asked |= {Level.HISTORY} if self._compared or self._trust.held or self._trust.guard is not None else set()
        return frozenset(asked | ({Level.OUTSIDE} if self._trust.asks_for_quorum else set()))

    def _unheld_since(self) -> str | None:
        if self._read is None or not self._first <= self._holding.size < self._builder.size:
            return None
        rows = next(self._source.leaves(self._holding.size, self._builder.size), ())
        try:
            row = next(iter(rows), None)
            return None if row is None or row[2] is None else self._read(row[2], row[5] or b"").recorded_at.decode()
        except LedgerError:
            return None

    def _find(self, level: Level, verdict: Verdict, where: str, what: str) -> None:
        # What cannot be checked is told once, not for each of a million checkpoints.
        if verdict is Verdict.UNDECIDED and any((level, what) == (each.level, each.what) for each in self._findings):
            return
        self._findings.append(Finding(level, verdict, where, what))

    def _stop(self, level: Level, where: str, what: str) -> None:
        self._find(level, Verdict.FAILED, where, what)
        raise _StopError(what)

    def _stop_at(self, fault: RowFault | None) -> None:
        if fault is not None:
            self._stop(Level.FORM, f"event {fault.index}", fault.what)


def _silent(_done: int, _total: int) -> None:
    """Tell nobody."""
