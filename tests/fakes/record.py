"""A record in memory: events in their order, folded by the real fold."""

from collections.abc import Iterator, Sequence

from ledger.application.release_ledger import StreamConflictError, UnknownStreamError
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.releases import NodeReleases, evolve


class MemoryRecord:
    """Implements ``ReleaseRecord``; *commits* holds what was recorded together."""

    def __init__(self) -> None:
        self.commits: list[tuple[AnyReleaseEvent, ...]] = []

    @property
    def events(self) -> tuple[AnyReleaseEvent, ...]:
        """Every event in the order of the log."""
        return tuple(event for commit in self.commits for event in commit)

    def record(self, events: Sequence[AnyReleaseEvent]) -> tuple[int, ...]:
        """Append *events* in one commit and return their leaf indexes, from 0."""
        if not events:
            return ()
        first = len(self.events)
        taken = [(event.originator_id, event.originator_version) for event in (*self.events, *events)]
        if len(set(taken)) != len(taken):
            raise StreamConflictError(sorted({event.originator_id for event in events}))
        self.commits.append(tuple(events))
        return tuple(range(first, first + len(events)))

    def verify_tail(self) -> None:
        """Accept it: nothing is signed here."""

    def releases(self, stream: str) -> NodeReleases:
        """Return the fold of a stream."""
        node: NodeReleases | None = None
        for event in self.events:
            if event.originator_id == stream:
                node = evolve(node, event)
        if node is None:
            raise UnknownStreamError(stream)
        return node

    def streams(self) -> Iterator[str]:
        """Return the streams in the order of their first event."""
        return iter(dict.fromkeys(event.originator_id for event in self.events))
