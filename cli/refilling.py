"""Refilling, from the command line: a restored ledger gets back what it lost (evidence.md 5.5, point 1).

JSON, schema ``release-ledger/refill/1``: ``first`` and ``last`` event that came back, ``tree_size``,
``root``, and ``event``, the number of the event that records it.
"""

import json
from pathlib import Path

from cli import bootstrap
from cli.changing import catch_up, why
from cli.installation_options import RecoverOptions
from cli.outside import held_outside, refuse_standing_alarms
from cli.session import Session
from ledger.domain.ledger_events import LEDGER_STREAM, LedgerRefilled
from ledger.domain.records import Context

SCHEMA = "release-ledger/refill/1"


def refill_ledger(bundle: str, options: RecoverOptions, *, session: Session) -> int:
    """Put back what was lost, record that, and say so; return the exit code.

    Raises: AlarmStandsError, the errors of ``refill``, and what recording raises.
    """
    reason, ticket = why(options, session)
    folder = session.settings.ledger.value
    with bootstrap.open_holders(session.settings) as holders:
        refuse_standing_alarms(holders)
    refilled = bootstrap.tip_desk(folder).refill(Path(bundle), wait=options.wait)
    with held_outside(session) as outside, bootstrap.open_record(folder, after=outside.hand_over) as (record, identity):
        event = LedgerRefilled(
            originator_version=record.version(LEDGER_STREAM) + 1,
            context=Context(actor=identity.actor, source=identity.source, reason=reason, ticket=ticket),
            first=refilled.first,
            tree_size=refilled.size,
            root_sha256=refilled.root.hex(),
        )
        (number,) = record.record([event])
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
