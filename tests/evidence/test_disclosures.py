"""Personal values that are disclosed must be those that were committed to (evidence.md 1.5 and 6.1, level 5)."""

import json
import tracemalloc
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.adapters.audit_bundle import BundleSample, bundle_source
from ledger.application.audit_report import AuditReport, Level, Verdict
from ledger.application.audit_source import PartWrongError
from ledger.application.bundle import RecordDiffersError
from ledger.application.verification import verify_log, verify_sample
from tests.evidence_export.exports import export

from .bundles import MemoryFiles, listed, sample, whole
from .ledgers import Case, alter, build, edit_state, redo

SALT = b"s" * 32
VALUE = b'"alice"'
COMMITMENT = sha256(SALT + VALUE).hexdigest()
ROW = "INSERT INTO disclosure VALUES (?, ?, ?)"


@pytest.fixture
def ledger(tmp_path: Path) -> Case:
    """Return a ledger whose events commit to a personal value, which is not kept yet."""
    case = build(tmp_path / "ledger", events=5)
    for version in range(1, 6):
        edit_state(case.database, version, lambda state: state.replace(b"a1" * 32, COMMITMENT.encode()))
    redo(case.database, key=case.key)
    return case


def verify(files: Mapping[str, bytes], case: Case, *, level: Level | None = None) -> AuditReport:
    source = bundle_source(MemoryFiles(files))
    if isinstance(source, BundleSample):
        return verify_sample(source, trust=case.trust, level=level)
    return verify_log(source, trust=case.trust)


def disclosing(files: Mapping[str, bytes], *rows: Mapping[str, str]) -> dict[str, bytes]:
    evidence = {name: data for name, data in files.items() if name not in {"manifest.json", "SHA256SUMS"}}
    return listed({**evidence, "disclosures.json": json.dumps(rows).encode()})


def row(value: bytes = VALUE, *, commitment: str | None = None) -> Mapping[str, str]:
    named = sha256(SALT + value).hexdigest() if commitment is None else commitment
    return {"commitment": named, "salt": SALT.hex(), "json": value.decode()}


@pytest.mark.parametrize("form", ["whole", "sample"])
def test_a_value_that_gives_its_commitment_passes(form: str, ledger: Case) -> None:
    files = whole(ledger) if form == "whole" else sample(ledger, 1)

    report = verify(disclosing(files, row()), ledger)

    assert report.verdict is Verdict.VERIFIED
    assert not any("no personal value" in limit for limit in report.limits)


@pytest.mark.parametrize("form", ["whole", "sample"])
@pytest.mark.parametrize(
    ("forged", "what"),
    [
        (row(b'"mallory"', commitment=COMMITMENT), "another one than was committed to"),
        (row(b'"mallory"'), "no event speaks of it"),
        (row(b"alice"), "no canonical JSON"),
        (row(b'1,"x":2'), "no canonical JSON"),
    ],
)
def test_a_value_that_was_forged_has_failed_and_its_commitment_is_named(
    form: str, forged: Mapping[str, str], what: str, ledger: Case
) -> None:
    files = whole(ledger) if form == "whole" else sample(ledger, 1)

    report = verify(disclosing(files, row(), forged), ledger)

    assert report.verdict is Verdict.FAILED
    assert report.reason is not None
    assert report.reason.where == f"the personal value of commitment {forged['commitment']}"
    assert what in report.reason.what
    assert Level.MEANING not in report.holding


@pytest.mark.parametrize("data", [b"{", b"[1]", b'[{"commitment":"a","salt":"x","json":"1"}]', b"{}x", b"3"])
def test_disclosures_that_cannot_be_read_have_failed(data: bytes, ledger: Case) -> None:
    with pytest.raises(PartWrongError):
        bundle_source(MemoryFiles(listed({"checkpoint": b"", "disclosures.json": data})))

    assert verify(whole(ledger), ledger).verdict is Verdict.VERIFIED


def test_where_none_can_be_compared_the_report_says_so(ledger: Case) -> None:
    reports = verify(whole(ledger), ledger), verify(sample(ledger, 1), ledger), ledger.verify()

    assert all(any("no personal value" in limit for limit in report.limits) for report in reports)


@pytest.mark.parametrize(
    ("salt", "value"), [(SALT, b'"mallory"'), (SALT, '"alice"'), ("s" * 32, VALUE), (b"", b""), (1, 2)]
)
def test_a_ledger_that_keeps_another_value_has_failed(salt: object, value: object, ledger: Case) -> None:
    alter(ledger.database, (ROW, (COMMITMENT, salt, value)))

    report = ledger.verify()

    assert report.verdict is Verdict.FAILED
    assert COMMITMENT in report.words


def test_a_ledger_that_keeps_its_values_verifies(ledger: Case) -> None:
    alter(ledger.database, (ROW, (COMMITMENT, SALT, VALUE)))

    assert ledger.verify().verdict is Verdict.VERIFIED
    assert ledger.verify(level=Level.OUTSIDE).verdict is not Verdict.FAILED


@pytest.mark.parametrize(("salt", "value"), [(SALT, '"alice"'), ("s" * 32, VALUE), (SALT, b"\xff")])
def test_a_value_that_is_no_bytes_or_no_text_is_not_exported(
    salt: object, value: object, ledger: Case, tmp_path: Path
) -> None:
    commitment = COMMITMENT
    if value == b"\xff":
        commitment = sha256(SALT + b"\xff").hexdigest()
        for version in range(1, 6):
            edit_state(ledger.database, version, lambda state: state.replace(COMMITMENT.encode(), commitment.encode()))
        redo(ledger.database, key=ledger.key)
    alter(ledger.database, (ROW, (commitment, salt, value)))

    with pytest.raises(RecordDiffersError):
        export(ledger, tmp_path / "bundle", disclose=True)


def test_many_values_take_no_more_memory_than_a_few_and_of_many_wrong_ones_twenty_are_named(ledger: Case) -> None:
    """PRODUCT section 13: each commit of a million events may have kept a name, a terminal and an address."""
    few = peak_of(ledger)
    values = [(sha256(SALT + value).hexdigest(), SALT, value) for value in (b'"%d"' % n for n in range(10_000))]
    alter(ledger.database, *((ROW, row) for row in values))
    many = peak_of(ledger)

    alter(ledger.database, """UPDATE disclosure SET value = CAST('"forged"' AS BLOB)""")
    report = ledger.verify()

    assert many - few < 500_000  # bytes; they were five million
    wrong = [finding for finding in report.findings if finding.verdict is Verdict.FAILED]
    assert len(wrong) == 21
    assert str(wrong[-1]) == "the personal values: 9980 more of them are wrong, too"


def peak_of(case: Case) -> int:
    case.verify()  # what is loaded once is loaded
    tracemalloc.start()
    try:
        assert case.verify().verdict is Verdict.VERIFIED
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
