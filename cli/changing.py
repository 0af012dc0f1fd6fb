"""A change, from the command line to its outcome (architecture section 3).

The words of the user guide are printed as each step is done; ``--json`` prints the attempt
when it is done instead. What was asked for is judged here only as far as it is about the
command line: a version that is none, an override without a reason, what policy demands.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from unicodedata import normalize

from cli import bootstrap
from cli.errors import InterruptedByUserError, NotConfirmedError
from cli.offline import at_hand
from cli.options import ChangeOptions, Overridable
from cli.outside import held_outside
from cli.render_change import outcome_json, plan_text
from cli.session import Session
from ledger.application.operations import Operations, Options, Outcome
from ledger.application.ports import NodeDownError
from ledger.dataclass import replace
from ledger.domain.forecast import restart_forecast
from ledger.domain.outcomes import Turn
from ledger.domain.reason import Rule
from ledger.domain.records import Verb
from ledger.domain.tables import Tables
from ledger.domain.version import Vsn
from ledger.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from cli.config import Setting
    from cli.fleet_options import FleetOptions
    from cli.installation_options import InstallationOptions, RecoverOptions
    from cli.options import LeaveOptions

    Driven = ChangeOptions | RecoverOptions | InstallationOptions


class OverrideReasonError(UsageError):
    """An override was asked for without a reason."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        super().__init__(
            "an override needs a reason",
            fact=f"--allow {', --allow '.join(rules)} was given without --reason",
            hint="say why: --reason TEXT",
        )


class PolicyError(UsageError):
    """Policy demands what was not given."""

    def __init__(self, option: str, source: str) -> None:
        super().__init__(
            f"policy demands a {option}",
            fact=f"require_{option} = true in {source}",
            hint=f"give it: --{option} TEXT",
        )


def change(
    verb: Verb,
    vsn: str | None,
    *,
    options: ChangeOptions,
    session: Session,
    permanent: bool = True,
    asks: bool = False,
    plan: str | None = None,
) -> int:
    """Do *verb* and print its outcome; return the exit code.

    With *asks* a terminal is asked before; *plan* names the fleet's plan in which it is to be a turn.
    Raises: whatever forbids or breaks it.
    """
    if vsn is not None:
        Vsn.parse(vsn)
    reason, ticket = why(options, session)
    allowed = allowed_by(options, reason=reason)
    if asks and not options.yes and not options.dry_run:
        confirm(f"{verb} {vsn or ''}".strip())
    wanted = _wanted(options, allowed, permanent=permanent)
    try:
        with (
            at_hand(session, wait=options.wait, dry=options.dry_run, plan=plan),
            held_outside(session, idle=options.dry_run) as outside,
            bootstrap.at_work(
                session.settings,
                driver=driver_of(options, session),
                reason=reason,
                ticket=ticket,
                after=None if options.dry_run else outside.hand_over,
                tell=session.terminal.advise,
                offline=Overridable.OFFLINE in allowed,
                wait=options.wait,
            ) as bench,
        ):
            if verb is not Verb.UNPACK and not options.dry_run:
                outside.demand(session.settings.holders.value)
            own = replace(wanted, turn=_turn(plan, bench.node.id, vsn, session))
            outcome = _done(bench, lambda operations: operations.change(verb, vsn, own), session)
            _tell(outcome, session)
    except NodeDownError as exc:
        for line in exc.words:
            session.terminal.say(line)
        raise
    return 0


def why(options: "Driven | LeaveOptions | FleetOptions", session: Session) -> tuple[str | None, str | None]:
    """Return reason and ticket, from the command line or the environment.

    Raises: PolicyError where policy demands one that is not given.
    """
    settings = session.settings
    reason = _text(options.reason, settings.reason)
    ticket = _text(options.ticket, settings.ticket)
    if reason is None and settings.require_reason.value:
        raise PolicyError("reason", settings.require_reason.source)
    if ticket is None and settings.require_ticket.value:
        raise PolicyError("ticket", settings.require_ticket.source)
    return reason, ticket


