"""The pass over a long log in several processes: ranges walked apart, and joined where they meet.

Each range begins at a tree that is read from the stored tiles and ends at one that was built
from its leaves. Where the end of each is the beginning of the next, the whole was built from the
leaves; versions, commits, clocks and identifiers are followed over the borders in the same way.

Nothing is judged here. Where anything is not as it must be, or could not be told, or a process
went away, there is no outcome, and the caller walks alone: so the words of an audit, and the
first bad event that it names, never depend on the number of processes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace  # a route holds what changes while it is walked
from typing import Protocol

from ledger.application.audit_form import Facts, FormCheck, went_back
from ledger.application.audit_ids import Identifiers
from ledger.application.audit_references import Held
from ledger.application.audit_source import LogSource
from ledger.application.audit_walk import Findings, Route, Signed, SourceTiles, Walk
from ledger.dataclass import dataclass
from ledger.errors import LedgerError
from ledger.tlog.tree_builder import TreeBuilder


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One range that was walked, and in which nothing was found."""

    start: int
    end: int
    root_before: bytes
    root: bytes
    newest: Signed
    ends_commit: bool
    first: Facts | None
    last: Facts | None
    met: dict[bytes, int]
    versions: dict[bytes, int]
    events: Identifiers
    commits: Identifiers
    clocks: list[int]
    types: set[bytes]
    held: Held


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A whole log that was walked so."""

    root: bytes
    newest: Signed
    clocks: tuple[int, ...]
    types: frozenset[bytes]
    held: tuple[Held, ...]


WalkRange = Callable[[LogSource, tuple[int, int]], Segment | None]


class Spread(Protocol):
    """Runs something over ranges of one record, in several processes; *each* is how many leaves a range has."""

    @property
    def each(self) -> int:
        """Leaves of one range."""
        ...

    def over(self, ranges: Sequence[tuple[int, int]], walk: WalkRange) -> Iterator[Segment | None]:
        """Yield what *walk* returns for each range, in their order; None where its process went away."""
        ...


def walk_spread(spread: Spread, route: Route, *, size: int, origin: str) -> Joined | None:
    """Return the outcome of *route* over the log of *size* leaves, None where one process has to tell."""

    def walk(source: LogSource, between: tuple[int, int]) -> Segment | None:
        return _walk_range(replace(route, source=source, progress=_silent), between, size=size, origin=origin)

    ranges = [(start, min(start + spread.each, size)) for start in range(0, size, spread.each)]
    join = _Join()
    for segment in spread.over(ranges, walk):
        if segment is None or not join.add(segment):
            return None
        route.progress(segment.end, size)
    return join.outcome(size)


def _walk_range(route: Route, between: tuple[int, int], *, size: int, origin: str) -> Segment | None:
    start, end = between
    findings = Findings()
    try:
        builder = TreeBuilder.resume(start, reader=SourceTiles(route.source))
        before = builder.root()
        walk = Walk(route, findings, builder=builder, size=end, origin=origin)
        form = walk.run(None if start else {}, after=start > 0)
        if end == size:
            walk.compare_edge()
    except LedgerError:
        return None
    if findings.all or form.unread or form.absent is not None:
        return None
    return _segment(walk, form, start=start, before=before)


def _segment(walk: Walk, form: FormCheck, *, start: int, before: bytes) -> Segment:
    return Segment(
        start=start,
        end=walk.builder.size,
        root_before=before,
        root=walk.builder.root(),
        newest=walk.newest,
        ends_commit=walk.ends_commit,
        first=form.begins_with,
        last=form.last,
        met=form.met,
        versions=form.versions,
        events=form.events,
        commits=form.commits,
        clocks=form.clocks,
        types=form.types,
        held=walk.holding.found,
    )


class _Join:
    """Segments put behind each other."""

    def __init__(self) -> None:
        self._last: Segment | None = None
        self._newest = Signed()
        self._versions: dict[bytes, int] = {}
        self._events, self._commits = Identifiers(), Identifiers()
        self._clocks: list[int] = []
        self._types: set[bytes] = set()
        self._held: list[Held] = []

    def add(self, segment: Segment) -> bool:
        """Put *segment* behind the others; tell whether it fits there."""
        if not (self._fits(segment) and self._streams_go_on(segment)):
            return False
        last = self._last
        if segment.first is not None and last is not None and last.ends_commit:
            self._commits.add((segment.first.commit_id,))
        self._events.join(segment.events)
        self._commits.join(segment.commits)
        self._clocks += segment.clocks
        self._types |= segment.types
        self._held.append(segment.held)
        self._newest = segment.newest if segment.newest.checkpoint is not None else self._newest
        self._last = segment
        return True

    def outcome(self, size: int) -> Joined | None:
        """Return the outcome, where all of *size* leaves was walked and no identifier may stand twice."""
        last, newest = self._last, self._newest.checkpoint
        if last is None or newest is None or not last.end == size == newest.size:
            return None
        if self._events.may_repeat() or self._commits.may_repeat():
            return None
        return Joined(
            root=last.root,
            newest=self._newest,
            clocks=tuple(self._clocks),
            types=frozenset(self._types),
            held=tuple(self._held),
        )

    def _fits(self, segment: Segment) -> bool:
        last = self._last
        if last is None:
            return segment.start == 0
        if (segment.start, segment.root_before) != (last.end, last.root) or last.last is None or segment.first is None:
            return False
        if went_back(last.last, segment.first):
            self._clocks.append(segment.start)
        # A commit ends at the border where a checkpoint stands there, and nowhere else.
        return last.ends_commit == (last.last.commit_id != segment.first.commit_id)

    def _streams_go_on(self, segment: Segment) -> bool:
        if any(version != self._versions.get(stream, 0) + 1 for stream, version in segment.met.items()):
            return False
        self._versions.update(segment.versions)
        return True


def _silent(_done: int, _total: int) -> None:
    """Tell nobody: the process that joins does."""
