"""What a bundle holds, and that it is written whole, once, and the same each time (evidence.md 6.3)."""

import errno
import json
import os
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.audit_place import Task, verify_path
from ledger.adapters.bundle_writer import (
    ExportNotWrittenError,
    TargetFolderError,
    TargetTakenError,
    write_file,
    written_bundle,
)
from ledger.application.audit_report import Verdict
from ledger.application.bundle import BundleFile, NothingToExportError, RecordDiffersError, choose_sample
from ledger.application.bundle_tally import Tally
from ledger.errors import EvidenceError
from ledger.tlog.note import Note
from ledger.tlog.tiles import bundles_of_size, tiles_of_size
from tests.evidence.ledgers import Case, alter, build, copy_case, cosigned, edit_state, newest, redo

from .exports import export

FILES = {"README", "VERIFY.md", "verify.sh", "SHA256SUMS", "manifest.json", "checkpoint", "log.vkey", "policy"}


def names(bundle: Path) -> set[str]:
    return {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}


def content(bundle: Path) -> dict[str, bytes]:
    return {name: (bundle / name).read_bytes() for name in names(bundle)}


def manifest_of(bundle: Path) -> dict[str, object]:
    manifest: dict[str, object] = json.loads((bundle / "manifest.json").read_bytes())
    return manifest


def test_the_whole_form_has_the_tiles_of_its_size_and_no_others(ledger: Case, whole: Path) -> None:
    assert names(whole) == FILES | {str(tile) for tile in tiles_of_size(5)} | {str(each) for each in bundles_of_size(5)}
    assert (whole / "checkpoint").read_bytes() == newest(ledger.database)


def test_the_sample_form_has_the_bytes_of_its_events_and_their_proofs(sample: Path) -> None:
    entries = {f"entries/{index}.{suffix}" for index in (1, 4) for suffix in ("json", "tlog-proof")}

    assert names(sample) == FILES | entries


@pytest.mark.parametrize("form", ["whole", "sample"])
def test_our_own_verifier_accepts_a_bundle(form: str, ledger: Case, request: pytest.FixtureRequest) -> None:
    report = verify_path(Task(path=request.getfixturevalue(form), trust=ledger.trust))

    assert report.verdict is Verdict.VERIFIED


def test_the_same_record_gives_the_same_bytes(ledger: Case, whole: Path, tmp_path: Path) -> None:
    again = export(ledger, tmp_path / "again")
    packed = [export(ledger, tmp_path / f"{name}.zip") for name in ("a", "b")]

    assert content(again) == content(whole)
    assert packed[0].read_bytes() == packed[1].read_bytes()


def test_a_zip_has_sorted_names_fixed_times_and_fixed_modes(ledger: Case, whole: Path, tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        packed = export(ledger, tmp_path / "bundle.zip")
    finally:
        os.umask(previous)

    with zipfile.ZipFile(packed) as archive:
        members = archive.infolist()
        assert [member.filename for member in members] == sorted(names(whole))
        assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
        modes = {member.filename: stat.S_IMODE(member.external_attr >> 16) for member in members}
        assert modes == {name: 0o755 if name == "verify.sh" else 0o644 for name in names(whole)}
        assert {name: archive.read(name) for name in modes} == content(whole)


def test_the_lists_cover_every_file(whole: Path) -> None:
    """`sha256sum -c` reads the one, and the other lists all but the two lists."""
    done = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=whole, capture_output=True, check=False)
    listed = {line.split("  ", 1)[1] for line in (whole / "SHA256SUMS").read_text().splitlines()}
    rows = manifest_of(whole)["files"]

    assert done.returncode == 0
    assert listed == names(whole) - {"SHA256SUMS"}
    assert isinstance(rows, list)
    assert {(row["path"], row["size"], row["sha256"]) for row in rows} == {
        (name, len(data), sha256(data).hexdigest())
        for name, data in content(whole).items()
        if name not in {"SHA256SUMS", "manifest.json"}
    }


