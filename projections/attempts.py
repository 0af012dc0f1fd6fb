"""Attempts: what ``show`` tells of one change, from intent to outcome, out of its events.

A refusal is an attempt of one event. An attempt whose outcome is not recorded is *open*.
``Attempt`` is the row that a view keeps; ``AttemptInFull`` is read from the envelopes. Between
two events of one boot the monotonic clock says how long a step took; across boots the wall
clock does, and may be wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from projections.history import Intent, Line, clock_of, type_of
from projections.read import StoredEvent
from projections.timestamp import microseconds_between

OPEN = "open"
_INTENT = "operation_requested"
_ASKS = frozenset({_INTENT, "operation_refused"})
_OUTCOMES = {"operation_completed": "completed", "operation_failed": "failed", "operation_refused": "refused"}


class Attempt(NamedTuple):
    """One attempt in a row: *outcome* is open, completed, failed, refused, or how it was recovered."""

    attempt: str
    stream: str
    node: str | None
    verb: str | None
    vsn: str | None
    outcome: str
    first_event: int
    last_event: int

    @property
    def intent(self) -> Intent:
        """What it is about."""
        return Intent(self.verb, self.vsn)


class StepDone(NamedTuple):
    """One event between intent and outcome, and how long it took after the event before it."""

    number: int
    type: str
    data: Mapping[str, Any]
    recorded_at: str
    took_us: int


class AttemptInFull(NamedTuple):
    """One attempt with everything its events say; *took_us* is None while it is open.

    *asked* are the data of the intent, or of the refusal; *ended* those of the outcome.
    """

    attempt: str
    stream: str
    node: str | None
    verb: str | None
    vsn: str | None
    outcome: str
    failed: bool
    actor: Mapping[str, Any]
    reason: str | None
    ticket: str | None
    driver: str | None
    asked: Mapping[str, Any]
    package: Mapping[str, Any] | None
    steps: tuple[StepDone, ...]
    reasons: tuple[Mapping[str, Any], ...]
    ended: Mapping[str, Any] | None
    began_at: str
    took_us: int | None
    first_event: int
    last_event: int


def outcome_of(kind: str, data: Mapping[str, Any]) -> str:
    """Return the outcome that an event gives its attempt; *open* where it gives none."""
    if kind == "operation_recovered":
        return str(data["result"])
    return _OUTCOMES.get(kind, OPEN)


def evolve_attempt(attempt: Attempt | None, line: Line, *, outcome: str) -> Attempt:
    """Return the row of an attempt after one more of its events."""
    asked = line.type in _ASKS
    if attempt is None:
        name, vsn = line.attempt or "", line.vsn if asked else None
        return Attempt(name, line.stream, line.node, line.verb, vsn, outcome, line.number, line.number)
    return attempt._replace(
        verb=line.verb if asked else attempt.verb,
        vsn=line.vsn if asked else attempt.vsn,
        outcome=attempt.outcome if outcome == OPEN else outcome,
        last_event=line.number,
    )


def attempt_in_full(events: Sequence[StoredEvent], row: Attempt) -> AttemptInFull:
    """Return what the *events* of the attempt in *row* say together.

    Raises: KeyError or TypeError for events that lack a mandatory member.
    """
    first, last = events[0], events[-1]
    closed = last if row.outcome != OPEN else None
    ended = None if closed is None else closed.data
    packages = [e.data["package"] for e in events if "package" in e.data]
    return AttemptInFull(
        attempt=row.attempt,
        stream=row.stream,
        node=row.node,
        verb=row.verb,
        vsn=row.vsn,
        outcome=row.outcome,
        failed=row.outcome not in {OPEN, "completed", "finished", "mended"},
        actor=first.envelope["actor"],
        reason=first.envelope.get("reason"),
        ticket=first.envelope.get("ticket"),
        driver=first.data.get("driver"),
        asked=first.data,
        package=packages[-1] if packages else None,
        steps=tuple(
            _step(before, event)
            for before, event in zip((first, *events), events, strict=False)
            if type_of(event.topic) != _INTENT and event is not closed
        ),
        reasons=tuple((ended or {}).get("reasons", ())),
        ended=ended,
        began_at=first.envelope["recorded_at"],
        took_us=None if closed is None else _took(first, closed),
        first_event=first.number,
        last_event=last.number,
    )


def _step(before: StoredEvent, step: StoredEvent) -> StepDone:
    return StepDone(step.number, type_of(step.topic), step.data, step.envelope["recorded_at"], _took(before, step))


def _took(before: StoredEvent, after: StoredEvent) -> int:
    earlier, later = clock_of(before), clock_of(after)
    if earlier.boot_id == later.boot_id:
        return later.monotonic_us - earlier.monotonic_us
    return microseconds_between(earlier.recorded_at, later.recorded_at)
