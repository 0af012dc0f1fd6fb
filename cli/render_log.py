"""Events as ``log`` prints them: a paragraph each, one line each, or one JSON object a line.

The newest stands first. A rehearsal, a failure and a clock that was set back are marked in
words, never by colour alone.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cli.plain_text import plain
from projections.history import Line, type_of
from projections.read import StoredEvent

SCHEMA = "release-ledger/event/1"


def paragraphs(line: Line) -> str:
    """Return one event as a paragraph."""
    return "".join(f"{text}\n" for text in _paragraph(line)) + "\n"


def one_line(line: Line) -> str:
    """Return one event on one line."""
    parts = (str(line.number), line.recorded_at, node_of(line), line.actor, line.words, line.ticket, *_marks(line))
    return "  ".join(plain(part) for part in parts if part) + "\n"


def event_record(stored: StoredEvent, *, proof: str | None = None) -> Mapping[str, Any]:
    """Return one event for machines, with all that its envelope says of it, and the *proof* of its place."""
    envelope = stored.envelope
    record = {
        "schema": SCHEMA,
        "index": stored.number,
        "recorded_at": envelope["recorded_at"],
        "node": envelope.get("node"),
        "stream": stored.stream,
        "type": type_of(stored.topic),
        "topic": stored.topic,
        "event_id": envelope["event_id"],
        "attempt": envelope.get("attempt"),
        "actor": envelope["actor"],
        "source": envelope["source"],
        "reason": envelope.get("reason"),
        "ticket": envelope.get("ticket"),
        "data": stored.data,
        "proof": proof,
    }
    return {name: value for name, value in record.items() if value is not None}


def event_json(stored: StoredEvent, *, proof: str | None = None) -> str:
    """Return one event as one line of JSON."""
    return json.dumps(event_record(stored, proof=proof), separators=(",", ":")) + "\n"


def node_of(line: Line) -> str:
    """Return the node of an event; a rehearsal is marked (RULINGS 2)."""
    return f"{line.node or line.stream}{' (rehearsal)' if line.rehearsal else ''}"


def _paragraph(line: Line) -> Iterator[str]:
    marks = "".join(f"  [{mark}]" for mark in _marks(line))
    yield f"event {line.number}: {plain(line.words)}{marks}"
    for title, value in (
        ("when", line.recorded_at),
        ("node", node_of(line)),
        ("who", line.actor),
        ("why", line.reason),
        ("ticket", line.ticket),
        ("attempt", line.attempt),
    ):
        if value:
            yield f"  {title:<8}{plain(value)}"


def _marks(line: Line) -> Iterator[str]:
    if line.failed:
        yield "not done"
    if line.clock_fell:
        yield "clock set back"
