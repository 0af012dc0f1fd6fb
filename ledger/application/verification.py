"""One verification from source to report: levels 0 to 4, and level 5 where the events are ours."""

from collections.abc import Iterator

from ledger.application.audit import Asked, audit
from ledger.application.audit_disclosures import read_disclosures
from ledger.application.audit_imports import ImportCheck
from ledger.application.audit_report import AuditReport, Finding, Level, Verdict
from ledger.application.audit_sample import audit_sample
from ledger.application.audit_source import LogSource, PartMissingError, PartWrongError, SampleSource
from ledger.application.audit_trust import Trust, read_unsigned
from ledger.application.leaf_form import LeafReader
from ledger.application.meaning import read_meaning
from ledger.dataclass import replace
from ledger.domain.imported import CARRIERS
from ledger.errors import UsageError
from ledger.tlog.notation import FormatError

_CARRIERS = frozenset(topic.encode() for topic in CARRIERS)
_CARRIED = "what imported events carry of other ledgers was not looked into: that is part of the meaning"
_PARTIAL = "the meaning of the events was not checked: it needs the whole log"
_EVERY_SIZE = -1


class NoLastNoteError(UsageError):
    """There is no last note to begin at."""

    def __init__(self) -> None:
        super().__init__(
            "--since last has nothing to begin at",
            fact="no --state was given, or it has seen nothing of this log",
            hint="verify once without --since; with --state it is remembered",
        )


def verify_log(source: LogSource, *, trust: Trust, asked: Asked | None = None) -> AuditReport:
    """Return what the verification of a whole log comes to; no level asks for all that can be shown.

    Raises: NoLastNoteError.
    """
    trust = trust.of_log(_origin_of(source))
    asked = _begun(asked or Asked(), trust)
    level = asked.level
    native = source.nature.native
    read = LeafReader() if native else None
    report = audit(source, trust=trust, read=read, asked=asked)
    if report.verdict is Verdict.FAILED or (level is not None and level < Level.MEANING):
        return _without_imports(report)
    if not native or report.first:
        report = _without_imports(_without_meaning(report, asked=level is Level.MEANING))
    else:
        imports = ImportCheck(trust)
        events = imports.followed(_events(source, report.size))
        report = imports.told(read_meaning(report, events, shared=_is_shared(report, source, trust)))
    return _with_disclosures(report, source) if native else report


def _origin_of(source: LogSource) -> str | None:
    """Return the log that a record says it is, None where it does not say so: then the audit tells why."""
    try:
        note = next(source.checkpoints(_EVERY_SIZE), None)
        return None if note is None else read_unsigned(note[1]).origin
    except (PartMissingError, PartWrongError, FormatError):
        return None


def _origin_of_sample(source: SampleSource) -> str | None:
    try:
        return read_unsigned(source.checkpoint()).origin
    except (PartMissingError, PartWrongError, FormatError):
        return None


def _begun(asked: Asked, trust: Trust) -> Asked:
    """Return *asked* with the note where the audit begins."""
    if not asked.last:
        return asked
    remembered = [note for note in trust.held if note.log is not None]
    if not remembered:
        raise NoLastNoteError
    return replace(asked, since=remembered[0])


def _is_shared(report: AuditReport, source: LogSource, trust: Trust) -> bool:
    """Tell whether several hosts sign the log: by where it lies, or by the policy, where it is a copy."""
    logs = trust.policy.logs if trust.policy else ()
    return source.nature.shared or sum(log.vkey.name == report.origin for log in logs) > 1


def verify_sample(source: SampleSource, *, trust: Trust, level: Level | None = None) -> AuditReport:
    """Return what the verification of a sample comes to."""
    report = audit_sample(source, trust=trust.of_log(_origin_of_sample(source)), read=LeafReader(), level=level)
    report = _without_imports(report)
    if report.verdict is Verdict.FAILED or (level is not None and level < Level.MEANING):
        return report
    report = _without_meaning(report, asked=level is Level.MEANING)
    leaves = (sample.leaf for sample in source.samples()) if Level.TREE in report.holding else None
    return read_disclosures(report, source.disclosures(), leaves)


def _with_disclosures(report: AuditReport, source: LogSource) -> AuditReport:
    # A ledger keeps what every command told it; and an incremental audit did not read the earlier events.
    whole = Level.TREE in report.holding and not source.nature.commits and not report.first
    leaves = (state for _, state in _events(source, report.size)) if whole else None
    return read_disclosures(report, source.disclosures(), leaves)


def _without_meaning(report: AuditReport, *, asked: bool) -> AuditReport:
    report = replace(report, limits=(*report.limits, _PARTIAL))
    if not asked:
        return report
    finding = Finding(Level.MEANING, Verdict.UNDECIDED, "the record", _PARTIAL)
    return replace(report, findings=(*report.findings, finding), asked=report.asked | {Level.MEANING})


def _without_imports(report: AuditReport) -> AuditReport:
    """Return *report*, which says of events that carry those of another ledger that no more was checked of them."""
    if report.types.isdisjoint(_CARRIERS):
        return report
    return replace(report, limits=(*report.limits, _CARRIED))


def _events(source: LogSource, size: int) -> Iterator[tuple[int, bytes]]:
    for rows in source.leaves(0, size):
        for row in rows:
            if row[2] is not None:
                yield row[0], row[2]
