"""Where each installation of a ledger is, and under which name: what a command must know to find the one that is meant.

It is a part of ``NodeReleases``, folded from the few events that say it, so a fleet is searched without
a fold of its whole history. ``PLACING`` names their topics, and that of an entry which carries an event of
another ledger: any of them may be in it.
"""

from ledger.dataclass import dataclass, replace
from ledger.domain.events import (
    AnyReleaseEvent,
    EventImported,
    InstallationMoved,
    InstallationRegistered,
    InstallationUnregistered,
    SpoolBegun,
)
from ledger.domain.records import Kind
from ledger.domain.releases import StreamStartError

PLACING = (
    InstallationRegistered.TOPIC,
    InstallationMoved.TOPIC,
    InstallationUnregistered.TOPIC,
    SpoolBegun.TOPIC,
    EventImported.TOPIC,
)


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Where one installation is; the fields are those of ``NodeReleases``."""

    id: str
    node: str
    root: str
    kind: Kind
    host: str
    registered: bool = True


def follow(known: Whereabouts | None, event: AnyReleaseEvent) -> Whereabouts:
    """Return where the installation is after *event*.

    Raises: StreamStartError for a stream without its registration.
    """
    context = event.context
    if isinstance(event, InstallationRegistered) or (known is None and isinstance(event, SpoolBegun)):
        name = context.node or event.originator_id
        host = context.source.host_id
        return Whereabouts(id=event.originator_id, node=name, root=event.root, kind=Kind(event.kind), host=host)
    if known is None:
        raise StreamStartError(event.originator_id)
    if isinstance(event, InstallationMoved):
        return replace(known, node=context.node or known.node, root=event.root, host=context.source.host_id)
    if isinstance(event, InstallationUnregistered):
        return replace(known, registered=False)
    return known