def allowed_by(options: "ChangeOptions | RecoverOptions", *, reason: str | None) -> tuple[str, ...]:
    """Return what is to be overridden.

    Raises: OverrideReasonError.
    """
    allowed = tuple(str(rule) for rule in options.allow or ())
    if allowed and reason is None:
        raise OverrideReasonError(allowed)
    return allowed


def driver_of(options: "Driven", session: Session) -> str:
    """Return the driver in force."""
    return str(options.driver) if options.driver else session.settings.driver.value


def confirm(what: str) -> None:
    """Ask on a terminal whether to do *what*; without one it goes on (RULINGS 27).

    Raises: NotConfirmedError.
    """
    if sys.stdin is not None and sys.stdin.isatty() and not agreed(f"{what}?"):
        raise NotConfirmedError(what)


def agreed(question: str) -> bool:
    """Ask *question* on the terminal.

    Raises: KeyboardInterrupt where it is not answered.
    """
    import typer  # noqa: PLC0415 # a change that asks nothing does not pay for it

    try:
        return typer.confirm(question, err=True)
    except typer.Abort as exc:
        raise KeyboardInterrupt from exc


def catch_up(session: Session) -> None:
    """Let the view take what was recorded; a view that cannot be written is folded by its next reader."""
    from cli.reading import ask  # noqa: PLC0415 # a command that records nothing reads no view

    with suppress(LedgerError, OSError):
        ask(session, lambda view, _: view.size())


def _wanted(options: ChangeOptions, allowed: tuple[str, ...], *, permanent: bool) -> Options:
    return Options(
        permanent=permanent,
        allowed=frozenset(Rule(rule) for rule in allowed if rule != Overridable.OFFLINE),
        dry_run=options.dry_run,
        wait=options.wait,
    )


def _turn(plan: str | None, stream: str, vsn: str | None, session: Session) -> Turn | None:
    if plan is None:
        return None
    from cli.plan_progress import own_turn  # noqa: PLC0415 # only a turn pays for it

    return own_turn(plan, stream=stream, vsn=vsn or "", session=session)


def _done(bench: bootstrap.Bench, do: Callable[[Operations], Outcome], session: Session) -> Outcome:
    operations = Operations(
        record=bench.record,
        handler=bench.handler,
        installation=bench.installation,
        lock=bench.lock,
        stream=bench.node.id,
        contexts=bench.contexts,
        new_id=bench.new_id,
        teller=session.terminal,
    )
    try:
        return do(operations)
    except KeyboardInterrupt as exc:
        left = bench.record.releases(bench.node.id).open_attempt
        raise InterruptedByUserError(None if left is None else left.attempt) from exc
    finally:
        if bench.record.grown:
            catch_up(session)


def _tell(outcome: Outcome, session: Session) -> None:
    if outcome.result != "planned":
        tell_of_trials(outcome.after, session)
    if session.json:
        session.terminal.write(outcome_json(outcome))
    elif outcome.result == "planned":
        session.terminal.write(plan_text(outcome))


def tell_of_trials(tables: Tables, session: Session) -> None:
    """Say what a restart would lose, and how that is kept."""
    forecast = restart_forecast(tables)
    if forecast.lost:
        session.terminal.advise(f"a restart now {forecast.words}")
        session.terminal.advise(f"hint: `release-ledger permanent {forecast.lost[0]}` keeps the trial")


# The blanks that a text may hold: a reason of nothing else is none.
_BLANKS = " \u00a0\u2007\u202f\u3000"


def _text(option: str | None, setting: "Setting[str | None]") -> str | None:
    # NFC, as every text of a record is; what may not be recorded is refused where it is sealed.
    text = option if option is not None else setting.value
    return normalize("NFC", text) if text and text.strip(_BLANKS) else None
