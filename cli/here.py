"""Which installations are on this host, where many hosts share a ledger.

The roots of a fleet are the same on every host, so the node of another host would be looked at, or
changed, in the installation of this one. A host is told by its id, as events have it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cli import drivers
from cli.whom import choose

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ledger.domain.releases import NodeReleases
    from ledger.domain.whereabouts import Whereabouts
    from projections.nodes import NodeTable


def own_host(folder: Path) -> str | None:
    """Return the id of this host where others share the ledger in *folder*, else None."""
    shared = os.path.isfile(folder / "address")  # noqa: PTH113 # unlike pathlib, it says no where it may not look
    return drivers.host_id() if shared else None


def choose_here(nodes: "Sequence[Whereabouts]", name: str | None, *, folder: Path) -> "Whereabouts":
    """Return the one installation of this host that *name* means, the only one for None.

    Raises: NodeElsewhereError; as ``choose``.
    """
    host = own_host(folder)
    mine = [node for node in nodes if host in {None, node.host} and name in {None, node.node, node.id}]
    node = choose([(node.node, node.id, node) for node in mine or nodes], name)
    refuse_elsewhere(node, host)
    return node


def only_own(nodes: "tuple[NodeTable, ...]", ledger: "sqlite3.Connection", *, folder: Path) -> "tuple[NodeTable, ...]":
    """Return those of *nodes* that are on this host where others share the ledger; all of them where none is."""
    host = own_host(folder)
    if host is None:
        return nodes
    from projections.whereabouts import whereabouts  # noqa: PLC0415 # only a shared ledger pays for it

    own = {place.id for place in whereabouts(ledger) if place.host == host}
    return tuple(node for node in nodes if node.stream in own) or nodes


def refuse_elsewhere(node: "Whereabouts | NodeReleases", host: str | None) -> None:
    """Refuse to touch what is on another host than *host*, which is None where there is no other.

    Raises: NodeElsewhereError.
    """
    if host not in {None, node.host}:
        from ledger.application.registration import NodeElsewhereError  # noqa: PLC0415 # only a refusal pays for it

        raise NodeElsewhereError(node)
