"""What a change prints beside the user guide's words: its plan, its outcome as JSON."""

import json
from collections.abc import Iterator

from ledger.application.operations import Outcome
from ledger.domain.forecast import restart_forecast
from ledger.domain.reason import Reason
from ledger.domain.tables import Table

SCHEMA = "release-ledger/attempt/1"


def plan_text(outcome: Outcome) -> str:
    """Return the plan of a dry run: its steps, the tables before and after, its digest."""
    return "".join(f"{line}\n" for line in _plan_lines(outcome))


def outcome_json(outcome: Outcome) -> str:
    """Return the attempt as one line of JSON; what it does not have is a missing member."""
    events = outcome.events
    record: dict[str, object] = {
        "schema": SCHEMA,
        "attempt": outcome.attempt,
        "verb": str(outcome.verb),
        "vsn": outcome.vsn,
        "outcome": outcome.result,
        "steps": [step.to_record() for step in outcome.plan.record],
        "plan_sha256": outcome.plan.sha256,
        "events": [events[0], events[-1]] if events else None,
        "first_event": events[0] if events else None,
        "last_event": events[-1] if events else None,
        "before": _rows(outcome.before.memory),
        "releases": _rows(outcome.after.memory),
        "restart": restart_forecast(outcome.after).to_record(),
        "warnings": [_warning(reason) for reason in outcome.warnings],
    }
    return (
        json.dumps({name: value for name, value in record.items() if value is not None}, separators=(",", ":")) + "\n"
    )


def _plan_lines(outcome: Outcome) -> Iterator[str]:
    yield f"Plan of {outcome.verb} {outcome.vsn or ''}".rstrip() + ":"
    for number, step in enumerate(outcome.plan.steps, 1):
        yield f"{number}. {step.kind} {step.vsn}"
    if not outcome.plan.steps:
        yield "nothing to do"
    yield "Installed versions before:"
    yield from _table(outcome.before.memory)
    yield "Installed versions after:"
    yield from _table(outcome.after.memory)
    yield f"A restart then {restart_forecast(outcome.after).words}"
    yield f"Digest of the plan: {outcome.plan.sha256}"


def _table(table: Table) -> Iterator[str]:
    return (f"* {vsn}\t{status}" for vsn, status in table)


def _rows(table: Table) -> list[dict[str, str]]:
    return [{"vsn": vsn, "status": str(status)} for vsn, status in table]


def _warning(reason: Reason) -> dict[str, str]:
    return {"rule": str(reason.rule), "message": reason.message, "fact": reason.fact, "hint": reason.hint}
