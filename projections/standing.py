"""Where each node of a fleet stands: its table, when it was last seen, and whether it was left behind.

A node is *behind* where it runs a lower release than it could: lower than the highest one that
is permanent on a node of the same kind and edition in its own patch line, or than a release
that is named, where that is of its patch line. Other lines are no matter of a hot upgrade. A
release that is no version is neither ahead nor behind.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from projections.nodes import NodeTable, Sight

if TYPE_CHECKING:
    from ledger.domain.version import Vsn

# Kind, edition and patch line: what is compared.
_Peers = tuple[str, str | None, tuple[int, int]]


class Standing(NamedTuple):
    """One node: *behind* is the release that it does not run yet, None where it is up to date."""

    table: NodeTable
    sight: Sight
    behind: str | None


def standings(
    nodes: Sequence[NodeTable], sights: Sequence[Sight], *, target: str | None = None
) -> tuple[Standing, ...]:
    """Return where *nodes*, all of a ledger, stand; *target* is the release to compare with, else their peers' highest.

    Raises: VsnError for a target that is no version.
    """
    seen = {sight.stream: sight for sight in sights}
    behind = _behind_peers(nodes) if target is None else _behind_target(nodes, target)
    return tuple(Standing(node, seen[node.stream], behind.get(node.stream)) for node in nodes)


def _behind_peers(nodes: Sequence[NodeTable]) -> Mapping[str, str]:
    versions = _versions_of([text for node in nodes for text in (node.running, node.permanent)])
    highest: dict[_Peers, Vsn] = {}
    for node in nodes:
        permanent = versions.get(node.permanent)
        if permanent is not None:
            peers = (node.kind, node.facts.edition, permanent.line)
            highest[peers] = max(permanent, highest.get(peers, permanent))
    behind = {}
    for node in nodes:
        running = versions.get(node.running)
        best = None if running is None else highest.get((node.kind, node.facts.edition, running.line))
        if running is not None and best is not None and running < best:
            behind[node.stream] = str(best)
    return behind


def _behind_target(nodes: Sequence[NodeTable], target: str) -> Mapping[str, str]:
    from ledger.domain.version import Vsn  # noqa: PLC0415 # as in _versions_of

    wanted = Vsn.parse(target)
    versions = _versions_of([node.running for node in nodes])
    lower = {text for text, vsn in versions.items() if vsn.line == wanted.line and vsn < wanted}
    return {node.stream: target for node in nodes if node.running in lower}


def _versions_of(texts: Sequence[str | None]) -> "Mapping[str | None, Vsn]":
    """Return the versions among *texts*: a fleet has many nodes and few versions."""
    from ledger.domain.version import Vsn  # noqa: PLC0415 # a read that compares no versions does not pay for it

    return {text: vsn for text in set(texts) if (vsn := Vsn.known(text)) is not None}
