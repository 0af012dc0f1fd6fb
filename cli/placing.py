"""Where events stand in the log: leaf index, leaf hash, and the signed tree that holds them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from projections.read import StoredEvent


class Place(NamedTuple):
    """The tree that an answer rests on: *root* is None where it cannot be told."""

    size: int
    root: str | None


def place_lines(events: Sequence[StoredEvent], place: Place) -> Iterator[str]:
    """Yield the place of *events*, for people."""
    yield f"  place   in the tree of {place.size} events{f', root {place.root}' if place.root else ''}"
    for event in events:
        yield f"    leaf {event.number}: {event.leaf_hash.hex()}"


def place_record(event: StoredEvent, place: Place) -> Mapping[str, Any]:
    """Return the place of *event*, for machines."""
    record: dict[str, Any] = {
        "leaf_index": event.number,
        "leaf_sha256": event.leaf_hash.hex(),
        "tree_size": place.size,
    }
    return record if place.root is None else record | {"root": place.root}
