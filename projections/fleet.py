"""Plans for a fleet, read from the record: what a plan holds, how far each node is, whose turn it is.

How far a node is, its table says, not only its attempts: who reached the release in another way
has reached it. A wave is open when each node of the waves before it is done, is excused or has
left the ledger.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from ledger.domain.fleet import Candidate, FleetPlan, plan_from
from ledger.domain.outcomes import Turn
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import InstallationFacts
from ledger.domain.version import Vsn
from ledger.errors import UsageError
from projections.attempts import Attempt
from projections.history import type_of
from projections.nodes import NodeTable, Sight
from projections.read import StoredEvent, read_events
from projections.view import View

_TURNS = frozenset({"upgrade", "install"})
_PARTS = frozenset({"fleet_planned", "fleet_wave_planned", "fleet_nodes_left_out"})
_EXCUSED = "fleet_nodes_excused"
_MOST_NAMED = 5
_LEAST = 4
_NEWEST = "last"


class Progress(StrEnum):
    """How far a node is in its plan; *behind* is one whose turn has come, *waiting* one whose wave is not open."""

    DONE = "done"
    EXCUSED = "excused"
    LEFT = "left"
    UNDER_WAY = "under_way"
    FAILED = "failed"
    REFUSED = "refused"
    BEHIND = "behind"
    WAITING = "waiting"


_OUTCOMES: Mapping[str, Progress] = {
    "failed": Progress.FAILED,
    "taken_back": Progress.FAILED,
    "refused": Progress.REFUSED,
}
PASSED = frozenset({Progress.DONE, Progress.EXCUSED, Progress.LEFT})


class NoSuchPlanError(UsageError):
    """No fleet plan, or more than one, has such an id."""

    def __init__(self, text: str | None, known: Sequence[str]) -> None:
        listed = ", ".join(known[:_MOST_NAMED]) or "none"
        super().__init__(
            "this ledger made no fleet plan" if text is None else f"{text[:40]!a} names no fleet plan, or several",
            fact=f"the newest plans: {listed}",
            hint="name one of these, or the start of its id; `release-ledger fleet plan VERSION` makes one",
        )


class StoredPlan(NamedTuple):
    """A plan with its place in the log: *number* and *recorded_at* are those of its first event.

    *excused* has, by stream, the number of the event that excused it.
    """

    plan: FleetPlan
    number: int
    recorded_at: str
    excused: Mapping[str, int]


class NodeProgress(NamedTuple):
    """One node of a wave; *attempt* is its newest one at the release since the plan was made."""

    stream: str
    node: str
    progress: Progress
    attempt: Attempt | None


class Wave(NamedTuple):
    """One wave, from 1: whether it is open, and its nodes."""

    number: int
    open: bool
    nodes: tuple[NodeProgress, ...]

    @property
    def complete(self) -> bool:
        """Tell whether the next wave need not wait for it."""
        return all(node.progress in PASSED for node in self.nodes)

    def counts(self) -> Mapping[Progress, int]:
        """Return how many nodes are how far; nobody is no entry."""
        found = [node.progress for node in self.nodes]
        return {progress: found.count(progress) for progress in Progress if progress in found}


def candidate_of(table: NodeTable, sight: Sight, *, seen_since: int | str) -> Candidate:
    """Return what the record knows of one node; *seen_since* is a number of an event, or a time."""
    seen = sight.number if isinstance(seen_since, int) else sight.recorded_at
    intent = table.open_attempt
    return Candidate(
        stream=table.stream,
        releases=table.releases,
        facts=InstallationFacts(**table.facts._asdict()),
        open_attempt=None if intent is None else f"{intent.verb} {intent.to or ''}".strip(),
        boots_agree=table.boots_agree,
        unseen=f"last seen {sight.recorded_at}, by event {sight.number}" if seen < seen_since else None,  # type: ignore[operator] # in the type of the bound
    )


def stored_plan(view: View, ledger: sqlite3.Connection, text: str | None) -> StoredPlan:
    """Return the plan whose id is *text* or begins so; the newest one of this ledger for None and for ``last``.

    A plan that was imported is found by its id, unless one of this ledger has the same. Another log
    has no say in a plan: its parts are of the log that made it, and excuses of that one, of this, or of
    one in between, which had imported the plan before it was imported itself, as by two moves.

    Raises: NoSuchPlanError, PlanPartsError, EntryError.
    """
    lines, text = view.fleet_plans(), None if text == _NEWEST else text
    own = [line for line in lines if line.imported is None]
    named = [line for line in lines if text is not None and (line.plan or "").startswith(text)]
    found = own if text is None else [line for line in named if line.imported is None] or named
    if not found or not found[0].plan or (text is not None and (len(found) > 1 or len(text) < _LEAST)):
        raise NoSuchPlanError(text, [line.plan or "" for line in lines])
    events = [next(read_events(ledger, start=n, stop=n + 1)) for n in view.plan_events(found[0].plan)]
    parts = tuple(_of_types(events, _PARTS))
    made_by = next((_way_of(event) for event in parts if event.number == found[0].number), ())
    excused: dict[str, int] = {}
    for event in _of_types(events, frozenset({_EXCUSED})):
        way = _way_of(event)
        if way == made_by[: len(way)]:
            excused |= dict.fromkeys(event.data.get("streams", ()), event.number)
    plan = plan_from([event.data for event in parts if _way_of(event) == made_by])
    return StoredPlan(plan, found[0].number, found[0].recorded_at, excused)


def progress_of(view: View, stored: StoredPlan) -> tuple[Wave, ...]:
    """Return how far each wave of a plan is."""
    tables = {table.stream: table for table in view.nodes()}
    attempts = {a.stream: a for a in view.attempts_at(stored.plan.to, since=stored.number) if a.verb in _TURNS}
    target = Vsn.parse(stored.plan.to)
    waves: list[Wave] = []
    for number, streams in enumerate(stored.plan.waves, 1):
        is_open = all(wave.complete for wave in waves)
        nodes = []
        for stream in streams:
            table, attempt = tables.get(stream), attempts.get(stream)
            reached = _reached(table, attempt, target, excused=stream in stored.excused)
            far = reached or (Progress.BEHIND if is_open else Progress.WAITING)
            nodes.append(NodeProgress(stream, stream if table is None else table.node, far, attempt))
        waves.append(Wave(number, is_open, tuple(nodes)))
    return tuple(waves)


def turn_of(view: View, ledger: sqlite3.Connection, text: str | None, *, stream: str, vsn: str) -> Turn:
    """Return the turn of an installation in the plan that *text* names, with all that speaks against it now.

    Raises: as ``stored_plan``.
    """
    stored = stored_plan(view, ledger, text)
    plan = stored.plan
    wave = plan.wave_of(stream)
    reasons = list(_other_target(plan, vsn))
    if wave is None:
        reasons.append(_not_in(plan, stream))
    else:
        reasons.extend(_not_open(plan, progress_of(view, stored), wave))
    return Turn(plan=plan.id, plan_sha256=plan.sha256, wave=wave or 0, reasons=tuple(reasons))


def _way_of(event: StoredEvent) -> tuple[str, ...]:
    """Return the logs through which an event was imported, the nearest first; none for one of this ledger's own."""
    return () if event.imported is None else event.imported.through


