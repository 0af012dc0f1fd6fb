"""How far a fleet's plan is, and excuses: for whom its later waves need not wait."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cli import bootstrap
from cli.changing import catch_up, why
from cli.exit_codes import DIFFERENT, DONE
from cli.options import LeaveOptions
from cli.outside import held_outside
from cli.reading import Moment, as_then, ask, matched
from cli.session import Session
from cli.table import table_text
from ledger.domain.ledger_events import LEDGER_STREAM, FleetNodesExcused
from ledger.domain.outcomes import Turn
from ledger.domain.records import Context
from ledger.errors import UsageError
from projections.fleet import NodeProgress, Progress, StoredPlan, Wave, progress_of, stored_plan, turn_of
from projections.view import View

SCHEMA, EXCUSED_SCHEMA = "release-ledger/fleet_status/1", "release-ledger/fleet_excuse/1"
COLUMNS = ("Wave", "Is", "Nodes", "How far")
NAMED_COLUMNS = ("Progress", "Node", "Wave", "Event")
_TOLD = (Progress.FAILED, Progress.REFUSED, Progress.UNDER_WAY, Progress.BEHIND)
_MOST_BEHIND = 10


class ExcuseReasonError(UsageError):
    """Nodes were excused without a reason."""

    def __init__(self) -> None:
        super().__init__(
            "an excuse needs a reason",
            fact="the later waves go on without these nodes, and somebody will ask why",
            hint="say why: --reason TEXT",
        )


class NobodyExcusedError(UsageError):
    """No node of the plan was named."""

    def __init__(self, plan: str, *, named: bool) -> None:
        super().__init__(
            "no node of the plan is meant",
            fact=f"--node names nodes that plan {plan} does not have" if named else "--node names nobody",
            hint="name nodes of the plan with --node; `release-ledger fleet status` lists who is behind",
        )


class _Found(NamedTuple):
    """A plan, how far its waves are, and the moment that this rests on."""

    stored: StoredPlan
    waves: tuple[Wave, ...]
    moment: Moment

    @property
    def finished(self) -> bool:
        """Tell whether nobody is waited for any more."""
        return all(wave.complete for wave in self.waves)


def show_progress(plan: str | None, *, at: str | None = None, session: Session) -> int:
    """Print how far the plan is, or was at the moment *at*; return the exit code, 7 while it is not finished.

    Raises: NoSuchPlanError, PlanPartsError, WhenError, NoSuchEventError; the errors of reading a ledger.
    """
    found = ask(session, lambda view, ledger: _found(view, ledger, plan, at))
    session.terminal.write(_as_json(found) if session.json else _as_text(found, session))
    session.terminal.advise(found.moment.in_words)
    return DONE if found.finished else DIFFERENT


def excuse_nodes(plan: str | None, *, reason: str | None, ticket: str | None, session: Session) -> int:
    """Record that the later waves need not wait for the nodes that are named; return the exit code.

    Raises: ExcuseReasonError, NobodyExcusedError, NoSuchPlanError; the errors of reading a ledger and of recording.
    """
    said, ticket = why(LeaveOptions(reason=reason, ticket=ticket, yes=False), session)
    if said is None:
        raise ExcuseReasonError
    identifier, nodes = ask(session, lambda view, ledger: _excused(view, ledger, plan, session))
    try:
        with (
            held_outside(session) as outside,
            bootstrap.open_record(session.settings.ledger.value, after=outside.hand_over) as (record, identity),
        ):
            event = FleetNodesExcused(
                originator_version=record.version(LEDGER_STREAM) + 1,
                context=Context(actor=identity.actor, source=identity.source, reason=said, ticket=ticket),
                fleet_plan=identifier,
                streams=tuple(node.stream for node in nodes),
            )
            (number,) = record.record((event,))
    finally:
        catch_up(session)
    if session.json:
        told = {
            "schema": EXCUSED_SCHEMA,
            "plan": identifier,
            "event": number,
            "nodes": [{"node": node.node, "stream": node.stream} for node in nodes],
        }
        session.terminal.write(json.dumps(told, separators=(",", ":")) + "\n")
    for node in nodes:
        session.terminal.say(f"Excused: {node.node}")
    return DONE


def own_turn(plan: str, *, stream: str, vsn: str, session: Session) -> Turn:
    """Return the turn of an installation in a plan, with all that speaks against it now.

    Raises: as ``show_progress``.
    """
    return ask(session, lambda view, ledger: turn_of(view, ledger, plan, stream=stream, vsn=vsn), shared=False)


def _found(view: View, ledger: sqlite3.Connection, plan: str | None, at: str | None) -> _Found:
    then, moment = as_then(view, ledger, at)
    stored = stored_plan(then, ledger, plan)
    return _Found(stored, progress_of(then, stored), moment)


def _excused(
    view: View, ledger: sqlite3.Connection, plan: str | None, session: Session
) -> tuple[str, Sequence[NodeProgress]]:
    stored = stored_plan(view, ledger, plan)
    named = session.settings.node.value is not None
    streams = {node.stream for node in matched(view.nodes(), session)} if named else set()
    nodes = [node for wave in progress_of(view, stored) for node in wave.nodes if node.stream in streams]
    if not nodes:
        raise NobodyExcusedError(stored.plan.id, named=named)
    return stored.plan.id, nodes


def _as_text(found: _Found, session: Session) -> str:
    plan = found.stored.plan
    state = "finished" if found.finished else "not finished"
    head = f"Plan {plan.id} to {plan.to}, event {found.stored.number}: {state}\n"
    rows = [
        (
            f"wave {wave.number}",
            "complete" if wave.complete else "open" if wave.open else "waiting",
            str(len(wave.nodes)),
            ", ".join(f"{count} {progress.replace('_', ' ')}" for progress, count in wave.counts().items()),
        )
        for wave in found.waves
    ]
    named = list(_named(found.waves))
    return head + table_text(COLUMNS, rows, session) + (table_text(NAMED_COLUMNS, named, session) if named else "")


def _named(waves: Sequence[Wave]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each node that somebody should look at: of those behind the first ones."""
    for progress in _TOLD:
        found = [(wave, node) for wave in waves for node in wave.nodes if node.progress is progress]
        shown = found[:_MOST_BEHIND] if progress is Progress.BEHIND else found
        for wave, node in shown:
            event = "" if node.attempt is None else str(node.attempt.last_event)
            yield (progress.replace("_", " "), node.node, f"wave {wave.number}", event)
        if len(shown) < len(found):
            yield (progress.value, f"and {len(found) - len(shown)} more", "", "")


def _as_json(found: _Found) -> str:
    plan, stored = found.stored.plan, found.stored
    record: dict[str, object] = {
        "schema": SCHEMA,
        "plan": plan.id,
        "sha256": plan.sha256,
        "to": plan.to,
        "event": stored.number,
        "planned_at": stored.recorded_at,
        "finished": found.finished,
        "waves": [
            {
                "wave": wave.number,
                "open": wave.open,
                "complete": wave.complete,
                "counts": {str(progress): count for progress, count in wave.counts().items()},
                "nodes": [_node(node, stored) for node in wave.nodes],
            }
            for wave in found.waves
        ],
        "as_of": dict(found.moment.record),
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def _node(node: NodeProgress, stored: StoredPlan) -> dict[str, object]:
    record: dict[str, object] = {"node": node.node, "stream": node.stream, "progress": str(node.progress)}
    if node.attempt is not None:
        record |= {"attempt": node.attempt.attempt, "outcome": node.attempt.outcome, "event": node.attempt.last_event}
    if node.stream in stored.excused:
        record["excused_by"] = stored.excused[node.stream]
    return record
