"""What a page says is held outside: notes of this tree alone, and never a file that a bundle merely names."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cli.app import main
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import sign_note
from tests.evidence.ledgers import Case, alter, build, cosigned, newest
from tests.evidence_export.exports import export
from tests.tlog.keys import make_signer

Row = dict[str, Any]
NOBODY = "not anchored: nobody outside is known to hold a note of the last 7 of 7 events"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    case = build(tmp_path / "ledger", events=7, commit=1)
    monkeypatch.setenv("RELEASE_LEDGER", str(case.folder.path))
    return case


def page_of(tmp_path: Path, *words: str) -> str:
    page = tmp_path / "page.html"
    page.unlink(missing_ok=True)
    assert main(["report", *words, "-o", str(page)]) == 0
    return page.read_text(encoding="utf-8")


def anchored(case: Case, size: int, proof: bytes) -> None:
    alter(
        case.database, ("INSERT INTO anchor VALUES (?, 'witness:w', ?, '2026-09-21T14:30:00.000000Z')", (size, proof))
    )


def note_of(case: Case, size: int) -> bytes:
    with closing(sqlite3.connect(case.database)) as connection:
        ((note,),) = connection.execute("SELECT note FROM log_checkpoint WHERE size = ?", (size,)).fetchall()
    return bytes(note)


def test_a_note_of_the_tree_counts_as_far_as_it_goes(ledger: Case, tmp_path: Path) -> None:
    anchored(ledger, 5, cosigned(note_of(ledger, 5)))

    assert "nobody outside is known to hold a note of the last 2 of 7 events" in page_of(tmp_path)


@pytest.mark.parametrize(
    "proof",
    [
        lambda _case: b"anything",
        lambda case: note_of(case, 5),
        lambda case: sign_note(Checkpoint(case.key.name, 7, bytes(32)).encode(), signers=[case.key]),
        lambda case: sign_note(
            Checkpoint(
                "example.org/other", 7, Checkpoint.parse(newest(case.database).partition(b"\n\n")[0] + b"\n").root
            ).encode(),
            signers=[make_signer("example.org/other", 3)],
        ),
    ],
    ids=["no note", "another size", "another root", "another log"],
)
def test_what_is_no_note_of_the_tree_holds_nothing(
    proof: Callable[[Case], bytes], ledger: Case, tmp_path: Path
) -> None:
    anchored(ledger, 7, proof(ledger))

    assert NOBODY in page_of(tmp_path)


def restated(bundle: Path, anchors: object) -> None:
    """State other *anchors* in the manifest, as an exporter can who lies."""
    manifest = bundle / "manifest.json"
    sums = (bundle / "SHA256SUMS").read_text(encoding="utf-8")
    before = sha256(manifest.read_bytes()).hexdigest()
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), "anchors": anchors}), encoding="utf-8")
    after = sha256(manifest.read_bytes()).hexdigest()
    (bundle / "SHA256SUMS").write_text(sums.replace(before, after), encoding="utf-8")


def anchor(path: object, **others: object) -> Row:
    return {"path": path, "size": 7, "sink": "witness:w", "at": "2026-09-21T14:30:00.000000Z", **others}


def test_a_bundle_says_what_is_held_by_its_anchors(ledger: Case, tmp_path: Path) -> None:
    anchored(ledger, 7, cosigned(newest(ledger.database)))
    bundle = export(ledger, tmp_path / "bundle")

    assert "not anchored" not in page_of(tmp_path, str(bundle))


@pytest.mark.parametrize(
    "row",
    [
        lambda outside: anchor(str(outside)),
        lambda outside: anchor(f"../{outside.name}"),
        lambda _outside: anchor("checkpoint"),
        lambda _outside: anchor("anchors/7-2.note"),
        lambda _outside: anchor(["anchors/7-1.note"]),
        lambda _outside: anchor("anchors/7-1.note", size="7"),
        lambda _outside: anchor("anchors/7-1.note", size=2**70),
        lambda _outside: anchor("anchors/7-1.note", sink=[]),
        lambda _outside: [],
    ],
)
def test_a_bundle_cannot_name_a_file_of_the_reader(
    row: Callable[[Path], object], ledger: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest is the exporter's word: a path in it could name anything on the host of an auditor."""
    outside = tmp_path / "secret"
    outside.write_bytes(cosigned(newest(ledger.database)))
    anchored(ledger, 7, cosigned(newest(ledger.database)))
    bundle = export(ledger, tmp_path / "bundle")
    restated(bundle, [row(outside)])

    code = main(["report", str(bundle), "-o", str(tmp_path / "page.html")])

    assert code == 3
    assert "cannot be read as a record" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
