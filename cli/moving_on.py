"""Moving a ledger, from the command line: what a host recorded goes on in another ledger (docs/decisions/0024).

The order is such that a break at any point leaves nothing in doubt: both ledgers are looked at and
whatever forbids it is refused; this host joins the new one; the old one gets its last event, after
which it takes no other; then it is imported whole. Until the last event is there the old ledger is
in force, afterwards only the new one is; running it again does what is missing.

JSON, schema ``release-ledger/move/1``: ``ledger`` and ``origin`` that moved, ``to`` and
``to_origin`` where it goes on, ``vkey`` of this host there, ``tree_size`` and ``root`` of what
moved, ``imported`` (events that this run brought), and ``first_event`` and ``last_event`` where
they stand, absent where nothing was left to do.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from cli import bootstrap, drivers, ledger_place
from cli.changing import catch_up, confirm, why
from cli.importing import record_import
from cli.options import Everywhere, LeaveOptions
from cli.outside import held_outside
from cli.session import Session
from ledger.application.importing import Import, Imported
from ledger.dataclass import dataclass
from ledger.domain.imported import note_lines
from ledger.domain.ledger_events import LEDGER_STREAM, LedgerMoved
from ledger.domain.records import Context
from ledger.errors import LedgerError, RefusedError, UsageError
from projections.read import log_size, note_at, open_ledger

if TYPE_CHECKING:
    from cli.bootstrap import RecordOfCommand
    from cli.ledger_place import MadeLedger

SCHEMA = "release-ledger/move/1"


class ServedMoveError(UsageError):
    """The ledger that is to move lies in PostgreSQL."""

    def __init__(self) -> None:
        super().__init__(
            "a ledger in PostgreSQL does not move",
            fact="it is moved by the means of the database, and keeps its name and its keys",
            hint="name the folder of a host's own ledger with --ledger",
        )


class MovedElsewhereError(RefusedError):
    """The ledger has moved already, to another one."""

    def __init__(self, *, to: str, origin: str) -> None:
        super().__init__(
            f"this ledger has moved already: it goes on as {origin}",
            fact=f"its last event says so, and that it lies at {to}",
            hint=f"give `--to {to}` to finish that move; what went on there is moved from there",
        )
        self.to, self.origin = to, origin


class PlaceEmptyError(UsageError):
    """An empty text was given as the place where the ledger is to go on."""

    def __init__(self) -> None:
        super().__init__(
            "--to names no place",
            fact="it is empty, as a variable is that was never set; a move is not taken back",
            hint="name the place: --to postgresql://..., or a folder",
        )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where a ledger is to go on."""

    to: str
    name: str | None
    wait: float


def move_ledger(wanted: Wanted, options: LeaveOptions, *, session: Session) -> int:
    """Let the ledger of the session go on at *wanted*; return the exit code.

    Raises: PlaceEmptyError, ServedMoveError, MovedElsewhereError; the errors of the source, of joining, of importing
    and of recording.
    """
    why(options, session)
    if not wanted.to.strip():
        raise PlaceEmptyError
    old = session.settings.ledger.value
    if ledger_place.address_in(old) is not None:
        raise ServedMoveError
    new = Session(Everywhere(**{**session.options.items(), "ledger": wanted.to}))
    if not options.yes:
        confirm(f"move the ledger {old} to {wanted.to}")
    policy = bootstrap.own_policy(old)
    with bootstrap.original_at(old, policy=policy, moves=True, progress=session.terminal.count) as original:
        _refuse_another(old, new.settings.ledger.value)
        made = _joined(wanted, new)
        with bootstrap.open_record(new.settings.ledger.value) as (record, _):
            Import(original, record, into=record.origin).check()
    with _held(old, wait=wanted.wait) as roots:
        _close(old, wanted, made, options, session=session, note=_newest_note(new))
        try:
            with bootstrap.original_at(old, policy=policy, moves=True, progress=session.terminal.count) as original:
                imported = record_import(original, options, session=new)
            for root in roots:
                drivers.mark_installation(root, made.folder)
        except LedgerError:
            session.terminal.warn("the old ledger takes no changes any more; the same command finishes the move")
            raise
    _tell(imported, wanted, made, session)
    return 0


