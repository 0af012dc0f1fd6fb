"""Registration: an installation comes under the ledger with what node and disk say now.

The baseline is a claim: what was done before is not known (PRODUCT section 4). Whether an
installation is live or a rehearsal is fixed here (RULINGS 2). Registering twice changes nothing; one that was
unregistered begins anew in its stream. Hosts that share a ledger have the same roots, so a root is
taken on its own host only; a name is taken for all of them.
"""

from collections.abc import Callable

from ledger.application.ports import InstallationLock, ReleaseHandler, ReleaseRecord
from ledger.dataclass import dataclass
from ledger.domain.decisions import decide_register
from ledger.domain.outcomes import By
from ledger.domain.records import Context, Driver, InstallationFacts, Kind
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.whereabouts import Whereabouts
from ledger.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is to be registered: the stream, the root, and what is known of the installation.

    *host* is the id of this host where others share the ledger, else None.
    """

    stream: str
    root: str
    facts: InstallationFacts
    host: str | None = None


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A registered installation; *event* is None where it was registered before."""

    node: NodeReleases
    event: int | None


class RootTakenError(UsageError):
    """The root is registered already, as another node: each would see what the other does as drift."""

    def __init__(self, root: str, node: Whereabouts, *, shared: bool = False) -> None:
        leave = "`release-ledger unregister` lets it leave the ledger first"
        cloned = "; a host that was cloned needs an /etc/machine-id of its own" if shared else ""
        super().__init__(
            f"{root} is registered already",
            fact=f"it is {node.node}, {node.kind}, in this ledger",
            hint=f"use it with `--node {node.node}`; {leave}{cloned}",
        )
        self.root, self.node = root, node.node


class NodeElsewhereError(UsageError):
    """An installation was registered by another host, and what this one has at its root is not it."""

    def __init__(self, node: Whereabouts | NodeReleases) -> None:
        super().__init__(
            f"{node.node} is on another host",
            fact=f"the host {node.host[:8]} registered it, at {node.root}; a host is told by its /etc/machine-id",
            hint=f"another installation needs a name of its own, --node NAME@HOST; where this host took the place of "
            f"that one: `release-ledger register --continues {node.node}`",
        )
        self.node = node.node


def register(
    claim: Claim,
    *,
    record: ReleaseRecord,
    handler: ReleaseHandler,
    lock: InstallationLock,
    contexts: Callable[[str | None], Context],
) -> Registration:
    """Register an installation, once.

    Raises: RootTakenError, NodeElsewhereError; LockedError; NodeDownError;
    OpenAttemptError where nothing tells what boots.
    """
    rehearsal = handler.driver is Driver.EMBEDDED
    kind = Kind.REHEARSAL if rehearsal else Kind.LIVE
    former = None
    for place in record.whereabouts():
        # One that was moved keeps the stream of its first name and root.
        same = (place.kind, place.node, place.root) == (kind, contexts(None).node, claim.root)
        here = claim.host in {None, place.host}
        if place.registered and (same or place.id == claim.stream):
            if not here:
                raise NodeElsewhereError(place)
            return Registration(node=record.releases(place.id), event=None)
        if here and place.registered and (place.kind, place.root) == (kind, claim.root):
            raise RootTakenError(claim.root, place, shared=claim.host is not None)
        if place.id == claim.stream:
            former = record.releases(place.id)
    with lock.hold("register", wait=0):
        event = decide_register(
            claim.stream,
            root=claim.root,
            kind=kind,
            source="disk" if rehearsal else "node",
            facts=claim.facts,
            seen=handler.observe(),
            by=By(context=contexts(None), driver=handler.driver),
            version=1 if former is None else former.version + 1,
        )
        (index,) = record.record((event,))
    return Registration(node=evolve(None, event), event=index)
