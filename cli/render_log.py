"""Events as ``log`` prints them: a paragraph each, one line each, or one JSON object a line.

The newest stands first. A rehearsal, a failure and a clock that was set back are marked in
words, never by colour alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.notes import Notes, note_lines, note_records
from cli.personal import Personal, personal_records, who_in_brief
from cli.placing import Place, place_record
from cli.plain_text import plain
from projections.history import Line, type_of
from projections.read import StoredEvent

if TYPE_CHECKING:
    from projections.unwrap import Imported

SCHEMA = "release-ledger/event/1"


def paragraphs(line: Line, *, notes: Notes, personal: Sequence[Personal] = ()) -> str:
    """Return one event as a paragraph, with the *notes* on it and the login name that it committed to."""
    return "".join(f"{text}\n" for text in (*_paragraph(line, personal), *_notes(line, notes))) + "\n"


def one_line(line: Line, *, notes: Notes) -> str:
    """Return one event on one line, with what corrects it."""
    marks = (*_marks(line), *note_lines(line.event_id, notes))
    parts = (str(line.number), line.recorded_at, node_of(line), line.actor, line.words, line.ticket, *marks)
    return "  ".join(plain(part) for part in parts if part) + "\n"


def event_record(
    stored: StoredEvent,
    *,
    proof: str | None = None,
    notes: Notes | None = None,
    place: Place | None = None,
    personal: Sequence[Personal] = (),
    as_of: Mapping[str, object] | None = None,
) -> Mapping[str, Any]:
    """Return one event for machines: what its envelope says of it, and what shows beside it."""
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
        "corrects": envelope.get("corrects"),
        "data": stored.data,
        "notes": None if notes is None else note_records(envelope["event_id"], notes),
        "place": None if place is None else place_record(stored, place),
        "disclosed": personal_records(personal),
        "proof": proof,
        # Without the bytes that were hashed nobody could check the proof.
        "leaf": None if proof is None else stored.state.decode(),
        "imported": None if stored.imported is None else imported_record(stored.imported),
        "as_of": as_of,
    }
    return {name: value for name, value in record.items() if value is not None}


def event_json(
    stored: StoredEvent,
    *,
    proof: str | None = None,
    notes: Notes | None = None,
    place: Place | None = None,
    personal: Sequence[Personal] = (),
    as_of: Mapping[str, object] | None = None,
) -> str:
    """Return one event as one line of JSON."""
    record = event_record(stored, proof=proof, notes=notes, place=place, personal=personal, as_of=as_of)
    return json.dumps(record, separators=(",", ":")) + "\n"


def imported_record(imported: "Imported") -> Mapping[str, object]:
    """Return where an event was imported from, for machines."""
    return {"origin": imported.origin, "index": imported.number, "at": imported.at, "by": imported.by}


def node_of(line: Line) -> str:
    """Return the node of an event; a rehearsal is marked (RULINGS 2)."""
    return f"{line.node or line.stream}{' (rehearsal)' if line.rehearsal else ''}"


def _paragraph(line: Line, personal: Sequence[Personal]) -> Iterator[str]:
    marks = "".join(f"  [{mark}]" for mark in _marks(line))
    yield f"event {line.number}: {plain(line.words)}{marks}"
    for title, value in (
        ("when", line.recorded_at),
        ("node", node_of(line)),
        ("who", who_in_brief(line.actor, personal)),
        ("why", line.reason),
        ("ticket", line.ticket),
        ("attempt", line.attempt),
    ):
        if value:
            yield f"  {title:<8}{plain(value)}"


def _notes(line: Line, notes: Notes) -> Iterator[str]:
    return (f"  {text}" for text in note_lines(line.event_id, notes))


def _marks(line: Line) -> Iterator[str]:
    if line.imported is not None:
        yield f"imported: event {line.imported_index} of {line.imported}"
    if line.failed:
        yield "not done"
    if line.clock_fell:
        yield "clock set back"
