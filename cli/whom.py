"""Which installation of a ledger is meant: the only one, or the one that is named.

A name is that of a node; where a live node and its rehearsal share one, it is that of the stream.
Where many nodes may be meant, it is a pattern too (``emqx@10.0.*``), or several, with commas between.
"""

from collections.abc import Sequence
from typing import TypeVar

from ledger.errors import UsageError

_Thing = TypeVar("_Thing")
_MOST_NAMED = 10


class NodeUnknownError(UsageError):
    """No installation of the ledger is meant by a name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"node {name} is not registered in this ledger",
            fact=f"registered: {_listed(known)}",
            hint="name one of these, or register the installation: `release-ledger register --root DIR`",
        )


class NodeAmbiguousError(UsageError):
    """Several installations could be meant."""

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(
            "which node is meant is not clear",
            fact=f"registered: {_listed(known)}",
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


def matching(candidates: Sequence[tuple[str, str, _Thing]], patterns: str | None) -> tuple[_Thing, ...]:
    """Return the things whose node or stream *patterns* name; all of them for None, in their order.

    Raises: NothingRegisteredError; NodeUnknownError for a pattern that names none.
    """
    if patterns is None or not candidates:
        return those(candidates, patterns)
    from fnmatch import fnmatchcase  # noqa: PLC0415 # most commands are told no pattern

    named = {part: [c for c in candidates if any(fnmatchcase(n, part) for n in c[:2])] for part in patterns.split(",")}
    for part, found in named.items():
        if not found:
            raise NodeUnknownError(part, _names(candidates))
    streams = {stream for found in named.values() for _, stream, _ in found}
    return tuple(thing for _, stream, thing in candidates if stream in streams)


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


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
