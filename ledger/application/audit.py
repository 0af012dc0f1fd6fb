"""Whether a log is complete and unaltered: levels 0 to 4 of evidence.md 6.1.

One pass builds the tree anew and stops at the first difference (``audit_walk``); a long log may
be walked in several processes (``audit_spread``). An incremental audit begins at a note that is
trusted: it takes the tree up to there from the tiles, whose root must be that of the note, and
reads the later leaves only. Then the record is held against what others hold.

Nothing here knows an event, and nothing is written. What is trusted comes in as *trust*, never
from the source.
"""

from collections.abc import Sequence

from ledger.application.audit_form import FormCheck, ReadLeaf, clock_words, find_twin
from ledger.application.audit_receipts import Judge, Receipts, Roots
from ledger.application.audit_references import Holding, Reference, open_references
from ledger.application.audit_report import INTEGRITY_IS_NOT_TRUTH, AuditReport, Level, Verdict
from ledger.application.audit_source import HeldNote, LogSource, PartMissingError, PartWrongError
from ledger.application.audit_spread import Joined, Spread, walk_spread
from ledger.application.audit_trust import Trust
from ledger.application.audit_walk import (
    Findings,
    Progress,
    Route,
    Signed,
    SourceTiles,
    StopError,
    Walk,
    stop_at,
    stored_notes,
    unsigned,
)
from ledger.dataclass import dataclass
from ledger.errors import LedgerError
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.tree_builder import TreeBuilder


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one audit is asked for.

    *level* is the highest level, None for all that the trust gives the means for; *since* the
    note where an incremental audit begins, *last* that it is the one that is remembered of the log; *spread* what
    walks a long log in several processes.
    """

    level: Level | None = None
    since: HeldNote | None = None
    last: bool = False
    progress: Progress | None = None
    spread: Spread | None = None


def audit(source: LogSource, *, trust: Trust, read: ReadLeaf | None = None, asked: Asked | None = None) -> AuditReport:
    """Return what the audit of *source* comes to.

    *read* knows the form of leaves, and is None for a log of other software.
    """
    return _Audit(source, trust=trust, read=read, asked=asked or Asked()).report()


class _Audit:
    def __init__(self, source: LogSource, *, trust: Trust, read: ReadLeaf | None, asked: Asked) -> None:
        self._source, self._trust, self._read, self._asked = source, trust, read, asked
        self._findings = Findings()
        self._remarks: list[str] = []
        self._limits: list[str] = [INTEGRITY_IS_NOT_TRUTH, *source.nature.limits]
        self._holding = Holding(trust)
        self._origin: str | None = None
        self._newest = Signed()
        self._first = self._size = 0
        self._root: bytes | None = None  # stays so where the pass did not come to its end
        self._types: frozenset[bytes] = frozenset()
        self._compared = False
        self._outrun = False  # by an earlier note that is newer than this copy

    def report(self) -> AuditReport:
        """Run the audit."""
        references, findings, remarks = open_references(self._trust, anchors=(), since=self._asked.since)
        self._findings.all += findings
        self._remarks += remarks
        try:
            self._pass(references)
        except StopError:
            pass
        except PartMissingError as exc:
            self._findings.find(Level.TREE, Verdict.UNDECIDED, exc.place, exc.fault)
        except PartWrongError as exc:
            self._findings.find(Level.TREE, Verdict.FAILED, exc.place, exc.fault)
        self._compare_ends(references)
        self._read_receipts()
        self._check_quorum()
        self._check_history()
        return self._reported()

    # The pass

    def _pass(self, references: tuple[Reference, ...]) -> None:
        builder = self._begin(references)
        self._first = builder.size
        size = self._stored_size()
        if self._first > size:
            where = f"checkpoint {self._first}"
            raise self._findings.stop(Level.HISTORY, where, f"the record ends at {size}: events are lost")
        joined = self._spread(references, size)
        if joined is not None:
            self._take_joined(joined, size)
        else:
            self._walk(references, builder, size)

    def _begin(self, references: Sequence[Reference]) -> TreeBuilder:
        """Return the tree where the pass begins: empty, or that of the note from which on is asked."""
        since = self._asked.since
        begun = next((found for found in references if since is not None and found.name == since.name), None)
        if begun is None or begun.checkpoint.size == 0:
            return TreeBuilder()
        first, stored = begun.checkpoint.size, self._source.size()
        copied = next(stored_notes(self._source, 0, self._findings), None) if stored is None else None
        if copied is not None and self._is_behind(begun, copied[0]):
            self._ask_for_newer(begun, copied[0])
            raise StopError(begun.name)
        self._first = first
        self._limits.append(f"the events before {first} were not read again; {begun.name} vouches for them")
        if stored is not None and stored < first:
            what = f"it holds size {first}, the record ends at {stored}"
            raise self._findings.stop(Level.HISTORY, begun.name, what)
        builder = TreeBuilder.resume(first, reader=SourceTiles(self._source))
        if builder.root() != begun.checkpoint.root:
            what = f"the record has another history up to size {first}"
            raise self._findings.stop(Level.HISTORY, begun.name, what)
        return builder

    def _stored_size(self) -> int:
        leaves = self._source.size()
        head = next(stored_notes(self._source, self._first, self._findings), None)
        if head is None:
            self._findings.find(Level.SIGNATURE, Verdict.UNDECIDED, "the record", "it holds no checkpoint")
            return leaves or 0
        size, note = head
        self._origin = unsigned(note, f"checkpoint {size}", self._findings).origin
        return size if leaves is None else leaves

    def _spread(self, references: tuple[Reference, ...], size: int) -> Joined | None:
        spread, read, origin = self._asked.spread, self._read, self._origin
        if spread is None or read is None or origin is None or self._first or not size:
            return None
        if next(self._source.surplus(size), None) is not None:
            return None
        route = self._route(references)
        return walk_spread(spread, route, size=size, origin=origin)

    def _route(self, references: tuple[Reference, ...]) -> Route:
        return Route(
            source=self._source,
            trust=self._trust,
            read=self._read,
            references=references,
            progress=self._asked.progress or _silent,
        )

    def _take_joined(self, joined: Joined, size: int) -> None:
        self._size, self._root, self._newest, self._types = size, joined.root, joined.newest, joined.types
        for held in joined.held:
            self._holding.join(held)
        self._remarks += clock_words(joined.clocks)

    def _walk(self, references: tuple[Reference, ...], builder: TreeBuilder, size: int) -> None:
        versions = self._source.versions_before(self._first) if self._first else {}
        walk = Walk(self._route(references), self._findings, builder=builder, size=size, origin=self._origin)
        try:
            form = walk.run(versions)
            self._types = frozenset(form.types)
            self._end(walk, form, size)
        finally:
            self._size, self._newest = walk.builder.size, walk.newest
            self._holding.join(walk.holding.found)
        self._root = walk.builder.root()

    def _end(self, walk: Walk, form: FormCheck, size: int) -> None:
        walk.compare_edge()
        stop, beyond, last = self._findings.stop, walk.next_checkpoint, walk.newest.checkpoint
        if beyond is not None:
            raise stop(Level.TREE, f"event {size}", f"it is missing, though checkpoint {beyond} covers it")
        if last is not None and last.size != size:
            what = f"it and all later ones, up to {size - 1}, are in no checkpoint"
            raise stop(Level.TREE, f"event {last.size}", what)
        if self._read is not None and form.suspects():
            stop_at(find_twin(self._source.leaves(self._first, size), self._read), self._findings)
        for words in self._source.surplus(size):
            raise stop(Level.FORM, "the record", words)
        self._tell(form)

    def _tell(self, form: FormCheck) -> None:
        self._remarks += clock_words(form.clocks)
        if form.unread is not None:
            self._findings.find(Level.FORM, Verdict.UNDECIDED, f"event {form.unread.index}", form.unread.what)
        if form.absent is not None and self._source.nature.entries:
            self._findings.find(Level.FORM, Verdict.UNDECIDED, f"event {form.absent}", "its bytes are not there")
        elif form.absent is not None:
            self._limits.append("the record holds hashes only: the bytes of its entries were not checked")

    # What others hold

    def _compare_ends(self, references: Sequence[Reference]) -> None:
        for found in references:
            what = self._difference(found)
            if what is not None:
                self._findings.find(found.level, Verdict.FAILED, found.name, what)
            elif self._root is not None and self._is_behind(found, self._size):
                self._ask_for_newer(found, self._size)
            elif self._root is not None:
                self._compared = self._compared or found.level is Level.HISTORY
                self._agree(found)

    def _read_receipts(self) -> None:
        # Of a tree that was not built to its end nobody is counted as a holder.
        holding = self._holding if self._root is not None else Holding(self._trust)
        receipts = Receipts(self._trust, holding)
        receipts.read(self._source, self._judge())
        self._findings.all += receipts.findings()
        self._remarks += receipts.remarks()

    def _judge(self) -> Judge:
        """Return what holds a receipt against the tree, as far as that is known."""
        roots = None if self._root is None else Roots(self._source, first=self._first, size=self._size)

        def judge(found: Reference) -> str | None:
            what, at = self._difference(found), found.checkpoint.size
            if what is not None or roots is None or roots.at(at) == found.checkpoint.root:
                return what
            return f"it holds another history up to size {at}"

        return judge

    def _difference(self, found: Reference) -> str | None:
        at, size = found.checkpoint.size, self._size
        if self._origin is not None and found.checkpoint.origin != self._origin:
            return f"it is of another log, {found.checkpoint.origin}"
        if self._root is None:
            return None
        if at > size and not self._is_behind(found, size):
            lost = f"event {size} is" if at == size + 1 else f"events {size} to {at - 1} are"
            return f"it holds size {at}, the record ends at {size}: {lost} lost"
        if found.level is Level.HISTORY and at < self._first and self._root_before(at) != found.checkpoint.root:
            return f"it holds another history up to size {at}"
        return None

    def _is_behind(self, found: Reference, size: int) -> bool:
        """Tell whether *found* is newer than this record of *size*, which is a copy: then nothing need be lost."""
        return not self._source.nature.commits and found.level is Level.HISTORY and found.checkpoint.size > size

    def _ask_for_newer(self, found: Reference, size: int) -> None:
        what = f"this {self._source.nature.name} ends at {size}, and size {found.checkpoint.size} was seen before"
        self._outrun = True
        self._findings.find(Level.HISTORY, Verdict.UNDECIDED, found.name, f"{what}: ask for a newer one")

    def _root_before(self, size: int) -> bytes:
        return TiledTree(self._first, reader=SourceTiles(self._source)).root(size)

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
        elif behind and self._source.nature.shared:
            self._remarks.append(f"{found.name} is {behind} commits behind, all of them by hosts of the policy")
        elif behind:
            what = f"it holds size {found.checkpoint.size}, and {behind} commits were written past it"
            self._findings.find(Level.HISTORY, Verdict.UNDECIDED, found.name, what)

    def _check_quorum(self) -> None:
        level = self._asked.level
        wanted = self._trust.asks_for_quorum or (level is not None and level >= Level.OUTSIDE)
        if wanted and self._root is not None and not self._holding.quorum:
            what = "no checkpoint is cosigned by enough witnesses"
            self._findings.find(Level.OUTSIDE, Verdict.UNDECIDED, "the quorum", what)

    def _check_history(self) -> None:
        guard = self._trust.guard
        if guard is not None and guard.data is None:
            self._findings.find(Level.HISTORY, Verdict.UNDECIDED, guard.name, guard.lacking)
        elif guard is None and Level.HISTORY in self._levels() and self._is_uncompared():
            what = "there is no earlier note to compare it with"
            self._findings.find(Level.HISTORY, Verdict.UNDECIDED, "the history", what)

    def _is_uncompared(self) -> bool:
        return self._root is not None and not self._compared and not self._outrun

    # The report

    def _reported(self) -> AuditReport:
        asked, complete = self._levels(), self._root is not None
        findings = tuple(
            found for found in self._findings.all if found.level in asked or found.verdict is Verdict.FAILED
        )
        shown = self._shown() - {found.level for found in findings} - ({Level.HISTORY} if self._outrun else set())
        self._limits += [str(found) for found in self._findings.all if self._outrun and found not in findings]
        return AuditReport(
            origin=self._origin,
            size=self._size,
            root=self._root,
            signed_by=self._newest.by,
            asked=asked,
            holding=shown if complete else frozenset(),
            findings=findings,
            remarks=(*self._remarks, *self._holding.remarks()),
            limits=tuple(self._limits),
            first=self._first,
            types=self._types,
            held=self._holding.size,
            held_by=tuple(sorted(self._holding.names)),
            unheld_since=self._unheld_since() if complete else None,
            note=self._newest.note,
            native=self._source.nature.native,
        )

    def _shown(self) -> frozenset[Level]:
        """Return the levels for which there were means, and say what the lack of them leaves open."""
        levels = {Level.TREE} | ({Level.FORM} if self._read else set())
        levels |= {Level.SIGNATURE} if self._newest.by else set()
        levels |= {Level.OUTSIDE} if self._holding.quorum else set()
        if self._compared:
            return frozenset(levels | {Level.HISTORY})
        if not self._outrun:
            words = "no earlier note was compared: a log that was cut or rewritten with its key looks the same"
            self._limits.append(words)
        return frozenset(levels)

    def _levels(self) -> frozenset[Level]:
        """Return the levels that are required."""
        lowest, level = {Level.FORM} if self._read else set[Level](), self._asked.level
        if level is not None:
            return frozenset(lowest | {each for each in Level if Level.TREE <= each <= min(level, Level.OUTSIDE)})
        asked = lowest | {Level.TREE, Level.SIGNATURE}
        means = self._compared or self._trust.held or self._trust.guard is not None or self._asked.since is not None
        asked |= {Level.HISTORY} if means else set()
        return frozenset(asked | ({Level.OUTSIDE} if self._trust.asks_for_quorum else set()))

    def _unheld_since(self) -> str | None:
        if self._read is None or not self._first <= self._holding.size < self._size:
            return None
        rows = next(self._source.leaves(self._holding.size, self._size), ())
        try:
            row = next(iter(rows), None)
            return None if row is None or row[2] is None else self._read(row[2], row[5] or b"").recorded_at.decode()
        except LedgerError:
            return None


def _silent(_done: int, _total: int) -> None:
    """Tell nobody."""