def test_the_manifest_says_what_is_there_and_what_is_not(ledger: Case, sample: Path) -> None:
    manifest = manifest_of(sample)

    assert manifest["schema"] == "release-ledger/bundle/1"
    assert (manifest["origin"], manifest["tree_size"], manifest["form"]) == (ledger.key.origin, 5, "sample")
    assert (manifest["first_event"], manifest["last_event"], manifest["entries"]) == (1, 4, 2)
    assert (manifest["order"], manifest["export_recorded"]) == ("index", True)
    assert manifest["redactions"] == [
        {"member": "name_commit", "values": 1, "disclosed": 0},
        {"member": "tty_commit", "values": 1, "disclosed": 0},
    ]
    assert manifest["gaps"] == [
        "3 of 5 events are not in this bundle; it says nothing of them",
        "personal values are left out; the events hold salted commitments to them",
    ]
    limits = manifest["limits"]
    assert isinstance(limits, dict)
    assert (limits["unanchored"]["events"], limits["unsigned"]["events"]) == (5, 2)
    assert limits["unreconciled"]["open_attempts"] == []


def test_what_others_hold_goes_along_and_witnesses_sign_the_checkpoint(ledger: Case, tmp_path: Path) -> None:
    case = copy_case(ledger, tmp_path / "ledger")
    note = newest(case.database)
    row = ("INSERT INTO anchor VALUES (?, ?, ?, '2026-03-01T12:00:00.000000Z')", (5, "witness:w", cosigned(note)))
    alter(case.database, row, (row[0], (5, "file:/var/notes", note)), (row[0], (3, "rfc3161:x", b"token")))

    bundle = export(case, tmp_path / "bundle")
    manifest = manifest_of(bundle)

    assert (bundle / "anchors/5-2.note").read_bytes() == cosigned(note)
    assert (bundle / "anchors/3-1.note").read_bytes() == b"token"
    assert len(Note.parse((bundle / "checkpoint").read_bytes()).signatures) == 2
    assert manifest["anchors"] == [
        {"path": f"anchors/{path}.note", "size": size, "sink": sink, "at": "2026-03-01T12:00:00.000000Z"}
        for path, size, sink in (("3-1", 3, "rfc3161:x"), ("5-1", 5, "file:/var/notes"), ("5-2", 5, "witness:w"))
    ]
    limits = manifest["limits"]
    assert isinstance(limits, dict)
    assert (limits["unanchored"]["events"], limits["unanchored"]["first_event"]) == (0, 5)
    assert verify_path(Task(path=bundle, trust=ledger.trust)).verdict is Verdict.VERIFIED


def with_personal_value(ledger: Case, path: Path, *, value: bytes = b'"alice"') -> Case:
    """Return a copy of *ledger* whose events commit to a name that is kept."""
    case = copy_case(ledger, path)
    commitment = sha256(b"s" * 32 + b'"alice"').hexdigest().encode()
    for version in range(1, 6):
        edit_state(case.database, version, lambda state: state.replace(b"a1" * 32, commitment))
    redo(case.database, key=case.key)
    kept = "INSERT INTO disclosure VALUES (?, ?, ?)"
    alter(case.database, (kept, (commitment.decode(), b"s" * 32, value)), (kept, ("0" * 64, b"t", b'"bob"')))
    return case


def test_personal_values_go_along_only_when_they_are_asked_for(ledger: Case, tmp_path: Path) -> None:
    """RULINGS 5; of what is kept, only what an exported event commits to."""
    case = with_personal_value(ledger, tmp_path / "ledger")

    closed = export(case, tmp_path / "closed")
    opened = export(case, tmp_path / "opened", indexes=(2,), disclose=True)

    assert "disclosures.json" not in names(closed)
    assert not any(b"alice" in data for data in content(closed).values())
    (row,) = json.loads((opened / "disclosures.json").read_bytes())
    assert sha256(bytes.fromhex(row["salt"]) + row["json"].encode()).hexdigest() == row["commitment"]
    assert row["json"] == '"alice"'
    redactions = manifest_of(opened)["redactions"]
    assert isinstance(redactions, list)
    assert redactions[0] == {"member": "name_commit", "values": 1, "disclosed": 1}


def test_a_personal_value_that_is_another_one_is_not_exported(ledger: Case, tmp_path: Path) -> None:
    case = with_personal_value(ledger, tmp_path / "ledger", value=b'"mallory"')

    with pytest.raises(RecordDiffersError, match="not what was signed"):
        export(case, tmp_path / "bundle", disclose=True)

    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("indexes", [None, (3,)], ids=["whole", "sample"])
