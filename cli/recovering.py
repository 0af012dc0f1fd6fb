"""Recovering, from the command line: what was found is said, then asked, then closed (PRODUCT section 4).

Without a terminal and without ``--yes`` it goes on where the facts decide alone (RULINGS 27).
``--dry-run`` stops after the finding, and leaves installation and ledger as they are to the byte.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli import bootstrap, drivers
from cli.changing import agreed, allowed_by, catch_up, driver_of, tell_of_trials, why
from cli.exit_codes import DONE
from cli.installation_options import RecoverOptions
from cli.offline import at_hand
from cli.outside import held_outside
from cli.session import Session
from ledger.application.ports import NodeDownError
from ledger.application.recover import Findings, Recovered, Recovery
from ledger.errors import OpenAttemptError, UsageError
from projections.read import as_it_was

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "release-ledger/recovery/1"


class NoDryRunError(UsageError):
    """What is asked for cannot be tried without doing it."""

    def __init__(self, option: str) -> None:
        super().__init__(
            f"--dry-run does not go with {option}",
            fact=f"{option} mends the ledger, and --dry-run looks at the installation",
            hint="leave one of them away",
        )


def refuse_dry_run(options: RecoverOptions) -> None:
    """Let no other way of recovering run where only a look was asked for.

    Raises: NoDryRunError.
    """
    if options.dry_run and options.refill is not None:
        raise NoDryRunError("--refill")
    if options.dry_run and options.accept_tip:
        raise NoDryRunError("--accept-tip")


def recover_installation(options: RecoverOptions, *, session: Session) -> int:
    """Close and mend what is open on the installation that is meant; return the exit code.

    Raises: RecoveryUndecidedError, and whatever breaks it.
    """
    if options.dry_run:
        return _dry_run(options, session)
    reason, ticket = why(options, session)
    try:
        with (
            at_hand(session, wait=options.wait),
            held_outside(session) as outside,
            bootstrap.at_work(
                session.settings,
                driver=driver_of(options, session),
                reason=reason,
                ticket=ticket,
                after=outside.hand_over,
                tell=session.terminal.advise,
                offline=bool(allowed_by(options, reason=reason)),
                wait=options.wait,
            ) as bench,
        ):
            recovery = Recovery(
                record=bench.record,
                handler=bench.handler,
                installation=bench.installation,
                left_overs=drivers.left_overs_of(Path(bench.node.root)),
                lock=bench.lock,
                stream=bench.node.id,
                contexts=bench.contexts,
                new_id=bench.new_id,
            )
            recovered = recovery.recover(
                confirm=lambda findings: _agreed(findings, session, yes=options.yes), wait=options.wait
            )
            _tell(recovered, session)
    except NodeDownError as exc:
        for line in exc.words:
            session.terminal.say(line)
        raise
    finally:
        catch_up(session)
    return 0


def _dry_run(options: RecoverOptions, session: Session) -> int:
    """Tell what would be done; return 5, as every change does, where there is something, else 0."""
    reason, ticket = why(options, session)
    with (
        at_hand(session, wait=options.wait, dry=True),
        as_it_was(session.settings.ledger.value),
        bootstrap.at_work(
            session.settings,
            driver=driver_of(options, session),
            reason=reason,
            ticket=ticket,
            after=None,
            tell=session.terminal.advise,
            offline=bool(allowed_by(options, reason=reason)),
            wait=options.wait,
        ) as bench,
    ):
        handler, lock = drivers.looking_at(bench.node, bench.handler)
        looked = Recovery(
            record=bench.record,
            handler=handler,
            installation=bench.installation,
            left_overs=drivers.left_overs_of(Path(bench.node.root)),
            lock=lock,
            stream=bench.node.id,
            contexts=bench.contexts,
            new_id=bench.new_id,
        ).look(wait=options.wait)
    findings = looked.findings
    if session.json:
        session.terminal.write(_as_json(looked, planned=True))
    else:
        for line in _found_lines(findings):
            session.terminal.say(line)
        if not findings.found:
            session.terminal.say("Nothing to recover.")
        for line in findings.advice:
            session.terminal.say(f"Not mended: {line}")
    return OpenAttemptError.code if findings.found else DONE


def _agreed(findings: Findings, session: Session, *, yes: bool) -> bool:
    for line in _found_lines(findings):
        session.terminal.say(line)
    asks = sys.stdin is not None and sys.stdin.isatty() and not yes
    return not asks or agreed("Do this?")


def _found_lines(findings: Findings) -> "Iterator[str]":
    yield from (f"Found: {line}" for line in findings.found)
    yield from (f"To do: {line}" for line in findings.todo)


def _tell(recovered: Recovered, session: Session) -> None:
    if session.json:
        session.terminal.write(_as_json(recovered))
        return
    for line in recovered.done:
        session.terminal.say(f"Done: {line}")
    session.terminal.say("Nothing to recover." if recovered.result is None else f"Recovered: {_result(recovered)}")
    for line in recovered.findings.advice:
        session.terminal.say(f"Not mended: {line}")
    if recovered.events:
        session.terminal.advise(f"recorded as events {recovered.events[0]} to {recovered.events[-1]}")
    tell_of_trials(recovered.node.tables, session)


def _result(recovered: Recovered) -> str:
    return str(recovered.result).replace("_", " ")


def _as_json(recovered: Recovered, *, planned: bool = False) -> str:
    events, findings = recovered.events, recovered.findings
    record: dict[str, object] = {
        "schema": SCHEMA,
        "node": recovered.node.node,
        "result": _result_in_json(recovered, planned=planned),
        "found": findings.found,
        "done": recovered.done,
        "advice": findings.advice,
        "releases": [{"vsn": vsn, "status": str(status)} for vsn, status in recovered.node.tables.memory],
    }
    if planned:
        record["todo"] = findings.todo
    if events:
        record["first_event"], record["last_event"] = events[0], events[-1]
    return json.dumps(record, separators=(",", ":")) + "\n"


def _result_in_json(recovered: Recovered, *, planned: bool) -> str:
    if planned and recovered.findings.found:
        return "planned"
    return "nothing" if recovered.result is None else str(recovered.result)
