"""The versions table of each node, folded with the aggregate's own ``evolve``.

The table cannot disagree with the aggregate, because it is the aggregate: ``fold`` takes one
stored event, ``table_of`` shows the rows. ``resume`` and ``suspended`` carry a fold from one
run of a reader to the next: ``resume(suspended(node)) == node``.
"""

import json
from dataclasses import asdict
from typing import Any

from ledger.domain.envelope import EnvelopeMemberError, Sealed
from ledger.domain.records import InstallationFacts, Kind, PackageRecord, PlannedStep, Run, Verb
from ledger.domain.releases import NodeReleases, OpenAttempt, evolve
from ledger.domain.tables import Tables
from projections.nodes import NodeTable, OpenIntent
from projections.read import EntryError, StoredEvent


def fold(node: NodeReleases | None, stored: StoredEvent) -> NodeReleases:
    """Return the node after one stored event.

    Raises: EntryError where the event does not say what its topic demands; UnknownTopicError
    for a topic of a later version; StreamStartError for a stream without its registration.
    """
    try:
        return evolve(node, Sealed(stored.envelope).event)
    except EnvelopeMemberError as exc:
        raise EntryError(stored.number, exc.fact) from exc
    except (ValueError, TypeError, AttributeError) as exc:
        raise EntryError(stored.number, f"its data are not those of {stored.topic}: {exc!r}") from exc


def table_of(node: NodeReleases, *, last_change: int) -> NodeTable:
    """Return the rows of the versions table."""
    intent = node.open_attempt
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
    )


def suspended(node: NodeReleases) -> str:
    """Return a fold as text, to go on from later."""
    record = asdict(node) | {"tables": node.tables.to_record(), "kind": str(node.kind)}
    return json.dumps(record, separators=(",", ":"))


def resume(text: str) -> NodeReleases:
    """Return the fold that ``suspended`` wrote.

    Raises: ValueError, KeyError or TypeError for anything else.
    """
    record = json.loads(text)
    return NodeReleases(
        **record
        | {
            "kind": Kind(record["kind"]),
            "facts": InstallationFacts.from_record(record["facts"]),
            "tables": Tables.from_record(record["tables"]),
            "run": Run.from_record(record["run"]),
            "open_attempt": _attempt(record["open_attempt"]),
        }
    )


def _attempt(record: dict[str, Any] | None) -> OpenAttempt | None:
    if record is None:
        return None
    package = record["package"]
    return OpenAttempt(
        **record
        | {
            "verb": Verb(record["verb"]),
            "plan": tuple(PlannedStep.from_record(step) for step in record["plan"]),
            "package": None if package is None else PackageRecord.from_record(package),
            "options": tuple(record["options"]),
        }
    )
