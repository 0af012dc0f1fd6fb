"""Notes and corrections, from the command line: something is written beside an event, nothing is edited."""

import json
from unicodedata import normalize

from cli import bootstrap
from cli.changing import catch_up
from cli.listing import event_at
from cli.outside import held_outside
from cli.reading import ask, now
from cli.session import Session
from ledger.domain.canonical import check_text
from ledger.domain.decisions import CORRECTION, NOTE, decide_note
from ledger.domain.ledger_events import LEDGER_STREAM, AnyEvent, LedgerNoteAdded
from ledger.domain.records import Context
from ledger.errors import UsageError
from projections.read import StoredEvent
from projections.when import resolve_when

SCHEMA = "release-ledger/note/1"


class EmptyNoteError(UsageError):
    """There is nothing to note."""

    def __init__(self) -> None:
        super().__init__(
            "the note is empty", fact="TEXT has no line with a character", hint="write what should stand beside it"
        )


def add_note(event: str, text: str, *, corrects: bool, session: Session) -> int:
    """Write *text* beside the event that *event* names; return the exit code.

    Raises: EmptyNoteError, CanonicalError, WhenError, NoSuchEventError; the errors of recording.
    """
    lines = _lines(text)
    noted = ask(session, lambda view, ledger: event_at(ledger, resolve_when(view, event, now=now()).event))
    try:
        with (
            held_outside(session) as outside,
            bootstrap.open_record(session.settings.ledger.value, after=outside.hand_over) as (record, identity),
        ):
            context = Context(actor=identity.actor, source=identity.source)
            (number,) = record.record([_event(record, noted, lines, context=context, corrects=corrects)])
            _tell(number, noted, lines, corrects=corrects, session=session)
    finally:
        catch_up(session)
    return 0


def _lines(text: str) -> tuple[str, ...]:
    # An empty line is no text of a record (evidence.md 1.1).
    lines = tuple(normalize("NFC", line.rstrip()) for line in text.splitlines() if line.strip())
    if not lines:
        raise EmptyNoteError
    return tuple(check_text(line, what="the note") for line in lines)


def _event(
    record: bootstrap.RecordOfCommand, noted: StoredEvent, lines: tuple[str, ...], *, context: Context, corrects: bool
) -> AnyEvent:
    event_id: str = noted.envelope["event_id"]
    if noted.stream != LEDGER_STREAM:
        node = record.releases(noted.stream)
        around = Context(actor=context.actor, source=context.source, node=node.node)
        return decide_note(node, event_id, text=lines, corrects=corrects, context=around)
    return LedgerNoteAdded(
        originator_version=record.version(LEDGER_STREAM) + 1,
        context=Context(actor=context.actor, source=context.source, corrects=event_id if corrects else None),
        event_id=event_id,
        kind=CORRECTION if corrects else NOTE,
        text=lines,
    )


def _tell(number: int, noted: StoredEvent, lines: tuple[str, ...], *, corrects: bool, session: Session) -> None:
    kind = CORRECTION if corrects else NOTE
    if session.json:
        record = {
            "schema": SCHEMA,
            "event": number,
            "noted": noted.number,
            "event_id": noted.envelope["event_id"],
            "kind": kind,
            "text": list(lines),
        }
        session.terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
    else:
        session.terminal.say(f"{'Corrected' if corrects else 'Noted'}: event {noted.number}, by event {number}")
