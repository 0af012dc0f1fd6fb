"""What a host keeps of its installations, so that it can go on while the ledger of its fleet is out of reach.

After each commit the fold of the installation is written down beside the host's key; before it, the
fold that stands there is marked, since a command may be killed before it knows what became of
the commit. Installations of other hosts are not kept: an event with a driver was learnt here.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ledger.application.kept_nodes import Kept, KeptNodes
from ledger.domain.events import EventImported, InstallationEvent, ReleaseEvent
from ledger.domain.ledger_events import LedgerEvent
from ledger.domain.releases import NodeReleases, evolve
from ledger.errors import FailedError, LedgerError
from projections.versions import resume, suspended

if TYPE_CHECKING:
    from ledger.domain.ledger_events import AnyEvent


class NodeKeeper:
    """Keeps the installations of one host; *read* folds a stream of the ledger."""

    def __init__(self, kept: KeptNodes, *, read: Callable[[str], NodeReleases]) -> None:
        self._kept = kept
        self._read = read
        self._nodes: dict[str, NodeReleases] = {}

    def before(self, events: "Sequence[AnyEvent]") -> None:
        """Mark what the commit of *events* may change.

        Raises: WriteFailedError.
        """
        for stream in self._streams(events):
            self._kept.mark(stream, unsure=True)

    def failed(self, events: "Sequence[AnyEvent]", error: BaseException) -> None:
        """Take the marks away where *error* says that nothing of the commit was recorded."""
        if isinstance(error, LedgerError) and not isinstance(error, FailedError):
            for stream in self._streams(events):
                self._kept.mark(stream, unsure=False)

    def after(self, events: "Sequence[AnyEvent]") -> None:
        """Keep the installations as they are behind the commit of *events*; what cannot be written stays marked."""
        with suppress(LedgerError):
            for stream in self._streams(events):
                self.learn(self._folded(stream, [event for event in events if event.originator_id == stream]))

    def remember(self, node: NodeReleases) -> None:
        """Go on from *node* behind the next commit, without asking the ledger for it."""
        self._nodes[node.id] = node

    def learn(self, node: NodeReleases) -> None:
        """Keep *node* as the ledger has it.

        Raises: WriteFailedError.
        """
        self._nodes[node.id] = node
        self._kept.keep(Kept(node.id, node.version, suspended(node)))

    def _streams(self, events: "Sequence[AnyEvent]") -> tuple[str, ...]:
        """Return the streams of this host among those of *events*."""
        streams = dict.fromkeys(event.originator_id for event in events if isinstance(event, InstallationEvent))
        learnt = {event.originator_id for event in events if isinstance(event, ReleaseEvent)}
        return tuple(stream for stream in streams if stream in learnt or self._kept.find(stream) is not None)

    def _folded(self, stream: str, events: "Sequence[AnyEvent]") -> NodeReleases:
        node = self._nodes.get(stream)
        if node is None or node.version != events[0].originator_version - 1:
            return self._read(stream)
        for event in events:
            if isinstance(event, LedgerEvent | EventImported):  # the fold meets neither
                return self._read(stream)
            node = evolve(node, event)
        return node


def resumed(kept: Kept) -> NodeReleases | None:
    """Return the installation that was kept; None where another version of this program wrote it."""
    try:
        return resume(kept.fold)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
