"""Folding afresh: every event of the record once more, past every stored view (PRODUCT, ``replay``)."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from ledger.domain.releases import NodeReleases
from projections.read import StoredEvent, read_events
from projections.versions import fold

_RELEASES = "emqx.release."


class Folded(NamedTuple):
    """A node after one event; *before* is None for its registration."""

    stored: StoredEvent
    before: NodeReleases | None
    node: NodeReleases


def refold(ledger: sqlite3.Connection, *, stop: int | None = None, stream: str | None = None) -> Iterator[Folded]:
    """Yield each node after each of its events, up to but without number *stop*; of one *stream* where it is named.

    Raises: EntryError for an event that is missing or does not read; as ``fold``.
    """
    nodes: dict[str, NodeReleases] = {}
    for stored in read_events(ledger, stop=stop, stream=stream):
        if stored.topic.startswith(_RELEASES):
            before = nodes.get(stored.stream)
            nodes[stored.stream] = fold(before, stored)
            yield Folded(stored, before, nodes[stored.stream])


def node_now(ledger: sqlite3.Connection, stream: str, *, stop: int | None = None) -> NodeReleases:
    """Return the node of *stream* after its last event below number *stop*; it has one.

    Raises: as ``refold``.
    """
    node = None
    for folded in refold(ledger, stop=stop, stream=stream):
        node = folded.node
    if node is None:
        raise StreamEmptyError(stream)
    return node


class StreamEmptyError(LookupError):
    """A stream was asked for that has no event: a fault of the program."""
