"""What this host recorded alone, told and joined from the command line.

JSON of ``spool status``, schema ``release-ledger/spool/1``: ``offline`` (the policy), ``waiting`` (how many
events), ``kept`` (installations with which this host can go on, and whether it is ``unsure``), and where
events wait ``since``, ``nodes``, ``origin``, ``vkey``, ``folder`` and ``verdict``. ``spool join``, schema
``release-ledger/joined/1``: ``joined`` (how many), and ``first_event`` and ``last_event``, where they now stand.
"""

import json

from cli import bootstrap
from cli.exit_codes import DIFFERENT, DONE
from cli.ledger_place import address_in, existing_ledger
from cli.session import Session
from cli.spool_begin import Waiting, waiting_in
from cli.spooling import Apart, apart_of, join_waiting
from cli.verifying import VerifyFailedError
from ledger.application.audit_report import AuditReport, Verdict
from ledger.errors import UsageError

SCHEMA, JOINED_SCHEMA = "release-ledger/spool/1", "release-ledger/joined/1"


class NeverOutOfReachError(UsageError):
    """The ledger lies on this host."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"the ledger in {place} is never out of reach",
            fact="a spool is for a host whose ledger lies in PostgreSQL",
            hint="name that with --ledger postgresql://…",
        )


def tell_spool(*, session: Session) -> int:
    """Tell what waits on this host; return the exit code.

    Raises: NeverOutOfReachError; the errors of reading a ledger; VerifyFailedError, when all is told.
    """
    apart = _apart(session)
    waits = apart is not None and apart.place.is_there
    waiting = waiting_in(apart.place.ledger) if apart is not None and waits else Waiting()
    report = _verified(apart) if apart is not None and waits else None
    if session.json:
        session.terminal.write(_as_json(apart, waiting, report, session))
    else:
        for line in _lines(apart, waiting, report, session):
            session.terminal.say(line)
    if report is not None and report.verdict is Verdict.FAILED and report.reason is not None:
        raise VerifyFailedError(report.reason)
    return DIFFERENT if waiting.size else DONE


def join_spool(*, session: Session) -> int:
    """Bring what waits on this host into the ledger; return the exit code.

    Raises: NeverOutOfReachError; the errors of joining.
    """
    apart = _apart(session)
    waiting, numbers = (Waiting(), ()) if apart is None else join_waiting(session, apart, wait=0)
    if session.json:
        record: dict[str, object] = {"schema": JOINED_SCHEMA, "joined": waiting.size}
        if numbers:
            record |= {"first_event": numbers[0], "last_event": numbers[-1]}
        session.terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
    elif not waiting.size:
        session.terminal.say("Joined: nothing, for nothing waits on this host")
    else:
        where = f", now events {numbers[0]} to {numbers[-1]}" if numbers else ""
        session.terminal.say(f"Joined: {waiting.in_words}{where}")
    return DONE


def _apart(session: Session) -> Apart | None:
    folder = session.settings.ledger.value
    if address_in(folder) is None:
        raise NeverOutOfReachError(str(folder))
    return apart_of(session)


def _verified(apart: Apart) -> AuditReport:
    folder = apart.place.ledger
    return bootstrap.verify(
        folder,
        policy=bootstrap.own_policy(folder),
        held=(),
        guarded=bootstrap.has_guard(folder),
        level=None,
        since=None,
        progress=lambda *_: None,
    )


def _kept(apart: Apart | None) -> tuple[tuple[str, bool], ...]:
    kept = () if apart is None else apart.place.kept.all()
    return tuple((each.stream.partition(":")[2], each.unsure) for each in kept)


def _lines(apart: Apart | None, waiting: Waiting, report: AuditReport | None, session: Session) -> tuple[str, ...]:
    kept = ", ".join(f"{name}{' (unsure)' if unsure else ''}" for name, unsure in _kept(apart))
    lines = [f"Offline: {session.settings.offline.value}", f"Kept: {kept or 'nothing'}", f"Waiting: {waiting.in_words}"]
    if apart is not None and report is not None:
        lines += [f"Of: {node}" for _, node in waiting.streams]
        lines += [f"Folder: {apart.place.ledger}", f"Verified: {report.words}"]
    return tuple(lines)


def _as_json(apart: Apart | None, waiting: Waiting, report: AuditReport | None, session: Session) -> str:
    record: dict[str, object] = {
        "schema": SCHEMA,
        "offline": session.settings.offline.value,
        "waiting": waiting.size,
        "kept": [{"node": name, "unsure": unsure} for name, unsure in _kept(apart)],
    }
    if apart is not None and report is not None:
        ledger = existing_ledger(apart.place.ledger)
        record |= {"nodes": [node for _, node in waiting.streams], "verdict": str(report.verdict)}
        record |= {"origin": ledger.origin, "vkey": ledger.vkey, "folder": str(apart.place.ledger)}
        record |= {"since": waiting.since} if waiting.since else {}
    return json.dumps(record, separators=(",", ":")) + "\n"
