"""Showing one attempt, or one event that belongs to none, for a command."""

import sqlite3
from collections.abc import Mapping, Sequence

from cli.listing import event_at
from cli.notes import notes_of
from cli.personal import personal_in
from cli.placing import Place
from cli.reading import Moment, as_then, ask, now
from cli.render_show import Beside, attempt_json, attempt_text, event_text, record_json
from cli.session import Session
from cli.wrapping import fitted
from projections.attempts import attempt_in_full
from projections.history import NOTE_ADDED, type_of
from projections.read import StoredEvent
from projections.view import View
from projections.when import resolve_when


def show_event(text: str, *, at: str | None = None, session: Session, proof: bool = False) -> None:
    """Print the attempt of the event that *text* names, or the event itself; with *at* what was known then.

    With *proof* it ends with the proof of the event; as JSON each event has its own.
    Raises: the errors of reading a ledger and of proofs; WhenError, NoSuchEventError.
    """

    def question(newest: View, ledger: sqlite3.Connection) -> tuple[str, Moment]:
        view, moment = as_then(newest, ledger, at)
        number = resolve_when(view, text, now=now()).event
        event = event_at(ledger, number)
        row = view.attempt(event.envelope.get("attempt", ""))
        events = (event,) if row is None else _events_of(view, ledger, row.attempt)
        proofs = _proofs(ledger, newest.size(), events) if proof else {}
        personal_of = personal_in(ledger)
        personal = {one.number: personal_of(one) for one in events}
        beside = Beside(notes_of(view), Place(moment.size, moment.root), proofs, personal, moment, _about(view, event))
        if session.json:
            if row is None:
                return record_json(event, beside=beside), moment
            return attempt_json(attempt_in_full(events, row), events, beside=beside), moment
        if row is None:
            shown = event_text(event, beside=beside)
        else:
            shown = attempt_text(attempt_in_full(events, row), events, beside=beside)
        return shown + (_paragraph(number, proofs[number]) if proof else ""), moment

    shown, moment = ask(session, question)
    session.terminal.write(shown if session.json else fitted(shown))
    if at is not None:
        session.terminal.advise(moment.in_words)


def _about(view: View, event: StoredEvent) -> str | None:
    """Return the event that a note is on, by its number and id; None for any other event."""
    if type_of(event.topic) != NOTE_ADDED:
        return None
    noted = event.data["event_id"]
    return next((f"on event {number}, {name}" for name, number in view.ids_starting(noted) if name == noted), noted)


def _proofs(ledger: sqlite3.Connection, size: int, events: Sequence[StoredEvent]) -> Mapping[int, str]:
    from cli.proving import proofs_of  # noqa: PLC0415 # only who asks for a proof pays for it

    prove = proofs_of(ledger, size)
    return {event.number: prove(event.number) for event in events}


def _paragraph(number: int, proof: str) -> str:
    from cli.proving import proof_paragraph  # noqa: PLC0415 # as above

    return proof_paragraph(number, proof)


def _events_of(view: View, ledger: sqlite3.Connection, attempt: str) -> tuple[StoredEvent, ...]:
    return tuple(event_at(ledger, number) for number in view.attempt_events(attempt))
