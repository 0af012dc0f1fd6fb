"""Refilling, from the command line: a restored ledger gets back what it lost (evidence.md 5.5, point 1).

JSON, schema ``release-ledger/refill/1``: ``first`` and ``last`` event that came back, ``tree_size``,
``root``, and ``event``, the number of the event that records it.
"""

import json
from typing import TYPE_CHECKING

from cli import bootstrap
from cli.changing import catch_up, why
from cli.installation_options import RecoverOptions
from cli.outside import held_outside, refuse_standing_alarms
from cli.session import Session
from ledger.domain.ledger_events import LEDGER_STREAM, LedgerRefilled
from ledger.domain.records import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.application.refill import Refilled

SCHEMA = "release-ledger/refill/1"


def refill_ledger(bundle: str, options: RecoverOptions, *, session: Session) -> int:
    """Put back what was lost, record that, and say so; return the exit code.

    What came back is shown to the holders before anything new is recorded: one that has more than that would have
    to call it a fork ever after.
    Raises: AlarmStandsError, the errors of ``refill``, and what recording raises; EvidenceError for an alarm.
    """
    reason, ticket = why(options, session)
    folder = session.settings.ledger.value
    with bootstrap.open_holders(session.settings) as holders:
        refuse_standing_alarms(holders)
    refilled = bootstrap.tip_desk(folder).refill(bundle, wait=options.wait)
    with held_outside(session) as outside:
        outside.hand_over(patient=True)
        # An alarm ends this block as an error.
        number = -1 if outside.alarms else _recorded(refilled, outside.hand_over, session, why=(reason, ticket))
    last = refilled.size - 1
    session.terminal.say(f"Refilled: events {refilled.first} to {last}, recorded as event {number}")
    if session.json:
        answer = {
            "schema": SCHEMA,
            "first": refilled.first,
            "last": last,
            "tree_size": refilled.size,
            "root": refilled.root.hex(),
            "event": number,
        }
        session.terminal.write(json.dumps(answer, separators=(",", ":")) + "\n")
    catch_up(session)
    return 0


def _recorded(
    refilled: "Refilled", after: "Callable[[], object]", session: Session, *, why: tuple[str | None, str | None]
) -> int:
    reason, ticket = why
    with bootstrap.open_record(session.settings.ledger.value, after=after) as (record, identity):
        event = LedgerRefilled(
            originator_version=record.version(LEDGER_STREAM) + 1,
            context=Context(actor=identity.actor, source=identity.source, reason=reason, ticket=ticket),
            first=refilled.first,
            tree_size=refilled.size,
            root_sha256=refilled.root.hex(),
        )
        (number,) = record.record([event])
    return number
