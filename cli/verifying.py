"""Verification for the command line: from options to trust, from the report to words or JSON.

JSON, schema ``release-ledger/verify/1``: ``verdict`` verified, failed or undecided; ``level`` the
highest of 0 to 4 that holds with all below, absent where none does; ``meaning`` whether level 5
was shown; ``origin``, ``tree_size``, ``root``, ``signed_by``, ``first`` (the first event that was
checked), ``no_tip_guard`` where a ledger should have one and has none; ``held_outside`` with
``size``, ``by``, ``missing`` and ``since``; ``findings`` with level, verdict, where and what;
``remarks``; ``not_shown``.
"""

import json
from pathlib import Path
from typing import Literal

from cli import bootstrap
from cli.plain_text import plain
from cli.session import Session
from ledger.application.audit_report import AuditReport, Finding, Level, Verdict
from ledger.application.audit_source import HeldNote
from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError, EvidenceError, UsageError
from ledger.tlog.policy import Log, Policy
from ledger.tlog.policy_file import MAX_POLICY, parse_policy
from ledger.tlog.vkey import Vkey

SCHEMA = "release-ledger/verify/1"
_OWN_KEY = "the key came from the ledger's own folder: an auditor gives --vkey or --policy"


class VerifyFailedError(EvidenceError):
    """The record is not what was signed, or not all of it."""

    kind = "failed"

    def __init__(self, finding: Finding) -> None:
        super().__init__(
            f"verification failed: {finding.where}",
            fact=finding.what,
            hint="keep the record as it is; compare it with the newest backup and with what others hold",
        )
        self.finding = finding


class VerifyUndecidedError(CheckFailedError):
    """A check that was asked for could not run."""

    kind = "undecided"

    def __init__(self, finding: Finding | None) -> None:
        super().__init__(
            f"verification is undecided: {finding.where if finding else 'a level asked for was not shown'}",
            fact=finding.what if finding else "",
            hint="give what is missing (--vkey, --policy, --held, the whole bundle), or ask for less with --level",
        )
        self.finding = finding


class TwoTrustsError(UsageError):
    """Both a key and a policy were given."""

    def __init__(self) -> None:
        super().__init__(
            "--vkey and --policy are both given", fact="a policy names its keys itself", hint="leave one of them away"
        )


class UnnamedRecordError(UsageError):
    """An empty text stands where a record is named."""

    def __init__(self) -> None:
        super().__init__(
            "'' names no record",
            fact="it is empty, as a variable is that was never set; the current folder is `.`",
            hint="name a bundle, a folder of tiles or a ledger",
        )


class TrustInsideError(UsageError):
    """What should come from the auditor lies in what is verified."""

    def __init__(self, option: str, file: str, record: Path) -> None:
        super().__init__(
            f"{option} {file} lies inside what is verified",
            fact=f"whoever wrote {record} can have written it as well",
            hint="keep it elsewhere, and have it by another way than the record",
        )


class UnreadablePolicyError(CheckFailedError):
    """The policy file cannot be read."""

    kind = "undecided"

    def __init__(self, path: str, cause: OSError) -> None:
        super().__init__(
            f"the policy {path} cannot be read", fact=cause.strerror or str(cause), hint="name the file of your policy"
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks for."""

    bundle: str | None
    policy: str | None
    vkey: str | None
    state: str | None
    level: int | None
    since: str | None
    held: tuple[str, ...]


def verify_asked(asked: Asked, session: Session) -> int:
    """Verify, print the report, keep what was seen; return 0.

    Raises: VerifyFailedError, VerifyUndecidedError; TrustInsideError; what opening the record raises.
    """
    own = asked.bundle is None
    path = session.settings.ledger.value if asked.bundle is None else record_named(asked.bundle)
    _check_outside(asked, path)
    policy = _policy(asked, path, own=own)
    state = bootstrap.auditor_state(Path(asked.state)) if asked.state else None
    origins = dict.fromkeys(log.vkey.name for log in policy.logs) if state and policy else ()
    remembered = [state.held(origin) for origin in origins] if state else []
    memory = tuple(note for note in remembered if note is not None)
    anchored = bootstrap.anchored_notes(session.settings, policy) if own and policy else ()
    held = (*memory, *map(bootstrap.kept_note, map(Path, asked.held)), *anchored)
    level = None if asked.level is None else Level(asked.level)
    report = bootstrap.verify(
        path,
        policy=policy,
        held=held,
        guarded=own or bootstrap.has_guard(path),
        served=own,
        level=level,
        since=_since(asked.since),
        progress=session.terminal.progress,
    )
    session.terminal.write(_json(report) if session.json else _text(report, own=own and not _brings_trust(asked)))
    if report.verdict is Verdict.FAILED and report.reason is not None:
        raise VerifyFailedError(report.reason)
    if report.verdict is not Verdict.VERIFIED:
        raise VerifyUndecidedError(report.reason)
    if state is not None and report.note is not None and report.origin is not None:
        known = state.held(report.origin) is not None
        if _moves_memory(report, known=known):
            state.keep(report.note)
    return 0


def _since(text: str | None) -> HeldNote | Literal["last"] | None:
    return "last" if text == "last" else None if text is None else bootstrap.kept_note(Path(text))


def record_named(text: str) -> Path:
    """Return the place that *text* names.

    Raises: UnnamedRecordError, since an empty path is the current folder to the library.
    """
    if not text:
        raise UnnamedRecordError
    return Path(text)


def read_policy(path: str) -> Policy:
    """Return the policy in the file *path*; of a larger one than a policy can be no more is read.

    Raises: UnreadablePolicyError, PolicyError.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_POLICY + 1)
    except OSError as exc:
        raise UnreadablePolicyError(path, exc) from exc
    return parse_policy(data)


