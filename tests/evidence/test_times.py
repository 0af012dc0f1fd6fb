"""Times of witnesses against the clock of whoever verifies (evidence.md 3.4): a warning, and never a verdict."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.adapters.audit_place import Task, trusting, verify_path
from ledger.application.audit_report import AuditReport, Verdict
from ledger.application.audit_source import HeldNote
from tests.tlog.keys import make_witness

from .bundles import listed, sample, whole, write
from .ledgers import WITNESS, Case, build, cosigned, newest

NOW = 1_700_000_000
NEVER = 2**63 - 1


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return replace(build(tmp_path_factory.mktemp("ledger") / "ledger", events=7), witness=True)


def signed_at(ledger: Case, at: int) -> bytes:
    return cosigned(newest(ledger.database), make_witness(WITNESS.name, 7, at=at))


def as_held(ledger: Case, at: int, now: int | None, _folder: Path) -> AuditReport:
    trust = replace(ledger.trust, now=now, held=(HeldNote("the witness", signed_at(ledger, at)),))
    return verify_path(Task(path=ledger.database, trust=trust))


def as_checkpoint(ledger: Case, at: int, now: int | None, folder: Path) -> AuditReport:
    files = {key: data for key, data in whole(ledger).items() if key not in {"manifest.json", "SHA256SUMS"}}
    bundle = write(folder / "bundle", listed({**files, "checkpoint": signed_at(ledger, at)}))
    return verify_path(Task(path=bundle, trust=replace(ledger.trust, now=now)))


def as_sample(ledger: Case, at: int, now: int | None, folder: Path) -> AuditReport:
    files = {key: data for key, data in sample(ledger, 1).items() if key not in {"manifest.json", "SHA256SUMS"}}
    bundle = write(folder / "bundle", listed({**files, "checkpoint": signed_at(ledger, at)}))
    return verify_path(Task(path=bundle, trust=replace(ledger.trust, now=now)))


@pytest.mark.parametrize("verified", [as_held, as_checkpoint, as_sample])
@pytest.mark.parametrize(
    ("at", "now", "told"),
    [
        (NOW, NOW, None),
        (NOW + 60, NOW, None),
        (NOW + 61, NOW, "2023-11-14T22:14:21Z, which lies ahead of the clock here, 2023-11-14T22:13:20Z"),
        (NEVER, NOW, f"second {NEVER} of the epoch, which lies ahead"),
        (NEVER, None, None),
    ],
)
def test_a_witness_ahead_of_the_reader_s_clock_is_told(
    verified: Callable[[Case, int, int | None, Path], AuditReport],
    at: int,
    now: int | None,
    told: str | None,
    ledger: Case,
    tmp_path: Path,
) -> None:
    report = verified(ledger, at, now, tmp_path)

    said = [remark for remark in report.remarks if remark.startswith("a witness says that it cosigned at ")]
    assert report.verdict is Verdict.VERIFIED
    assert len(said) == (told is not None)
    assert told is None or told in said[0]


def test_the_command_looks_at_the_clock(ledger: Case) -> None:
    trust = trusting(ledger.policy, held=(), guard=None)

    assert trust.now is not None
    assert trust.now > NOW
