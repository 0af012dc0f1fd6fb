"""A record in memory: events in their order, folded by the real fold."""

from collections.abc import Sequence

from ledger.application.release_ledger import StreamConflictError, UnknownStreamError
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.whereabouts import Whereabouts, follow


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

    def whereabouts(self) -> Sequence[Whereabouts]:
        """Return where each installation is, in the order of their first event."""
        known: dict[str, Whereabouts] = {}
        for event in self.events:
            known[event.originator_id] = follow(known.get(event.originator_id), event)
        return tuple(known.values())
