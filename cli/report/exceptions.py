"""What an auditor looks at first: events that are not a change that simply succeeded (PRODUCT section 9)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from projections.history import Line
from projections.read import StoredEvent

_ASKS = frozenset({"operation_requested", "operation_refused"})


class Kind(StrEnum):
    """Why an event is an exception, in the order of the report."""

    FAILED = "failed"
    REFUSED = "refused"
    REVERTED = "reverted by restart"
    DRIFT = "drift"
    OVERRIDE = "override"
    OPEN = "no outcome"
    NO_REASON = "no reason"
    NO_TICKET = "no ticket"
    CLOCK = "clock set back"


class Exceptional(NamedTuple):
    """One event that is an exception; *what* says it in words."""

    kind: Kind
    line: Line
    what: str


def exceptions_of(
    events: Sequence[tuple[Line, StoredEvent]], *, open_attempts: Sequence[str]
) -> tuple[Exceptional, ...]:
    """Return the exceptions among *events*, by kind and by number."""
    found = [
        Exceptional(kind, line, what)
        for line, stored in events
        for kind, rule in _RULES.items()
        if (what := rule(line, stored)) is not None
    ]
    found += [
        Exceptional(Kind.OPEN, line, f"{line.words}; the attempt has no recorded outcome")
        for line, _ in events
        if line.type == "operation_requested" and line.attempt in open_attempts
    ]
    order = tuple(Kind)
    return tuple(sorted(found, key=lambda each: (order.index(each.kind), each.line.number)))


def counted(found: Sequence[Exceptional]) -> Iterator[tuple[Kind, int]]:
    """Yield every kind with the number of its events, those without any too."""
    for kind in Kind:
        yield kind, sum(each.kind is kind for each in found)


def _failed(line: Line, _: StoredEvent) -> str | None:
    return line.words if line.failed and line.type != "operation_refused" else None


def _refused(line: Line, _: StoredEvent) -> str | None:
    return line.words if line.type == "operation_refused" else None


def _reverted(line: Line, stored: StoredEvent) -> str | None:
    return line.words if line.type == "node_restarted" and stored.data.get("reverted") else None


def _drift(line: Line, _: StoredEvent) -> str | None:
    return line.words if line.type == "drift_observed" else None


def _override(line: Line, stored: StoredEvent) -> str | None:
    allowed = stored.data.get("allowed", ()) if line.type in _ASKS else ()
    return f"{line.words}; allowed in spite of: {', '.join(allowed)}" if allowed else None


def _no_reason(line: Line, stored: StoredEvent) -> str | None:
    given = line.reason is not None or "reason_commit" in stored.envelope
    return None if given or line.type not in _ASKS else line.words


def _no_ticket(line: Line, _: StoredEvent) -> str | None:
    return line.words if line.ticket is None and line.type in _ASKS else None


def _clock(line: Line, _: StoredEvent) -> str | None:
    return f"{line.words}; stamped earlier than the event before it, in the same boot" if line.clock_fell else None


_RULES: Mapping[Kind, Callable[[Line, StoredEvent], str | None]] = {
    Kind.FAILED: _failed,
    Kind.REFUSED: _refused,
    Kind.REVERTED: _reverted,
    Kind.DRIFT: _drift,
    Kind.OVERRIDE: _override,
    Kind.NO_REASON: _no_reason,
    Kind.NO_TICKET: _no_ticket,
    Kind.CLOCK: _clock,
}