def _moves_memory(report: AuditReport, *, known: bool) -> bool:
    """Tell whether to remember what was verified: where a note is *known*, only what was shown to continue it."""
    return Level.SIGNATURE in report.holding and (Level.HISTORY in report.holding or not known)


def _check_outside(asked: Asked, path: Path) -> None:
    """Refuse files of the auditor that lie in the record, or where its host keeps the tip guard (evidence.md 6.1)."""
    record = path.resolve()
    # The database of a ledger folder stands for that folder.
    if record.name == "ledger.db" and (record.parent / "log.vkey").is_file():
        record = record.parent
    places = (record, record.parent / f"{record.name}.tip")
    written = (("--policy", asked.policy), ("--state", asked.state))
    since = None if asked.since == "last" else asked.since
    for option, file in (*written, ("--since", since), *(("--held", file) for file in asked.held)):
        # A host may hold its ledger against the note of its own tip guard.
        within = places if option in {"--policy", "--state"} else places[:1]
        if file is not None and any(Path(file).resolve().is_relative_to(place) for place in within):
            raise TrustInsideError(option, file, record)


def _brings_trust(asked: Asked) -> bool:
    return asked.policy is not None or asked.vkey is not None


def _policy(asked: Asked, path: Path, *, own: bool) -> Policy | None:
    if asked.policy is not None and asked.vkey is not None:
        raise TwoTrustsError
    if asked.vkey is not None:
        return Policy((Log(Vkey.parse(asked.vkey)),), (), (), None)
    if asked.policy is None:
        return bootstrap.own_policy(path) if own else None
    return read_policy(asked.policy)


def _text(report: AuditReport, *, own: bool) -> str:
    lines = [report.words]
    if report.unguarded is not None:
        lines.append(f"no tip guard: {report.unguarded} is not there, so this host cannot tell whether events were cut")
    others = [finding for finding in report.findings if finding is not report.reason]
    lines += [f"{finding.verdict}: {finding}" for finding in others]
    lines.append(f"shown: {', '.join(level.name.lower() for level in sorted(report.holding)) or 'nothing'}")
    if report.unheld_since is not None:
        lines.append(f"not held outside since {report.unheld_since}")
    lines += [f"remark: {remark}" for remark in report.remarks]
    limits = (*report.limits, _OWN_KEY) if own else report.limits
    lines += [f"not shown: {limit}" for limit in limits]
    return "".join(f"{plain(line)}\n" for line in lines)


def _json(report: AuditReport) -> str:
    record: dict[str, object] = {
        "schema": SCHEMA,
        "verdict": report.verdict,
        "level": report.level,
        "meaning": Level.MEANING in report.holding,
        "origin": report.origin,
        "tree_size": report.size,
        "root": report.root.hex() if report.root is not None else None,
        "signed_by": report.signed_by,
        "first": report.first,
        "sampled": report.sampled,
        "no_tip_guard": report.unguarded,
        "held_outside": _without_none(
            {"size": report.held, "by": report.held_by, "missing": report.unheld, "since": report.unheld_since}
        ),
        "findings": [
            {"level": found.level, "verdict": found.verdict, "where": found.where, "what": found.what}
            for found in report.findings
        ],
        "remarks": report.remarks,
        "not_shown": report.limits,
    }
    return json.dumps(_without_none(record), separators=(",", ":")) + "\n"


def _without_none(record: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in record.items() if value is not None}
