"""Notes beside the events that they are about: they show wherever the event shows."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.plain_text import plain
from projections.history import Line
from projections.view import View

Notes = Mapping[str, tuple[Line, ...]]


def notes_of(view: View) -> Notes:
    """Return the notes and corrections by the id of the event that they are about, oldest first."""
    notes: dict[str, tuple[Line, ...]] = {}
    for line in view.notes():
        notes[line.noted or ""] = (*notes.get(line.noted or "", ()), line)
    return notes


def note_lines(event_id: str, notes: Notes) -> Iterator[str]:
    """Yield the notes on one event, a line each, safe to show."""
    for line in notes.get(event_id, ()):
        yield f"{plain(line.words)} (event {line.number}, {line.recorded_at}, {plain(line.actor)})"


def note_records(event_id: str, notes: Notes) -> list[Mapping[str, Any]] | None:
    """Return the notes on one event for machines, None where there is none."""
    found = notes.get(event_id, ())
    records = [
        {
            "index": line.number,
            "kind": line.words.partition(":")[0],
            "text": line.words.partition(": ")[2],
            "recorded_at": line.recorded_at,
            "actor": line.actor,
        }
        for line in found
    ]
    return list(records) or None
