"""Accepting a tip for which the tip guard does not vouch, from the command line (evidence.md 5.4).

The whole ledger is verified first, with what lies outside of it: receipts, file anchors, and
what is left of the guard. Then the operator is asked; without a terminal ``--yes`` answers. Each
outside holder is shown the tip before anything is recorded: one that speaks against it, or that
does not answer, leaves the tip refused. It ends in an event that says what was found, who
accepted it and why.

The event stands directly behind what was verified. Where many hosts record, what others add meanwhile may
stand between: it is followed as in any append.

JSON, schema ``release-ledger/acceptance/1``: ``result`` accepted or nothing; ``found``,
``guarded``, ``tree_size``, ``root``, ``holders``, and ``event``, the number of the event.
"""

import json
import sys
from typing import TYPE_CHECKING

from cli import bootstrap
from cli.changing import agreed, catch_up, why
from cli.errors import NotConfirmedError
from cli.installation_options import RecoverOptions
from cli.outside import held_outside, refuse_standing_alarms
from cli.session import Session
from ledger.application.anchoring import unheld
from ledger.application.audit_report import AuditReport, Finding, Verdict
from ledger.application.audit_source import HeldNote
from ledger.domain.ledger_events import LEDGER_STREAM, TipAccepted
from ledger.domain.records import Context
from ledger.errors import EvidenceError, UsageError

if TYPE_CHECKING:
    from ledger.application.anchoring import Outside
    from ledger.application.doubtful_tip import DoubtfulTip
    from ledger.application.nobody_outside import NobodyOutside

SCHEMA = "release-ledger/acceptance/1"
_WHAT = "accept the tip"
_REFILL = "keep ledger, tip guard and holders as they are; `recover --refill BUNDLE` puts back what was lost"
_GIVE_BACK = "give back what is missing, or take a holder that is gone for good out of the settings"


class AcceptReasonError(UsageError):
    """A tip was to be accepted without a reason."""

    def __init__(self) -> None:
        super().__init__(
            "to accept a tip needs a reason", fact="--accept-tip was given without --reason", hint="--reason TEXT"
        )


class AcceptRefillError(UsageError):
    """Two ways out were asked for at once."""

    def __init__(self) -> None:
        super().__init__(
            "--accept-tip and --refill are both given",
            fact="one gives up what may have been lost, the other puts it back",
            hint="leave one of them away; try --refill first",
        )


class AcceptNotAskedError(UsageError):
    """Nobody can be asked."""

    def __init__(self, words: str) -> None:
        super().__init__(
            "the tip was not accepted",
            fact=f"{words}; there is no terminal to ask on",
            hint="look at the ledger and its backups, then give --yes",
        )


class TipUnsoundError(EvidenceError):
    """The verification shows that the ledger is not what was signed, or not all of it."""

    kind = "failed"

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"the tip cannot be accepted: {finding.where}", fact=finding.what, hint=_REFILL)
        self.finding = finding


class TipUnprovenError(EvidenceError):
    """The verification could not show all that it must."""

    kind = "undecided"

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"the tip cannot be accepted yet: {finding.where}", fact=finding.what, hint=_GIVE_BACK)
        self.finding = finding


def accept_tip(options: RecoverOptions, *, session: Session) -> int:
    """Verify, ask, show the tip to all holders, record that it was accepted, and say so; return the exit code.

    Raises: TipUnsoundError, TipUnprovenError, NotConfirmedError, AcceptNotAskedError; the errors of the tip guard
    and of holders.
    """
    reason, ticket = why(options, session)
    if options.refill is not None:
        raise AcceptRefillError
    if reason is None:
        raise AcceptReasonError
    folder = session.settings.ledger.value
    desk = bootstrap.tip_desk(folder)
    doubt = desk.doubt()
    if doubt is None:
        return _nothing(session)
    report = _verified(doubt, session)
    _ask(doubt, report, session, yes=options.yes)
    desk.make_room()
    with held_outside(session) as outside:
        event, number = _recorded(doubt, outside, session, why=(reason, ticket))
    _tell(event, number, session)
    catch_up(session)
    return 0


def _recorded(
    doubt: "DoubtfulTip", outside: "Outside | NobodyOutside", session: Session, *, why: tuple[str, str | None]
) -> tuple[TipAccepted, int]:
    (reason, ticket), holders, folder = why, outside.confront(), session.settings.ledger.value
    with bootstrap.open_record(folder, after=outside.hand_over, accepting=doubt) as (record, identity):
        event = TipAccepted(
            originator_version=record.version(LEDGER_STREAM) + 1,
            context=Context(actor=identity.actor, source=identity.source, reason=reason, ticket=ticket),
            found=str(doubt.found),
            tree_size=doubt.tip.size,
            root_sha256=doubt.tip.root.hex(),
            guarded=doubt.guarded,
            guard_sha256=doubt.guard_sha256,
            holders=holders,
        )
        (number,) = record.record([event])
    return event, number


def _verified(doubt: "DoubtfulTip", session: Session) -> AuditReport:
    """Return the report of a full verification against all that is known outside the database."""
    folder = session.settings.ledger.value
    with bootstrap.open_holders(session.settings) as holders:
        refuse_standing_alarms(holders)
        unheld(holders.anchors, store=holders.store)
    policy = bootstrap.own_policy(folder)
    held = bootstrap.anchored_notes(session.settings, policy)
    if doubt.guarded is not None and doubt.held is not None:
        held = (*held, HeldNote(f"the tip guard {doubt.place}", doubt.held, outside=False))
    report = bootstrap.verify(
        folder,
        policy=policy,
        held=held,
        guarded=False,
        served=True,
        level=None,
        since=None,
        progress=session.terminal.progress,
    )
    if report.verdict is Verdict.VERIFIED or report.reason is None:
        return report
    raise (TipUnsoundError if report.verdict is Verdict.FAILED else TipUnprovenError)(report.reason)


def _ask(doubt: "DoubtfulTip", report: AuditReport, session: Session, *, yes: bool) -> None:
    asks = sys.stdin is not None and sys.stdin.isatty()
    if not asks and not yes:
        raise AcceptNotAskedError(doubt.words)
    session.terminal.say(f"Found: {doubt.words}")
    session.terminal.say(f"Verified: {report.size} events, {report.outside_words}")
    session.terminal.say(f"To do: accept the tip of {report.size} events; nothing here shows that there were no more")
    if asks and not yes and not agreed("Accept this tip?"):
        raise NotConfirmedError(_WHAT)


def _nothing(session: Session) -> int:
    session.terminal.say("Nothing to accept: the tip guard vouches for the ledger.")
    if session.json:
        session.terminal.write(json.dumps({"schema": SCHEMA, "result": "nothing"}, separators=(",", ":")) + "\n")
    return 0


def _tell(event: TipAccepted, number: int, session: Session) -> None:
    session.terminal.say(f"Accepted: the tip of {event.tree_size} events, recorded as event {number}")
    if not session.json:
        return
    answer: dict[str, object] = {"schema": SCHEMA, "result": "accepted", "found": event.found}
    if event.guarded is not None:
        answer["guarded"] = event.guarded
    answer |= {
        "tree_size": event.tree_size,
        "root": event.root_sha256,
        "holders": event.holders,
        "event": number,
    }
    session.terminal.write(json.dumps(answer, separators=(",", ":")) + "\n")
