"""The 196 published cases of transparency-dev/merkle (see ``tests/vectors/SOURCES.md``)."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from ledger.tlog.merkle import ProofError, check_consistency, check_inclusion

VECTORS = Path(__file__).parent.parent / "vectors" / "rfc6962-merkle"


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(json.loads(path.read_text()), id=str(path.relative_to(VECTORS)))
        for path in sorted(VECTORS.glob(f"{kind}/**/*.json"))
    ]


def hashes(texts: list[str] | None) -> tuple[bytes, ...]:
    return tuple(map(b64decode, texts or ()))


def test_all_published_cases_are_here() -> None:
    assert (len(cases("inclusion")), len(cases("consistency"))) == (98, 98)


@pytest.mark.parametrize("case", cases("inclusion"))
def test_an_inclusion_case_ends_as_published(case: dict[str, Any]) -> None:
    def check() -> None:
        check_inclusion(
            b64decode(case["leafHash"] or ""),
            index=case["leafIdx"],
            size=case["treeSize"],
            proof=hashes(case["proof"]),
            root=b64decode(case["root"] or ""),
        )

    if case["wantErr"]:
        with pytest.raises(ProofError):
            check()
    else:
        check()


@pytest.mark.parametrize("case", cases("consistency"))
def test_a_consistency_case_ends_as_published(case: dict[str, Any]) -> None:
    def check() -> None:
        check_consistency(
            hashes(case["proof"]),
            old_size=case["size1"],
            new_size=case["size2"],
            old_root=b64decode(case["root1"] or ""),
            new_root=b64decode(case["root2"] or ""),
        )

    if case["wantErr"]:
        with pytest.raises(ProofError):
            check()
    else:
        check()
