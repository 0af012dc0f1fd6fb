"""The versions table of each node, folded with the aggregate's own ``evolve``.

The table cannot disagree with the aggregate, because it is the aggregate: ``fold`` takes one
stored event, ``table_of`` shows the rows. ``resume`` and ``suspended`` carry a fold from one
run of a reader to the next: ``resume(suspended(node)) == node``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ledger.domain.envelope import EnvelopeMemberError, Sealed
from ledger.domain.events import AnyReleaseEvent, EventImported
from ledger.domain.ledger_events import LedgerEvent
from ledger.domain.releases import NodeReleases, evolve
from projections.nodes import NodeFacts, NodeTable, OpenIntent
from projections.read import EntryError, StoredEvent

_Folded = TypeVar("_Folded")


def fold(node: NodeReleases | None, stored: StoredEvent) -> NodeReleases:
    """Return the node after one stored event.

    Raises: EntryError where the event does not say what its topic demands; UnknownTopicError
    for a topic of a later version; StreamStartError for a stream without its registration.
    """
    return folded(evolve, node, stored)


def folded(
    fold: Callable[[_Folded | None, AnyReleaseEvent], _Folded], before: _Folded | None, stored: StoredEvent
) -> _Folded:
    """Return what *fold* makes of one stored event, behind what it made *before*.

    Raises: as ``fold``.
    """
    try:
        # An imported event counts in its stream here, which may have gone on otherwise than in the other log.
        here = stored.envelope if stored.imported is None else {**stored.envelope, "version": stored.version}
        event = Sealed(here).event
        if isinstance(event, LedgerEvent | EventImported):
            raise EntryError(stored.number, f"{stored.topic} is no event of an installation")
        return fold(before, event)
    except EnvelopeMemberError as exc:
        raise EntryError(stored.number, exc.fact) from exc
    except (ValueError, TypeError, AttributeError) as exc:
        raise EntryError(stored.number, f"its data are not those of {stored.topic}: {exc!r}") from exc


def table_of(node: NodeReleases, *, last_change: int) -> NodeTable:
    """Return the rows of the versions table."""
    intent, facts = node.open_attempt, node.facts
    return NodeTable(
        stream=node.id,
        node=node.node,
        root=node.root,
        kind=str(node.kind),
        releases=tuple((vsn, str(status)) for vsn, status in node.tables.memory),
        running=node.tables.running,
        booted=node.booted,
        boots_next=node.tables.rel_vsn,
        open_attempt=None if intent is None else OpenIntent(intent.attempt, str(intent.verb), intent.to),
        last_change=last_change,
        registered=node.registered,
        facts=NodeFacts(facts.edition, facts.otp, facts.erts, facts.os, facts.arch),
        boots_agree=node.tables.boot_files_agree(),
    )


def suspended(node: NodeReleases) -> str:
    """Return a fold as text, to go on from later."""
    return json.dumps(asdict(node), separators=(",", ":"))


def resume(text: str) -> NodeReleases:
    """Return the fold that ``suspended`` wrote.

    Raises: ValueError, LookupError, TypeError or AttributeError for anything else, such as the
    fold of an earlier version whose aggregate had other fields.
    """
    node: NodeReleases = _built(NodeReleases, json.loads(text))
    return node


def _built(hint: Any, value: Any) -> Any:  # noqa: ANN401 # it follows annotations
    """Return *value*, as JSON gives it, in the type that *hint* names."""
    if value is None:
        return None
    if isinstance(hint, UnionType):
        return _built(next(part for part in get_args(hint) if part is not type(None)), value)
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        hints = [parts[0]] * len(value) if parts[-1] is ... else parts
        return tuple(_built(part, member) for part, member in zip(hints, value, strict=True))
    if isinstance(hint, type) and is_dataclass(hint):
        return hint(**{name: _built(part, value[name]) for name, part in _hints(hint).items()})
    return hint(value) if issubclass(hint, StrEnum) else value


@cache
def _hints(record: type) -> Mapping[str, Any]:
    return get_type_hints(record)
