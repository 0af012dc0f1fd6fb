"""Copies of cosigned notes in a record, held against its tree one after the other.

A ledger may have one for every commit and holder. So they are read as a stream once the tree is
known, and nothing of them is kept but the newest size that counts; of many with the same fault
the first are named and the others counted. The root at the size of a receipt is that of the
checkpoint which the pass has met there, or comes from the tiles.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from ledger.application.audit_references import Holding, Reference, open_receipt
from ledger.application.audit_report import Finding, Level, Verdict
from ledger.application.audit_source import HeldNote, LogSource, PartMissingError, PartWrongError
from ledger.application.audit_trust import Trust, read_unsigned
from ledger.application.audit_walk import SourceTiles
from ledger.tlog.tiled_tree import TiledTree

_NAMED = 3
_TREE_SERVES = 1024

Judge = Callable[[Reference], str | None]
"""Says what is wrong with the note of a reference, None where nothing is."""


class Receipts:
    """What is found while the receipts of one record go by."""

    def __init__(self, trust: Trust, holding: Holding) -> None:
        self._trust, self._holding = trust, holding
        self._findings: list[Finding] = []
        self._remarks: list[str] = []
        self._seen: Counter[str] = Counter()
        self._failed = 0

    def read(self, source: LogSource, judge: Judge) -> None:
        """Read all receipts of *source*; those with which nothing is wrong count for their witnesses."""
        try:
            for note in source.anchors():
                self._take(note, judge)
        except PartMissingError as exc:
            self._findings.append(Finding(Level.OUTSIDE, Verdict.UNDECIDED, exc.place, exc.fault))
        except PartWrongError as exc:
            self._findings.append(Finding(Level.OUTSIDE, Verdict.FAILED, exc.place, exc.fault))

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong."""
        yield from self._findings
        if self._failed > _NAMED:
            what = f"{self._failed - _NAMED} more of them are wrong, too"
            yield Finding(Level.OUTSIDE, Verdict.FAILED, "the receipts of others", what)

    def remarks(self) -> Iterator[str]:
        """Yield why some of them count for nothing."""
        yield from self._remarks
        for why, number in self._seen.items():
            if number > _NAMED:
                yield f"{number - _NAMED} more receipts of others count for nothing: {why}"

    def _take(self, note: HeldNote, judge: Judge) -> None:
        found = open_receipt(self._trust, note)
        if isinstance(found, Reference):
            what = judge(found)
            if what is None and found.opened is not None:
                self._holding.add(found.opened, found.name)
            elif what is not None:
                self._fail(Finding(Level.OUTSIDE, Verdict.FAILED, found.name, what))
        elif isinstance(found, Finding):
            self._fail(found)
        else:
            why = found.rpartition("; ")[2]
            self._seen[why] += 1
            if self._seen[why] <= _NAMED:
                self._remarks.append(f"{note.name} {found}")

    def _fail(self, finding: Finding) -> None:
        if finding.verdict is Verdict.UNDECIDED:
            if not any((finding.verdict, finding.what) == (each.verdict, each.what) for each in self._findings):
                self._findings.append(finding)
            return
        self._failed += 1
        if self._failed <= _NAMED:
            self._findings.append(finding)


class Roots:
    """The roots of a tree of *size* that a pass has built from leaf *first* on."""

    def __init__(self, source: LogSource, *, first: int, size: int) -> None:
        self._source, self._size = source, size
        self._met = source.checkpoints(max(first - 1, 0)) if source.nature.commits else iter(())
        self._head = next(self._met, None)
        self._served = 0
        self._tree = self._fresh()

    def at(self, size: int) -> bytes:
        """Return the root at *size*; those of rising sizes cost next to nothing where checkpoints have them.

        Raises: PartMissingError, PartWrongError.
        """
        while self._head is not None and (self._head[0] or 0) < size:
            self._head = next(self._met, None)
        if self._head is not None and self._head[0] == size:
            return read_unsigned(self._head[1]).root
        # What a tree has read it keeps, so none is asked for ever.
        self._served += 1
        if not self._served % _TREE_SERVES:
            self._tree = self._fresh()
        return self._tree.root(size)

    def _fresh(self) -> TiledTree:
        return TiledTree(self._size, reader=SourceTiles(self._source))