def test_a_record_that_is_not_what_was_signed_is_no_evidence(
    indexes: tuple[int, ...] | None, ledger: Case, tmp_path: Path
) -> None:
    case = copy_case(ledger, tmp_path / "ledger")
    edit_state(case.database, 4, lambda state: state.replace(b"4.4.1", b"4.4.2"))

    with pytest.raises(RecordDiffersError):
        export(case, tmp_path / "bundle", indexes=indexes)

    assert [path.name for path in tmp_path.iterdir() if "bundle" in path.name] == []


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [
        ("DELETE FROM stored_events WHERE originator_version = 2", None),
        ("UPDATE log_tile SET hashes = zeroblob(160) WHERE level = 0", (3,)),
        ("DELETE FROM log_tile", (3,)),
        ("UPDATE log_checkpoint SET note = CAST('x' AS BLOB) WHERE size = 5", None),
        ("DELETE FROM log_checkpoint WHERE size = 5", (4,)),
    ],
)
def test_what_is_missing_or_damaged_stops_an_export(
    statement: str, indexes: tuple[int, ...] | None, ledger: Case, tmp_path: Path
) -> None:
    case = copy_case(ledger, tmp_path / "ledger")
    alter(case.database, statement)

    with pytest.raises(EvidenceError):
        export(case, tmp_path / "bundle", indexes=indexes)

    assert not (tmp_path / "bundle").exists()


def test_a_sample_of_nothing_is_refused(ledger: Case, tmp_path: Path) -> None:
    with pytest.raises(NothingToExportError):
        export(ledger, tmp_path / "bundle", indexes=())


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_what_is_there_is_never_replaced(name: str, ledger: Case, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to("nowhere")

    with pytest.raises(TargetTakenError):
        export(ledger, tmp_path / name)
    with pytest.raises(TargetFolderError):
        export(ledger, tmp_path / "missing" / name)


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_an_export_that_breaks_off_leaves_nothing(name: str, tmp_path: Path) -> None:
    def full() -> Iterator[BundleFile]:
        yield BundleFile("a/b", b"1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        pytest.raises(ExportNotWrittenError, match="cannot be written"),
        written_bundle(tmp_path / name, full(), close=lambda _: ()),
    ):
        pytest.fail("nothing was published")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_bundle_is_taken_back_when_it_cannot_be_recorded(name: str, tmp_path: Path) -> None:
    seen = []

    def recording_fails() -> None:
        with written_bundle(tmp_path / name, (BundleFile("a", b"1"),), close=lambda _: ()):
            seen.append((tmp_path / name).exists())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recording_fails()

    assert seen == [True]
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_export_left_behind_is_cleared(ledger: Case, whole: Path, tmp_path: Path) -> None:
    left = tmp_path / ".bundle.ledger-tmp"
    left.mkdir()
    (left / "stray").write_bytes(b"x")

    assert content(export(ledger, tmp_path / "bundle")) == content(whole)


def test_a_listing_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"1\n"
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write_file(tmp_path / "list", [b"1\n", b"2\n"])
    with pytest.raises(ExportNotWrittenError):
        write_file(tmp_path / "other", broken())

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"list": b"1\n2\n"}


@given(st.sets(st.integers(0, 10_000), max_size=60), st.integers(1, 80), st.text(max_size=8))
def test_a_sample_is_a_part_and_the_same_for_the_same_seed(indexes: set[int], count: int, seed: str) -> None:
    chosen = choose_sample(sorted(indexes), count=count, seed=seed)

    assert set(chosen) <= indexes
    assert list(chosen) == sorted(chosen)
    assert len(chosen) == min(count, len(indexes))
    assert chosen == choose_sample(sorted(indexes, reverse=True), count=count, seed=seed)


def test_a_commitment_inside_a_text_is_not_counted() -> None:
    """In canonical JSON a quote inside a text is escaped."""
    tally = Tally()

    tally.take(3, rb'{"name_commit":"%s","reason":"\"tty_commit\":\"%s\""}' % (b"a" * 64, b"b" * 64))

    assert tally.redactions() == [{"member": "name_commit", "values": 1, "disclosed": 0}]
    assert not tally.disclose("b" * 64)
    assert (tally.entries, tally.first, tally.last) == (1, 3, 3)


def test_an_export_covers_what_was_signed_and_no_more(tmp_path: Path) -> None:
    """The newest checkpoint decides, and each commit has one."""
    case = build(tmp_path / "ledger", events=3, commit=3)

    bundle = export(case, tmp_path / "bundle")

    assert manifest_of(bundle)["tree_size"] == 3