def _refuse_another(old: Path, new: Path) -> None:
    """Refuse to join or make the ledger in the folder *new* where *old* went on in another one already."""
    with bootstrap.open_record(old) as (record, _):
        last = _moved(record)
    if last is not None and ledger_place.origin_there(new) != last.to_origin:
        raise MovedElsewhereError(to=last.to, origin=last.to_origin)


def _moved(record: "RecordOfCommand") -> LedgerMoved | None:
    return next((event for event in record.stored(LEDGER_STREAM) if isinstance(event, LedgerMoved)), None)


def _joined(wanted: Wanted, new: Session) -> "MadeLedger":
    settings = new.settings
    made = ledger_place.make_ledger(settings.ledger.value, origin=wanted.name, tip_guard=settings.tip_guard.value)
    new.settle_again()
    return made


def _newest_note(new: Session) -> bytes | None:
    with open_ledger(new.settings.ledger.value) as ledger:
        return note_at(ledger, log_size(ledger))


@contextmanager
def _held(old: Path, *, wait: float) -> Iterator[Sequence[Path]]:
    """Hold the installations of the ledger, so that no change of theirs is between two records; give their roots."""
    with bootstrap.open_record(old) as (record, _):
        places = [place for place in record.whereabouts() if place.registered]
    with ExitStack() as held:
        roots = [root for root in dict.fromkeys(Path(place.root) for place in places) if root.is_dir()]
        for root in roots:
            held.enter_context(drivers.installation_lock(root).hold("move", wait=wait))
        yield roots


def _close(
    old: Path, wanted: Wanted, made: "MadeLedger", options: LeaveOptions, *, session: Session, note: bytes | None
) -> None:
    """Record in the old ledger that it goes on elsewhere, unless it says so already."""
    reason, ticket = why(options, session)
    served = ledger_place.SCHEMES
    try:
        with (
            held_outside(session) as outside,
            bootstrap.open_record(old, after=outside.hand_over) as (record, identity),
        ):
            last = _moved(record)
            if last is not None:
                if last.to_origin != made.origin:
                    raise MovedElsewhereError(to=last.to, origin=last.to_origin)
                return
            record.verify_tail()
            moved = LedgerMoved(
                originator_version=record.version(LEDGER_STREAM) + 1,
                context=Context(actor=identity.actor, source=identity.source, reason=reason, ticket=ticket),
                to=wanted.to if wanted.to.startswith(served) else str(made.folder),
                to_origin=made.origin,
                to_vkey=made.vkey,
                to_checkpoint=note_lines(note) if note is not None else (),
            )
            record.record([moved])
    finally:
        catch_up(session)


def _tell(imported: Imported, wanted: Wanted, made: "MadeLedger", session: Session) -> None:
    terminal, new = session.terminal, imported.size - imported.first
    terminal.say(f"Moved: {imported.size} events of {imported.origin} to {made.origin}")
    if new < imported.size:
        terminal.say(f"Brought by this run: {new}; the others were there already")
    terminal.say(f"Signing key: {made.key_file} (whoever can read it can sign as this host)")
    terminal.say(f"Public key: {made.vkey}")
    # To be copied into a shell: an address may hold "&", and a path that is relative means another folder elsewhere.
    place = quote(wanted.to if wanted.to.startswith(ledger_place.SCHEMES) else str(made.folder))
    terminal.say(f"Goes on with: --ledger {place} (or RELEASE_LEDGER, or `ledger` in the settings of this host)")
    if not session.json:
        return
    record: dict[str, object] = {
        "schema": SCHEMA,
        "ledger": str(session.settings.ledger.value),
        "origin": imported.origin,
        "to": wanted.to,
        "to_origin": made.origin,
        "vkey": made.vkey,
        "tree_size": imported.size,
        "root": imported.root.hex(),
        "imported": new,
    }
    if imported.events:
        record |= {"first_event": imported.events[0], "last_event": imported.events[-1]}
    terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
