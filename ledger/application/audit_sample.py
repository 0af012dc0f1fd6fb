"""The audit of a sample: some entries, each with the proof of its place in one signed tree.

A sample shows that its entries stand in the log, not that others are missing or unaltered. All
proofs must lead to the bundle's own checkpoint. Whether that tree continues an earlier note can
be told only where the sizes are equal.
"""

from collections.abc import Sequence

from ledger.application.audit_form import Facts, ReadLeaf
from ledger.application.audit_references import Holding, open_references
from ledger.application.audit_report import INTEGRITY_IS_NOT_TRUTH, AuditReport, Finding, Level, Verdict
from ledger.application.audit_source import PartMissingError, PartWrongError, Sample, SampleSource
from ledger.application.audit_trust import Trust, failed_by, read_unsigned, signers_of
from ledger.dataclass import replace
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.note import Note
from ledger.tlog.policy import WitnessedCheckpoint
from ledger.tlog.proof import TlogProof, check_entry

_SAMPLED = "only the entries of the sample were checked; it says nothing of the others"


def audit_sample(source: SampleSource, *, trust: Trust, read: ReadLeaf, level: Level | None = None) -> AuditReport:
    """Return what the audit of the sample *source* comes to."""
    findings: list[Finding] = []
    types: set[bytes] = set()
    checkpoint, opened, count = None, None, 0
    try:
        note = source.checkpoint()
        checkpoint = read_unsigned(note)
        opened = _open(trust, note, findings)
        for sample in source.samples():
            facts = _check(sample, checkpoint, note, read)
            if isinstance(facts, Finding):
                findings.append(facts)
            else:
                types.add(facts.type)
            count += 1
    except FormatError as exc:
        findings.append(Finding(Level.TREE, Verdict.FAILED, "checkpoint", f"{exc}: {exc.fact}"))
    except (PartMissingError, PartWrongError) as exc:
        verdict = Verdict.FAILED if isinstance(exc, PartWrongError) else Verdict.UNDECIDED
        findings.append(Finding(Level.TREE, verdict, exc.place, exc.fault))
    if not count and not findings:
        findings.append(Finding(Level.TREE, Verdict.UNDECIDED, "the sample", "it holds no entry"))
    report = _report(source, trust, level, (checkpoint, opened, count), findings)
    return replace(report, types=frozenset(types))


def _open(trust: Trust, note: bytes, findings: list[Finding]) -> WitnessedCheckpoint | None:
    try:
        return trust.open(note)
    except LedgerError as exc:
        verdict = Verdict.FAILED if failed_by(exc) else Verdict.UNDECIDED
        findings.append(Finding(Level.SIGNATURE, verdict, "checkpoint", f"{exc}: {exc.fact}"))
        return None


def _check(sample: Sample, checkpoint: Checkpoint, note: bytes, read: ReadLeaf) -> Facts | Finding:
    try:
        proof = TlogProof.parse(sample.proof)
        if sample.place != f"entries/{proof.index}.json":
            return Finding(Level.TREE, Verdict.FAILED, sample.place, f"its proof is of event {proof.index}")
        if Note.parse(proof.note).text != Note.parse(note).text:
            return Finding(Level.TREE, Verdict.FAILED, sample.place, "its proof leads to another checkpoint")
        check_entry(proof, leaf=sample.leaf, checkpoint=checkpoint)
    except LedgerError as exc:
        return Finding(Level.TREE, Verdict.FAILED, sample.place, f"{exc}: {exc.fact}")
    try:
        facts = read(sample.leaf, b"")
    except LedgerError as exc:
        undecided = exc.kind == "undecided"
        verdict = Verdict.UNDECIDED if undecided else Verdict.FAILED
        return Finding(Level.FORM, verdict, sample.place, str(exc) if undecided else exc.fact)
    if facts.ledger != checkpoint.origin.encode():
        return Finding(Level.FORM, Verdict.FAILED, sample.place, "it was written for another ledger")
    return facts


def _report(
    source: SampleSource,
    trust: Trust,
    level: Level | None,
    seen: tuple[Checkpoint | None, WitnessedCheckpoint | None, int],
    findings: list[Finding],
) -> AuditReport:
    checkpoint, opened, _ = seen
    references, wrong, remarks = open_references(trust, anchors=tuple(source.anchors()), since=None)
    findings += wrong
    holding, compared = Holding(trust), False
    if opened is not None:
        holding.add(opened, "the checkpoint")
    for found in references if checkpoint is not None else ():
        verdict = _against(found.checkpoint, checkpoint) if checkpoint is not None else None
        if verdict is not None:
            findings.append(Finding(found.level, verdict[0], found.name, verdict[1]))
            continue
        compared = compared or found.level is Level.HISTORY
        if found.opened is not None:
            holding.add(found.opened, found.name)
        if found.level is Level.HISTORY and found.outside:
            holding.add_size(found.checkpoint.size, found.name)
    asked = _asked(trust, level, references)
    if Level.OUTSIDE in asked and not holding.quorum:
        findings.append(Finding(Level.OUTSIDE, Verdict.UNDECIDED, "the quorum", "no checkpoint is cosigned by enough"))
    if Level.HISTORY in asked and not compared and not any(found.level is Level.HISTORY for found in findings):
        findings.append(Finding(Level.HISTORY, Verdict.UNDECIDED, "the history", "there is no earlier note"))
    means = {Level.FORM, Level.TREE} | ({Level.SIGNATURE} if opened else set())
    continued = compared and not any(found.level is Level.HISTORY for found in findings)
    means |= ({Level.HISTORY} if continued else set()) | ({Level.OUTSIDE} if holding.quorum else set())
    shown = tuple(found for found in findings if found.level in asked or found.verdict is Verdict.FAILED)
    return AuditReport(
        origin=None if checkpoint is None else checkpoint.origin,
        size=0 if checkpoint is None else checkpoint.size,
        root=None if checkpoint is None else checkpoint.root,
        signed_by=() if opened is None else signers_of(opened),
        asked=asked,
        holding=frozenset(means - {found.level for found in shown}),
        findings=shown,
        remarks=(*remarks, *holding.remarks()),
        limits=(INTEGRITY_IS_NOT_TRUTH, _SAMPLED, *source.nature.limits),
        held=holding.size,
        held_by=tuple(sorted(holding.names)),
        sampled=seen[2],
        note=None if opened is None else source.checkpoint(),
    )


def _against(held: Checkpoint, shown: Checkpoint) -> tuple[Verdict, str] | None:
    if held.origin != shown.origin:
        return Verdict.FAILED, f"it is of another log, {held.origin}"
    if held.size != shown.size:
        return Verdict.UNDECIDED, f"it holds size {held.size}; a sample does not show how size {shown.size} follows"
    return None if held.root == shown.root else (Verdict.FAILED, f"it holds another history up to size {held.size}")


def _asked(trust: Trust, level: Level | None, references: Sequence[object]) -> frozenset[Level]:
    if level is not None:
        return frozenset(each for each in Level if each <= min(level, Level.OUTSIDE))
    asked = {Level.FORM, Level.TREE, Level.SIGNATURE} | ({Level.HISTORY} if trust.held and references else set())
    return frozenset(asked | ({Level.OUTSIDE} if trust.asks_for_quorum else set()))
