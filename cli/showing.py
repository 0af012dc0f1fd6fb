"""Showing one attempt, or one event that belongs to none, for a command."""

import sqlite3

from cli.listing import event_at
from cli.reading import ask, now
from cli.render_log import event_json
from cli.render_show import attempt_json, attempt_text, event_text
from cli.session import Session
from projections.attempts import attempt_in_full
from projections.read import StoredEvent
from projections.view import View
from projections.when import resolve_when


def show_event(text: str, *, session: Session) -> None:
    """Print the attempt of the event that *text* names, or the event itself.

    Raises: the errors of reading a ledger; WhenError, NoSuchEventError.
    """

    def question(view: View, ledger: sqlite3.Connection) -> str:
        number = resolve_when(view, text, now=now()).number
        event = event_at(ledger, number)
        row = view.attempt(event.envelope.get("attempt", ""))
        if row is None:
            return event_json(event) if session.json else event_text(event)
        events = _events_of(view, ledger, row.attempt)
        full = attempt_in_full(events, row)
        return attempt_json(full, events) if session.json else attempt_text(full)

    session.terminal.write(ask(session, question))


def _events_of(view: View, ledger: sqlite3.Connection, attempt: str) -> tuple[StoredEvent, ...]:
    return tuple(event_at(ledger, number) for number in view.attempt_events(attempt))
