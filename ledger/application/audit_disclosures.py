"""Personal values against the commitments that events hold (evidence.md 1.5; part of level 5).

A value that is disclosed must give its commitment, ``H(salt || JCS(value))``, and be canonical
JSON itself. In a bundle the commitment must stand in an event as well: a value that no event
speaks of says nothing. What was erased, or left out, is not there and cannot be checked.

A ledger has some for each commit, so they are read one by one; of many that are wrong the first are
named and the others counted.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import chain

from ledger.application.audit_report import AuditReport, Finding, Level, Verdict
from ledger.application.audit_source import StoredDisclosure
from ledger.dataclass import replace
from ledger.domain.canonical import NotCanonicalError, parse_canonical
from ledger.domain.imported import commitments_in

_NAMED = 20
_NONE = "no personal value was there to be compared with its commitment"


def read_disclosures(
    report: AuditReport, stored: Iterable[StoredDisclosure], leaves: Iterable[bytes] | None
) -> AuditReport:
    """Return *report* with what is wrong with the *stored* values; each must be spoken of in *leaves*, where given."""
    rows = iter(stored)
    first = next(rows, None)
    if first is None:
        return replace(report, limits=(*report.limits, _NONE))
    unspoken: set[str] = set()
    faults: list[Finding] = []
    wrong = 0
    for row in chain((first,), rows):
        fault = _fault(row)
        if fault is not None:
            wrong += 1
            faults += [_finding(row.commitment, fault)] if wrong <= _NAMED else []
        elif leaves is not None:
            unspoken.add(row.commitment)
    if not wrong and unspoken and leaves is not None:
        _leave_unspoken(unspoken, leaves)
        wrong = len(unspoken)
        faults = [_finding(commitment, "no event speaks of it") for commitment in sorted(unspoken)[:_NAMED]]
    if not wrong:
        return report
    if wrong > _NAMED:
        what = f"{wrong - _NAMED} more of them are wrong, too"
        faults.append(Finding(Level.MEANING, Verdict.FAILED, "the personal values", what))
    return replace(report, findings=(*report.findings, *faults), holding=report.holding - {Level.MEANING})


def _finding(commitment: str, what: str) -> Finding:
    return Finding(Level.MEANING, Verdict.FAILED, f"the personal value of commitment {commitment}", what)


def _fault(row: StoredDisclosure) -> str | None:
    if row.salt is None or row.value is None:
        return "its salt or value is not stored as bytes"
    if sha256(row.salt + row.value).hexdigest() != row.commitment:
        return "it is another one than was committed to"
    return None if _is_canonical(row.value) else "it is no canonical JSON"


def _is_canonical(value: bytes) -> bool:
    try:
        return parse_canonical(b'{"value":' + value + b"}").keys() == {"value"}
    except NotCanonicalError:
        return False


def _leave_unspoken(commitments: set[str], leaves: Iterable[bytes]) -> None:
    """Take away those of *commitments* that *leaves* speak of."""
    for leaf in leaves:
        commitments.difference_update(commitment for _, commitment in commitments_in(leaf))
