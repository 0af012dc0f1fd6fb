"""Reconciling: the record against what node and disk show.

A restart is told by the run (PRODUCT section 7): process, start time, generation, boot of the
host. What a restart alone explains is one event; what differs beyond it was done outside the
ledger and is a second one, and the record goes on from what was found (RULINGS 14).
"""

from collections.abc import Iterator

from ledger.dataclass import replace
from ledger.domain.decisions import decide_drift, decide_restart
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.tables import Table, Tables

NOTICED = "noticed"
ORDERED = "ordered"


def notice(node: NodeReleases, seen: Observation, *, by: By) -> tuple[AnyReleaseEvent, ...]:
    """Return what happened since the last event without being recorded, oldest first."""
    events: list[AnyReleaseEvent] = []
    if seen.run != node.run:
        events.append(decide_restart(node, seen, after=node.tables.restarted(), cause=NOTICED, by=by))
        node = evolve(node, events[-1])
    differences = tuple(differences_between(node, seen))
    if differences:
        events.append(decide_drift(node, seen, differences=differences, by=by))
    return tuple(events)


def unrecorded(node: NodeReleases, seen: Observation) -> Iterator[str]:
    """Return, in words, all that the next change would record as noticed: a restart, and what differs beyond it."""
    if seen.run != node.run:
        after = node.tables.restarted()
        lost = node.tables.reverted_by_restart()
        undone = f", which undid the trial of {', '.join(lost)}" if lost else ""
        yield f"a restart that is not recorded: booted {seen.booted}{undone}"
        node = replace(node, tables=after, booted=seen.booted, run=seen.run)
    yield from differences_between(node, seen)


def differences_between(node: NodeReleases, seen: Observation) -> Iterator[str]:
    """Return each difference between record and observation, in words."""
    recorded, found = node.tables, seen.tables
    yield from _tables("memory", recorded.memory, found.memory)
    yield from _tables("RELEASES", recorded.disk, found.disk)
    yield from _words("start_erl.data", recorded.start_erl, found.start_erl)
    yield from _words("emqx_vars", recorded.rel_vsn, found.rel_vsn)
    yield from _words("booted release", node.booted, seen.booted)


def fold(node: NodeReleases, events: tuple[AnyReleaseEvent, ...]) -> NodeReleases:
    """Return the node after *events*."""
    for event in events:
        node = evolve(node, event)
    return node


def as_text(tables: Tables) -> str:
    """Return the memory table on one line."""
    return _in_words(tables.memory)


def _tables(where: str, recorded: Table | None, found: Table | None) -> Iterator[str]:
    if recorded != found:
        yield f"{where}: recorded {_in_words(recorded)}; found {_in_words(found)}"


def _words(where: str, recorded: str | None, found: str | None) -> Iterator[str]:
    if recorded != found:
        yield f"{where}: recorded {recorded or 'nothing'}; found {found or 'nothing'}"


def _in_words(table: Table | None) -> str:
    if table is None:
        return "no readable file"
    return ", ".join(f"{vsn} {status}" for vsn, status in table) or "no release"
