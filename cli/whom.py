"""Which installation of a ledger is meant: the only one, or the one that is named.

A name is that of a node; where a live node and its rehearsal share one, it is that of the stream.
"""

from collections.abc import Sequence
from typing import TypeVar

from ledger.errors import UsageError

_Thing = TypeVar("_Thing")


class NodeUnknownError(UsageError):
    """No installation of the ledger is meant by a name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"node {name} is not registered in this ledger",
            fact=f"registered: {', '.join(known)}",
            hint="name one of these, or register the installation: `release-ledger register --root DIR`",
        )


class NodeAmbiguousError(UsageError):
    """Several installations could be meant."""

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(
            "which node is meant is not clear",
            fact=f"registered: {', '.join(known)}",
            hint="name one of these with --node",
        )


class NothingRegisteredError(UsageError):
    """The ledger has no installation, or had none then."""

    def __init__(self) -> None:
        super().__init__(
            "no installation is registered in this ledger",
            fact="it has no event of an installation up to that moment",
            hint="register one: `release-ledger init --root DIR`",
        )


def those(candidates: Sequence[tuple[str, str, _Thing]], name: str | None) -> tuple[_Thing, ...]:
    """Return the things, each given with its node and stream, that *name* means; all of them for None.

    Raises: NothingRegisteredError, NodeUnknownError.
    """
    if not candidates:
        raise NothingRegisteredError
    found = tuple(thing for node, stream, thing in candidates if name is None or name in {node, stream})
    if not found:
        raise NodeUnknownError(name or "", _names(candidates))
    return found


def choose(candidates: Sequence[tuple[str, str, _Thing]], name: str | None) -> _Thing:
    """Return the one thing that *name* means.

    Raises: as ``those``; NodeAmbiguousError.
    """
    found = those(candidates, name)
    if len(found) > 1:
        raise NodeAmbiguousError(_names([c for c in candidates if c[2] in found]))
    return found[0]


def _names(candidates: Sequence[tuple[str, str, _Thing]]) -> tuple[str, ...]:
    nodes = [node for node, _, _ in candidates]
    return tuple(stream if nodes.count(node) > 1 else node for node, stream, _ in candidates)
