"""Logs that hold events of other logs: what a receiving ledger looks like after an import, as its leaves."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ledger.domain.events import EventImported
from ledger.domain.imported import carried
from ledger.domain.ledger_events import LEDGER_STREAM, LedgerEventImported, LedgerImported
from ledger.domain.records import Actor, Context, Source
from projections.unwrap import WRAPPERS
from tests.projections.histories import Leaf, Move, World, played

ORIGIN, OTHER = "example.com/a", "example.com/c"
_CONTEXT = Context(actor=Actor(id="os:9"), source=Source(host_id="0" * 64, tool="release-ledger/test"))


def elsewhere(leaves: Sequence[Leaf], *, names: str = "cd", salt: str = "0194") -> tuple[Leaf, ...]:
    """Return the same log of another host: its nodes have these letters, and its ids another start."""
    changes = ((b"emqx@a", f"emqx@{names[0]}"), (b"emqx@b", f"emqx@{names[1]}"), (b'"0193', f'"{salt}'))
    found = []
    for leaf in leaves:
        state, stream = leaf.state, leaf.stream
        for old, new in changes:
            state = state.replace(old, new.encode())
            stream = stream.replace(old.decode(), new)
        found.append(leaf._replace(stream=stream, state=state))
    return tuple(found)


def import_of(
    leaves: Sequence[Leaf], *, version: int, origin: str = ORIGIN, first: int = 0
) -> Iterator[LedgerImported | LedgerEventImported | EventImported]:
    """Yield the events by which *leaves* come in, the first of which is number *first* of *origin*."""
    context = replace(_CONTEXT, reason="two hosts, one ledger")
    yield LedgerImported(
        originator_version=version,
        context=context,
        origin=origin,
        vkeys=("key",),
        form="import",
        first=first,
        tree_size=first + len(leaves),
        root_sha256="0" * 64,
        checkpoint=("note",),
        disclosed=0,
    )
    for number, leaf in enumerate(leaves, first):
        if leaf.stream == LEDGER_STREAM:
            version += 1
            yield LedgerEventImported(
                originator_id=leaf.stream,
                originator_version=version,
                context=context,
                origin=origin,
                index=number,
                **carried(leaf.state),
            )
            continue
        yield EventImported(
            originator_id=leaf.stream,
            originator_version=leaf.version,
            context=replace(context, node=json.loads(leaf.state).get("node")),
            origin=origin,
            index=number,
            **carried(leaf.state),
        )


def take(world: World, leaves: Sequence[Leaf], *, origin: str = ORIGIN, first: int = 0) -> None:
    """Let *world* import *leaves*, the first of which is number *first* of *origin*."""
    for event in import_of(leaves, version=len(world.leaves) + 1, origin=origin, first=first):
        world.append(event)


def own(leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
    """Return *leaves* without those that carry others."""
    return tuple(leaf for leaf in leaves if leaf.topic not in WRAPPERS)


def received(before: Sequence[Move], after: Sequence[Move], *runs: tuple[str, Sequence[Leaf], int]) -> tuple[Leaf, ...]:
    """Return the log of a ledger that recorded some moves, imported *runs* (origin, leaves, first), and went on."""
    world = World()
    for move in before:
        world.play(move)
    for origin, leaves, first in runs:
        take(world, leaves, origin=origin, first=first)
    for move in after:
        world.play(move)
    return tuple(world.leaves)


def unwrapped(leaves: Sequence[Leaf]) -> list[dict[str, Any]]:
    """Return what the leaves say, and what those say that are carried."""
    found = []
    for leaf in leaves:
        envelope = json.loads(leaf.state)
        found.append(json.loads("".join(envelope["data"]["leaf"])) if leaf.topic in WRAPPERS else envelope)
    return found


def counting(envelopes: Sequence[Mapping[str, Any]], carries: Sequence[bool], moment: str) -> set[int]:
    """Return the numbers that count at a moment, of a log that imported one other: in each up to its last by then."""
    counted = set[int]()
    for kind in (False, True):
        numbers = [n for n, carried in enumerate(carries) if carried is kind]
        last = max((n for n in numbers if envelopes[n]["recorded_at"] <= moment), default=-1)
        counted |= {n for n in numbers if n <= last}
    return counted


def joined(before: Sequence[Move], away: Sequence[Move], after: Sequence[Move]) -> tuple[Leaf, ...]:
    """Return the log of a ledger whose host recorded some moves of its own while it was out of reach."""
    world = World()
    for move in before:
        world.play(move)
    spool = World(nodes=dict(world.nodes), wall=world.wall, attempts=1_000)
    for move in away:
        spool.play(move)
    world.nodes, world.wall = spool.nodes, spool.wall
    take(world, elsewhere(spool.leaves, names="ab", salt="0195"))
    for move in after:
        world.play(move)
    return tuple(world.leaves)


LOG = elsewhere(played([Move(n % 2, n % 10, n % 4, n % 6, 1_000_000) for n in range(40)]))
"""A log of another host."""
