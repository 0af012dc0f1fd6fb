"""Personal values against the commitments that events hold (evidence.md 1.5; part of level 5).

A value that is disclosed must give its commitment, ``H(salt || JCS(value))``, and be canonical
JSON itself. In a bundle the commitment must stand in an event as well: a value that no event
speaks of says nothing. What was erased, or left out, is not there and cannot be checked.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from ledger.application.audit_report import AuditReport, Finding, Level, Verdict
from ledger.application.audit_source import StoredDisclosure
from ledger.dataclass import replace
from ledger.domain.canonical import NotCanonicalError, parse_canonical
from ledger.domain.imported import with_carried

_COMMITMENT = re.compile(rb'"[a-z_]+_commit":"([0-9a-f]{64})"')
_NONE = "no personal value was there to be compared with its commitment"


def read_disclosures(
    report: AuditReport, stored: Sequence[StoredDisclosure], leaves: Iterable[bytes] | None
) -> AuditReport:
    """Return *report* with what is wrong with the *stored* values; each must be spoken of in *leaves*, where given."""
    if not stored:
        return replace(report, limits=(*report.limits, _NONE))
    faults = {row.commitment: fault for row in stored if (fault := _fault(row)) is not None}
    if not faults and leaves is not None:
        faults = dict.fromkeys(_unspoken(stored, leaves), "no event speaks of it")
    if not faults:
        return report
    found = (
        Finding(Level.MEANING, Verdict.FAILED, f"the personal value of commitment {commitment}", what)
        for commitment, what in faults.items()
    )
    return replace(report, findings=(*report.findings, *found), holding=report.holding - {Level.MEANING})


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


def _unspoken(stored: Sequence[StoredDisclosure], leaves: Iterable[bytes]) -> Iterator[str]:
    spoken = {name.decode() for leaf in leaves for each in with_carried(leaf) for name in _COMMITMENT.findall(each)}
    return (row.commitment for row in stored if row.commitment not in spoken)
