"""Outside holders for the length of a command: who lags is said at its end, an alarm is exit 6.

Nothing a holder does breaks off a change. What a change does to the node is finished and told
first; then the alarm is the error of the command, since the record may not be the only one.
While its file stands, no later change begins.
"""

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli import bootstrap
from cli.error_report import as_json, as_text
from ledger.application.nobody_outside import NobodyOutside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.session import Session
    from ledger.application.anchoring import Holders, Outside


@contextmanager
def held_outside(session: "Session", *, idle: bool = False) -> "Iterator[Outside | NobodyOutside]":
    """Give the holders of the ledger to a command that records; *idle* says that it does not, and asks them nothing.

    Raises: the errors of their settings; AlarmStandsError; EvidenceError, at the end, for an alarm.
    """
    session.records = session.records or not idle
    if bootstrap.has_nobody_outside(session.settings):
        yield NobodyOutside()
        return
    with bootstrap.open_holders(session.settings) as holders:
        if not idle:
            refuse_standing_alarms(holders)
        outside = holders.outside
        try:
            yield outside
        except KeyboardInterrupt:
            raise  # nobody waits for a holder then
        except BaseException:
            _finish(outside, session, idle=idle)
            for alarm in outside.alarms:
                session.terminal.complain(as_json(alarm) if session.json else as_text(alarm))
            raise
        _finish(outside, session, idle=idle)
        for alarm in outside.alarms:
            raise alarm


def refuse_standing_alarms(holders: "Holders") -> None:
    """Let nothing begin while what a holder said against the ledger is not explained.

    Raises: AlarmStandsError.
    """
    if holders.standing:
        from ledger.application.standing_alarm import AlarmStandsError  # noqa: PLC0415 # next to none has an alarm

        raise AlarmStandsError(holders.standing)


def _finish(outside: "Outside", session: "Session", *, idle: bool) -> None:
    if not idle:
        outside.hand_over(patient=True)
    for late in outside.late:
        if not late.alarm:
            session.terminal.warn(f"{late.sink} does not hold the newest events: {late.error} ({late.error.fact})")
