"""Importing, from the command line: another ledger's history comes into this one, with its proofs.

JSON, schema ``release-ledger/import/1``: ``origin``, ``form``, ``first`` (its first event that was
new), ``tree_size`` and ``root`` of the source, ``imported`` (how many events were recorded),
``streams`` (of the installations that the source has), ``disclosed`` (personal values that came along), and
``first_event`` and ``last_event`` where they stand, absent where nothing was new.
"""

import json
import os
from pathlib import Path

from cli import bootstrap
from cli.changing import catch_up, why
from cli.options import LeaveOptions
from cli.outside import held_outside
from cli.plain_text import plain
from cli.session import Session
from cli.verifying import TrustInsideError, TwoTrustsError, read_policy
from ledger.application.import_original import Original
from ledger.application.importing import ContextOf, Import, Imported
from ledger.dataclass import dataclass
from ledger.domain.ledger_events import ImportForm
from ledger.domain.records import Context
from ledger.errors import LedgerError, UsageError
from ledger.tlog.policy import Log, Policy
from ledger.tlog.vkey import Vkey

SCHEMA = "release-ledger/import/1"


class SourceMissingError(UsageError):
    """There is nothing to import where it was looked for."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"there is nothing to import at {source}",
            fact="it does not exist, or this user may not look there",
            hint="name the folder of a ledger, or a bundle (folder or zip)",
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is imported, and whom one trusts for it."""

    source: str
    policy: str | None
    vkey: str | None


def import_asked(asked: Asked, options: LeaveOptions, *, session: Session) -> int:
    """Verify the source, record what is new of it, and say so; return the exit code.

    Raises: TwoTrustsError, TrustInsideError, SourceMissingError; the errors of the source, of ``Import`` and of
    recording.
    """
    path, policy = Path(asked.source), _policy(asked)
    # An empty text is the current folder to pathlib, which also breaks off where it may not look.
    if not asked.source or not os.path.exists(path):  # noqa: PTH110 # pathlib raises where it may not look
        raise SourceMissingError(asked.source)
    if asked.policy is not None and Path(asked.policy).resolve().is_relative_to(path.resolve()):
        raise TrustInsideError("--policy", asked.policy, path)
    with bootstrap.original_at(path, policy=policy, progress=session.terminal.count) as original:
        imported = record_import(original, options, session=session)
    tell_import(imported, ImportForm.IMPORT, session)
    return 0


def record_import(original: Original, options: LeaveOptions, *, session: Session) -> Imported:
    """Record what is new of *original* in the ledger of the session.

    Raises: as ``import_asked``.
    """
    reason, ticket = why(options, session)
    try:
        with (
            held_outside(session) as outside,
            bootstrap.open_record(session.settings.ledger.value, after=outside.hand_over) as (record, identity),
        ):
            run = Import(original, record, into=record.origin)
            record.verify_tail()
            context = Context(actor=identity.actor, source=identity.source, reason=reason, ticket=ticket)
            try:
                return run.run(context=_contexts(context), progress=session.terminal.count)
            except LedgerError:
                if record.grown:
                    session.terminal.warn("what was imported so far stays; the same command goes on from there")
                raise
    finally:
        catch_up(session)


def _contexts(context: Context) -> ContextOf:
    """Return what gives the context of an event by its node."""

    def of(node: str | None) -> Context:
        return Context(
            actor=context.actor, source=context.source, node=node, reason=context.reason, ticket=context.ticket
        )

    return of


def tell_import(imported: Imported, form: ImportForm, session: Session) -> None:
    """Say what was imported."""
    of = f"{_counted(imported.size, 'event')} of {imported.origin}, {_counted(len(imported.streams), 'installation')}"
    new = imported.size - imported.first
    if new:
        session.terminal.say(plain(f"Imported: {new} of {of}"))
        session.terminal.say(f"Root: {imported.root.hex()}")
    else:
        there = "the {}, is" if imported.size == 1 else "all {}, are"
        session.terminal.say(plain(f"Nothing to import: {there.format(of)} there already"))
    if imported.disclosed:
        session.terminal.say(f"Personal values that came along: {imported.disclosed}")
    if session.json:
        session.terminal.write(json.dumps(as_record(imported, form), separators=(",", ":")) + "\n")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def as_record(imported: Imported, form: ImportForm) -> dict[str, object]:
    """Return what JSON says of an import."""
    record: dict[str, object] = {
        "schema": SCHEMA,
        "origin": imported.origin,
        "form": str(form),
        "first": imported.first,
        "tree_size": imported.size,
        "root": imported.root.hex(),
        "imported": imported.size - imported.first,
        "streams": imported.streams,
        "disclosed": imported.disclosed,
    }
    if imported.events:
        record |= {"first_event": imported.events[0], "last_event": imported.events[-1]}
    return record


def _policy(asked: Asked) -> Policy | None:
    if asked.policy is not None and asked.vkey is not None:
        raise TwoTrustsError
    if asked.vkey is not None:
        return Policy((Log(Vkey.parse(asked.vkey)),), (), (), None)
    if asked.policy is None:
        return None
    return read_policy(asked.policy)
