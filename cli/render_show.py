"""One attempt in full: who asked for what and why, each step, the node's words, the outcome.

The members of an event stand as they are recorded, one a line; digests are not shortened.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.plain_text import plain
from cli.render_log import event_record
from projections.attempts import AttemptInFull
from projections.history import type_of
from projections.read import StoredEvent

SCHEMA = "release-ledger/attempt/1"


def attempt_text(attempt: AttemptInFull) -> str:
    """Return an attempt for people."""
    return "".join(f"{line}\n" for line in _attempt_lines(attempt))


def event_text(event: StoredEvent) -> str:
    """Return an event that belongs to no attempt for people."""
    envelope = event.envelope
    rows = (
        ("when", envelope["recorded_at"]),
        ("node", _marked(envelope.get("node"), event.stream)),
        ("who", _who(envelope["actor"])),
        ("why", envelope.get("reason")),
        ("ticket", envelope.get("ticket")),
        ("id", envelope["event_id"]),
    )
    head = f"event {event.number}: {type_of(event.topic).replace('_', ' ')}"
    lines = (head, *_rows(rows), *(f"    {line}" for line in _members(event.data)))
    return "".join(f"{line}\n" for line in lines)


def attempt_json(attempt: AttemptInFull, events: Sequence[StoredEvent], *, proofs: Mapping[int, str]) -> str:
    """Return an attempt as one line of JSON, its events as ``log --json`` gives them."""
    record = {
        "schema": SCHEMA,
        "attempt": attempt.attempt,
        "node": attempt.node,
        "stream": attempt.stream,
        "verb": attempt.verb,
        "vsn": attempt.vsn,
        "outcome": attempt.outcome,
        "failed": attempt.failed,
        "driver": attempt.driver,
        "actor": attempt.actor,
        "reason": attempt.reason,
        "ticket": attempt.ticket,
        "package": attempt.package,
        "began_at": attempt.began_at,
        "took_us": attempt.took_us,
        "steps": [{"step": step.type, "index": step.number, "took_us": step.took_us} for step in attempt.steps],
        "reasons": list(attempt.reasons),
        "events": [attempt.first_event, attempt.last_event],
        "first_event": attempt.first_event,
        "last_event": attempt.last_event,
        "record": [event_record(event, proof=proofs.get(event.number)) for event in events],
    }
    return (
        json.dumps({name: value for name, value in record.items() if value is not None}, separators=(",", ":")) + "\n"
    )


def _attempt_lines(attempt: AttemptInFull) -> Iterator[str]:
    asked = " ".join(part for part in (attempt.verb, attempt.vsn) if part) or "repair"
    yield f"attempt {attempt.attempt}"
    yield from _rows(
        (
            ("what", asked),
            ("outcome", attempt.outcome.replace("_", " ")),
            ("when", attempt.began_at),
            ("took", None if attempt.took_us is None else f"{attempt.took_us / 1_000_000:.3f} s"),
            ("node", _marked(attempt.node, attempt.stream)),
            ("driver", attempt.driver),
            ("who", _who(attempt.actor)),
            ("why", attempt.reason),
            ("ticket", attempt.ticket),
            ("events", f"{attempt.first_event} to {attempt.last_event}"),
        )
    )
    if attempt.package:
        yield "  package"
        yield from (f"    {line}" for line in _members(attempt.package))
    for reason in (*attempt.asked.get("warnings", ()), *attempt.reasons):
        yield f"  {plain(reason['rule'])}: {plain(reason['message'])}"
        yield f"    {plain(reason['fact'])}"
        yield f"    hint: {plain(reason['hint'])}"
    for step in attempt.steps:
        yield f"  event {step.number}: {step.type.replace('_', ' ')}, {step.took_us / 1_000_000:.3f} s"
        yield from (f"    {line}" for line in _members(step.data))
    if attempt.ended is not None:
        yield f"  event {attempt.last_event}: {attempt.outcome.replace('_', ' ')}"
        yield from (f"    {line}" for line in _members(attempt.ended, without=("reasons",)))


def _rows(rows: Sequence[tuple[str, str | None]]) -> Iterator[str]:
    return (f"  {title:<8}{plain(value)}" for title, value in rows if value)


def _members(data: Mapping[str, Any], *, without: tuple[str, ...] = ()) -> Iterator[str]:
    for name, value in data.items():
        if name not in without:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{plain(name)}: {plain(text)}"


def _marked(node: str | None, stream: str) -> str:
    return f"{node or stream}{' (rehearsal)' if ':rehearsal:' in stream else ''}"


def _who(actor: Mapping[str, Any]) -> str:
    # What the operating system says of its user is a claim; only a signature is proof (PRODUCT section 6).
    return f"{actor['id']} (as the operating system says)"