def _of_types(events: Sequence[StoredEvent], types: frozenset[str]) -> Iterator[StoredEvent]:
    return (event for event in events if type_of(event.topic) in types)


def _reached(table: NodeTable | None, attempt: Attempt | None, target: Vsn, *, excused: bool) -> Progress | None:
    """Return how far a node is, None where it has not taken its turn."""
    if table is None:
        return Progress.LEFT
    if _is_there(table, target):
        return Progress.DONE
    if excused:
        return Progress.EXCUSED
    if table.open_attempt is not None:
        return Progress.UNDER_WAY
    return None if attempt is None else _OUTCOMES.get(attempt.outcome)


def _is_there(table: NodeTable, target: Vsn) -> bool:
    # A later plan, or its operator, may have led it further up the same line.
    return table.boots_agree and all(
        vsn is not None and vsn.line == target.line and vsn >= target
        for vsn in map(Vsn.known, (table.running, table.permanent))
    )


def _other_target(plan: FleetPlan, vsn: str) -> Iterator[Reason]:
    if vsn != plan.to:
        hint = f"`release-ledger upgrade {plan.to} --plan {plan.id}`; or leave --plan away"
        yield Reason(Rule.PLAN, f"the plan does not go to {vsn}", f"plan {plan.id} goes to {plan.to}", hint)


def _not_in(plan: FleetPlan, stream: str) -> Reason:
    rules = next((rules for rules, streams in plan.left_out if stream in streams), None)
    fact = f"plan {plan.id} left it out: {', '.join(rules)}" if rules else f"plan {plan.id} does not name {stream}"
    return Reason(Rule.PLAN, "this node is not in the plan", fact, "make a plan that takes it; or leave --plan away")


def _not_open(plan: FleetPlan, waves: Sequence[Wave], number: int) -> Iterator[Reason]:
    if waves[number - 1].open:
        return
    first = next(wave for wave in waves if not wave.complete)
    late = [f"{n.node} {n.progress.replace('_', ' ')}" for n in first.nodes if n.progress not in PASSED]
    more = f" and {len(late) - _MOST_NAMED} more" if len(late) > _MOST_NAMED else ""
    fact = f"wave {first.number} of plan {plan.id} is not complete: {', '.join(late[:_MOST_NAMED])}{more}"
    hint = f"wait, or excuse them: `release-ledger fleet excuse {plan.id} --node NODE --reason TEXT`"
    yield Reason(Rule.PLAN, f"wave {number} is not open", fact, hint)
