"""One verification from source to report: levels 0 to 4, and level 5 where the events are ours."""

from collections.abc import Iterator
from dataclasses import replace

from ledger.application.audit import Asked, audit
from ledger.application.audit_report import AuditReport, Finding, Level, Verdict
from ledger.application.audit_sample import audit_sample
from ledger.application.audit_source import LogSource, SampleSource
from ledger.application.audit_trust import Trust
from ledger.application.leaf_form import LeafReader
from ledger.application.meaning import read_meaning

_PARTIAL = "the meaning of the events was not checked: it needs the whole log"


def verify_log(source: LogSource, *, trust: Trust, asked: Asked | None = None) -> AuditReport:
    """Return what the verification of a whole log comes to; no level asks for all that can be shown."""
    asked = asked or Asked()
    level = asked.level
    native = source.nature.native
    read = LeafReader() if native else None
    report = audit(source, trust=trust, read=read, asked=asked)
    if report.verdict is Verdict.FAILED or (level is not None and level < Level.MEANING):
        return report
    if native and not report.first:
        return read_meaning(report, _events(source, report.size))
    return _without_meaning(report, asked=level is Level.MEANING)


def verify_sample(source: SampleSource, *, trust: Trust, level: Level | None = None) -> AuditReport:
    """Return what the verification of a sample comes to."""
    report = audit_sample(source, trust=trust, read=LeafReader(), level=level)
    return _without_meaning(report, asked=level is Level.MEANING)


def _without_meaning(report: AuditReport, *, asked: bool) -> AuditReport:
    report = replace(report, limits=(*report.limits, _PARTIAL))
    if not asked:
        return report
    finding = Finding(Level.MEANING, Verdict.UNDECIDED, "the record", _PARTIAL)
    return replace(report, findings=(*report.findings, finding), asked=report.asked | {Level.MEANING})


def _events(source: LogSource, size: int) -> Iterator[tuple[int, bytes]]:
    for rows in source.leaves(0, size):
        for row in rows:
            if row[2] is not None:
                yield row[0], row[2]
