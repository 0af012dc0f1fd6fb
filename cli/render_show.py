"""One attempt in full: who asked for what and why, each step, the node's words, the outcome.

The members of an event stand as they are recorded, one a line; digests are not shortened.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from cli.notes import Notes, note_lines
from cli.personal import Personal, where_from, who
from cli.placing import Place, place_lines
from cli.plain_text import plain
from cli.reading import Moment
from cli.render_checks import checks_of
from cli.render_log import event_json, event_record
from projections.attempts import AttemptInFull
from projections.history import type_of
from projections.read import StoredEvent

SCHEMA = "release-ledger/attempt_in_full/1"


class _Additions(TypedDict):
    proof: str | None
    notes: Notes
    place: Place
    personal: tuple[Personal, ...]


class Beside(NamedTuple):
    """What shows beside events and is not in them: notes, place in the log, proofs, personal fields, the moment.

    *about* names the event that a note is on.
    """

    notes: Notes
    place: Place
    proofs: Mapping[int, str]
    personal: Mapping[int, tuple[Personal, ...]]
    moment: Moment
    about: str | None = None

    def of(self, event: StoredEvent) -> _Additions:
        """Return what shows beside *event*."""
        return {
            "proof": self.proofs.get(event.number),
            "notes": self.notes,
            "place": self.place,
            "personal": self.personal[event.number],
        }


def attempt_text(attempt: AttemptInFull, events: Sequence[StoredEvent], *, beside: Beside) -> str:
    """Return an attempt for people."""
    lines = (
        *_attempt_lines(attempt, beside.personal[attempt.first_event], imported=_import_of(events)),
        *_note_lines(events, beside),
        *place_lines(events, beside.place),
    )
    return "".join(f"{line}\n" for line in lines)


def event_text(event: StoredEvent, *, beside: Beside) -> str:
    """Return an event that belongs to no attempt for people."""
    envelope, personal = event.envelope, beside.personal[event.number]
    rows = (
        ("when", envelope["recorded_at"]),
        ("node", _marked(envelope.get("node"), event.stream)),
        ("who", _who(envelope["actor"], personal)),
        ("from", where_from(personal)),
        ("why", envelope.get("reason")),
        ("ticket", envelope.get("ticket")),
        ("id", envelope["event_id"]),
        ("import", _import_of((event,))),
        (str(event.data.get("kind", "note")), beside.about),
    )
    head = f"event {event.number}: {type_of(event.topic).replace('_', ' ')}"
    lines = (
        head,
        *_rows(rows),
        *(f"    {line}" for line in _members(event.data)),
        *_note_lines((event,), beside),
        *place_lines((event,), beside.place),
    )
    return "".join(f"{line}\n" for line in lines)


def attempt_json(attempt: AttemptInFull, events: Sequence[StoredEvent], *, beside: Beside) -> str:
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
        "checks": [check._asdict() for check in checks_of(attempt.asked)] if "verb" in attempt.asked else None,
        "record": [event_record(event, **beside.of(event)) for event in events],
        "as_of": beside.moment.record,
    }
    return (
        json.dumps({name: value for name, value in record.items() if value is not None}, separators=(",", ":")) + "\n"
    )


def record_json(event: StoredEvent, *, beside: Beside) -> str:
    """Return an event that belongs to no attempt as one line of JSON."""
    return event_json(event, **beside.of(event), as_of=beside.moment.record)


def _attempt_lines(attempt: AttemptInFull, personal: Sequence[Personal], *, imported: str | None) -> Iterator[str]:
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
            ("who", _who(attempt.actor, personal)),
            ("from", where_from(personal)),
            ("why", attempt.reason),
            ("ticket", attempt.ticket),
            ("options", ", ".join(attempt.asked.get("options", ()))),
            ("allowed", ", ".join(attempt.asked.get("allowed", ()))),
            ("plan", ", ".join(f"{step['step']} {step['vsn']}" for step in attempt.asked.get("plan", ()))),
            ("events", f"{attempt.first_event} to {attempt.last_event}"),
            ("import", imported),
        )
    )
    if attempt.package:
        yield "  package"
        yield from (f"    {line}" for line in _members(attempt.package))
    if "verb" in attempt.asked:
        yield "  checks"
        for check in checks_of(attempt.asked):
            yield f"    {check.verdict} {check.rule}: {plain(check.fact)}"
            if check.hint:
                yield f"      hint: {plain(check.hint)}"
    for step in attempt.steps:
        yield f"  event {step.number}: {step.type.replace('_', ' ')}, {step.took_us / 1_000_000:.3f} s"
        yield from (f"    {line}" for line in _members(step.data))
    if attempt.ended is not None:
        yield f"  event {attempt.last_event}: {attempt.outcome.replace('_', ' ')}"
        yield from (f"    {line}" for line in _members(attempt.ended, without=("reasons",)))


def _import_of(events: Sequence[StoredEvent]) -> str | None:
    """Return where *events* were imported from, None where they were recorded here."""
    found = [event.imported for event in events if event.imported is not None]
    if not found:
        return None
    first, last = found[0], found[-1]
    numbers = f"event {first.number}" if first == last else f"events {first.number} to {last.number}"
    here = "" if len(found) == len(events) else "; the others were recorded here"
    return f"imported from {first.origin}, {numbers}, on {first.at}, by {first.by}{here}"


def _note_lines(events: Sequence[StoredEvent], beside: Beside) -> Iterator[str]:
    for event in events:
        for line in note_lines(event.envelope["event_id"], beside.notes):
            yield f"  on event {event.number}: {line}"


def _rows(rows: Sequence[tuple[str, str | None]]) -> Iterator[str]:
    return (f"  {title:<7} {plain(value)}" for title, value in rows if value)


def _members(data: Mapping[str, Any], *, without: tuple[str, ...] = ()) -> Iterator[str]:
    for name, value in data.items():
        if name not in without:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{plain(name)}: {plain(text)}"


def _marked(node: str | None, stream: str) -> str:
    return f"{node or stream}{' (rehearsal)' if ':rehearsal:' in stream else ''}"


def _who(actor: Mapping[str, Any], personal: Sequence[Personal]) -> str:
    # What the operating system says of its user is a claim; only a signature is proof (PRODUCT section 6).
    return f"{who(actor['id'], personal)} (as the operating system says)"
