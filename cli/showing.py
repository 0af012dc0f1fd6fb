"""Showing one attempt, or one event that belongs to none, for a command."""

import sqlite3
from collections.abc import Mapping, Sequence

from cli.listing import event_at
from cli.notes import notes_of
from cli.personal import personal_in
from cli.placing import place_in
from cli.reading import ask, now
from cli.render_show import Beside, attempt_json, attempt_text, event_text, record_json
from cli.session import Session
from projections.attempts import attempt_in_full
from projections.read import StoredEvent
from projections.view import View
from projections.when import resolve_when


def show_event(text: str, *, session: Session, proof: bool = False) -> None:
    """Print the attempt of the event that *text* names, or the event itself.

    With *proof* it ends with the proof of the event; as JSON each event has its own.
    Raises: the errors of reading a ledger and of proofs; WhenError, NoSuchEventError.
    """

    def question(view: View, ledger: sqlite3.Connection) -> str:
        number = resolve_when(view, text, now=now()).number
        event = event_at(ledger, number)
        row = view.attempt(event.envelope.get("attempt", ""))
        events = (event,) if row is None else _events_of(view, ledger, row.attempt)
        proofs = _proofs(ledger, view.size(), events) if proof else {}
        personal_of = personal_in(ledger)
        personal = {one.number: personal_of(one) for one in events}
        beside = Beside(notes_of(view), place_in(ledger), proofs, personal)
        if session.json:
            if row is None:
                return record_json(event, beside=beside)
            return attempt_json(attempt_in_full(events, row), events, beside=beside)
        if row is None:
            shown = event_text(event, beside=beside)
        else:
            shown = attempt_text(attempt_in_full(events, row), events, beside=beside)
        return shown + (_paragraph(number, proofs[number]) if proof else "")

    session.terminal.write(ask(session, question))


def _proofs(ledger: sqlite3.Connection, size: int, events: Sequence[StoredEvent]) -> Mapping[int, str]:
    from cli.proving import proofs_of  # noqa: PLC0415 # only who asks for a proof pays for it

    prove = proofs_of(ledger, size)
    return {event.number: prove(event.number) for event in events}


def _paragraph(number: int, proof: str) -> str:
    from cli.proving import proof_paragraph  # noqa: PLC0415 # as above

    return proof_paragraph(number, proof)


def _events_of(view: View, ledger: sqlite3.Connection, attempt: str) -> tuple[StoredEvent, ...]:
    return tuple(event_at(ledger, number) for number in view.attempt_events(attempt))
