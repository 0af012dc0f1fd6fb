"""Bundles and folders of tiles: rows 13, 14 and 21 of evidence.md 7, and logs that other software published."""

import io
import shutil
import sqlite3
import zipfile
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.adapters.audit_bundle import BundleSample, bundle_source
from ledger.adapters.audit_files import open_files
from ledger.adapters.audit_place import Task, verify_path
from ledger.adapters.audit_tiles import TilesSource
from ledger.adapters.signatures import PRIMITIVES
from ledger.application.audit import Asked
from ledger.application.audit_report import AuditReport, Level, Verdict
from ledger.application.audit_source import HeldNote, PartMissingError, PartWrongError
from ledger.application.audit_trust import Trust
from ledger.application.verification import verify_log, verify_sample
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note
from ledger.tlog.policy import Log, Policy
from ledger.tlog.vkey import Vkey
from tests.tlog.test_tile_vectors import POSIX, POSIX_KEY, SUNLIGHT

from .bundles import MemoryFiles, leaves_of, listed, sample, whole, write
from .ledgers import WITNESS, Case, build, cosigned, edit_state, newest, redo


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("ledger") / "ledger", events=7)


def verify(files: Mapping[str, bytes], trust: Trust) -> AuditReport | Verdict:
    """Return the report on a bundle in memory, or the verdict of opening it."""
    try:
        source = bundle_source(MemoryFiles(files))
    except PartWrongError:
        return Verdict.FAILED
    except PartMissingError:
        return Verdict.UNDECIDED
    if isinstance(source, BundleSample):
        return verify_sample(source, trust=trust)
    return verify_log(source, trust=trust)


def verdict_of(files: Mapping[str, bytes], trust: Trust) -> Verdict:
    found = verify(files, trust)
    return found if isinstance(found, Verdict) else found.verdict


def test_a_whole_bundle_verifies_from_a_folder_and_from_a_zip(ledger: Case, tmp_path: Path) -> None:
    files = whole(ledger)
    folder = write(tmp_path / "folder", files)
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        for name, data in sorted(files.items()):
            archive.writestr(name, data)

    reports = [verify_path(Task(path=path, trust=ledger.trust)) for path in (folder, tmp_path / "bundle.zip")]

    assert [report.verdict for report in reports] == [Verdict.VERIFIED] * 2
    assert reports[0].size == 7
    assert reports[0].holding >= {Level.FORM, Level.TREE, Level.SIGNATURE, Level.MEANING}


def test_a_sample_verifies_and_says_that_it_is_one(ledger: Case) -> None:
    report = verify(sample(ledger, 0, 3), ledger.trust)

    assert isinstance(report, AuditReport)
    assert report.verdict is Verdict.VERIFIED
    assert report.words.startswith("ok: 2 sampled of 7 events, root ")
    assert any("says nothing of the others" in limit for limit in report.limits)


@pytest.mark.parametrize("form", ["whole", "sample"])
def test_every_byte_of_a_small_bundle_that_changes_is_found(form: str, ledger: Case) -> None:
    """Row 21. There are no exceptions: SHA256SUMS covers each file, and is itself held against the manifest."""
    files = (
        whole(ledger, anchors={"w.note": cosigned(newest(ledger.database))}) if form == "whole" else sample(ledger, 1)
    )
    trust = replace(ledger, witness=form == "whole").trust

    passed = [
        (name, at)
        for name, data in files.items()
        for at in range(len(data))
        if verdict_of({**files, name: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]}, trust) is Verdict.VERIFIED
    ]

    assert verdict_of(files, trust) is Verdict.VERIFIED
    assert passed == []


@pytest.mark.parametrize("form", ["whole", "sample"])
def test_every_byte_of_evidence_is_covered_also_without_the_sums(form: str, ledger: Case) -> None:
    """Row 21: manifest and sums made anew around the change, as a forger would. Only the README is free."""
    files = whole(ledger) if form == "whole" else sample(ledger, 1)
    evidence = {name: data for name, data in files.items() if name not in {"README", "manifest.json", "SHA256SUMS"}}

    passed = [
        (name, at)
        for name, data in evidence.items()
        for at in range(0, len(data), 3)
        if verdict_of(listed({**evidence, name: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]}), ledger.trust)
        is Verdict.VERIFIED
    ]

    # The note inside a proof file must state the checkpoint; its signature lines are the checkpoint's own.
    proof = evidence.get("entries/1.tlog-proof", b"")
    signatures = range(proof.rfind(b"\n\n"), len(proof))
    assert [place for place in passed if place[0] != "entries/1.tlog-proof" or place[1] not in signatures] == []


@pytest.mark.parametrize("form", ["whole", "sample"])
def test_a_part_that_is_missing_leaves_it_undecided(form: str, ledger: Case) -> None:
    """Row 14: listed or not, whatever is missing."""
    files = whole(ledger) if form == "whole" else sample(ledger, 1)
    parts = [name for name in files if name not in {"README", "manifest.json", "SHA256SUMS"}]

    for name in files:
        assert verdict_of({key: data for key, data in files.items() if key != name}, ledger.trust) is Verdict.UNDECIDED
    for name in parts:
        rest = {key: files[key] for key in parts if key != name}
        if form == "whole" or name != "entries/1.json":
            assert verdict_of(listed(rest), ledger.trust) is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "name",
    ["README", "VERIFY.md", "verify.sh", "log.vkey", "policy", "disclosures.json", "views/a.csv", "anchors/a.note"],
)
def test_a_bundle_without_manifest_and_sums_is_no_log_of_other_software(
    name: str, ledger: Case, tmp_path: Path
) -> None:
    """Row 14: both lists are missing, and with them what tells whether a file was changed or left out."""
    log = {key: data for key, data in whole(ledger).items() if key == "checkpoint" or key.startswith("tile/")}
    alone, stripped = write(tmp_path / "log", log), write(tmp_path / "bundle", {**log, name: b"x"})

    assert verify_path(Task(path=alone, trust=ledger.trust)).verdict is Verdict.VERIFIED
    with pytest.raises(PartMissingError, match=r"manifest\.json"):
        verify_path(Task(path=stripped, trust=ledger.trust))


@pytest.mark.parametrize("form", ["whole", "sample"])
@pytest.mark.parametrize("views", [True, False])
def test_what_no_level_checks_is_said(form: str, *, views: bool, ledger: Case) -> None:
    files = dict(whole(ledger) if form == "whole" else sample(ledger, 1))
    files = {name: data for name, data in files.items() if name not in {"manifest.json", "SHA256SUMS"}}

    report = verify(listed({**files, "views/timeline.csv": b"x"} if views else files), ledger.trust)

    assert isinstance(report, AuditReport)
    assert any("limits, redactions, export_recorded" in limit for limit in report.limits)
    assert any("views/ was not checked" in limit for limit in report.limits) == views


def test_an_anchor_that_the_quorum_needs_is_missed(ledger: Case) -> None:
    """Row 14."""
    trust = replace(ledger, witness=True).trust

    assert verdict_of(whole(ledger, anchors={"w": cosigned(newest(ledger.database))}), trust) is Verdict.VERIFIED
    assert verdict_of(whole(ledger), trust) is Verdict.UNDECIDED


def test_a_bundle_with_its_own_key_is_refused(ledger: Case, tmp_path: Path) -> None:
    """Row 13."""
    other = build(tmp_path / "other", events=7, seed=2)
    files = listed({**whole(other), "log.vkey": str(other.key.vkey).encode(), "policy": b"quorum none\n"})

    assert verdict_of({**files}, ledger.trust) is Verdict.FAILED


def test_without_a_key_of_the_auditor_nothing_is_verified(ledger: Case) -> None:
    assert verdict_of(whole(ledger), Trust()) is Verdict.UNDECIDED


def test_an_entry_under_another_index_is_refused(ledger: Case) -> None:
    """Row 12."""
    files = {name: data for name, data in sample(ledger, 1).items() if name not in {"manifest.json", "SHA256SUMS"}}
    files = {name.replace("/1.", "/2."): data for name, data in files.items()}

    assert verdict_of(listed(files), ledger.trust) is Verdict.FAILED


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/etc/out", "a//b", "a\\b", "folder//", "../folder/", "/"])
def test_a_zip_with_a_name_that_leads_out_is_refused(name: str, ledger: Case, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"")

    with pytest.raises(PartWrongError):
        verify_path(Task(path=tmp_path / "bundle.zip", trust=ledger.trust))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_that_is_packed_otherwise_is_not_unpacked(method: int, ledger: Case, tmp_path: Path) -> None:
    """What these unpackers make of a damaged member is theirs, such as an error of a kind of its own."""
    damaged = bytearray(zipped(whole(ledger), method=method))
    damaged[200:240] = bytes(40)
    (tmp_path / "bundle.zip").write_bytes(damaged)

    with pytest.raises(PartMissingError, match=r"manifest\.json cannot be read"):
        verify_path(Task(path=tmp_path / "bundle.zip", trust=ledger.trust))


def test_a_link_in_a_bundle_is_refused(ledger: Case, tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", whole(ledger))
    (folder / "README").unlink()
    (folder / "README").symlink_to("/etc/hostname")

    with pytest.raises(PartWrongError):
        verify_path(Task(path=folder, trust=ledger.trust))


def test_a_file_that_is_not_listed_is_refused(ledger: Case) -> None:
    assert verdict_of({**whole(ledger), "extra": b""}, ledger.trust) is Verdict.FAILED


@pytest.mark.parametrize("form", [whole, sample])
@pytest.mark.parametrize(
    ("name", "value"), [("origin", "other.example.org/ledger"), ("tree_size", 6), ("tree_size", "7"), ("root", "AA==")]
)
def test_a_manifest_that_states_another_tree_than_the_checkpoint_is_refused(
    ledger: Case, form: Callable[..., Mapping[str, bytes]], name: str, value: object
) -> None:
    """evidence.md 6.3: it states origin, tree size and root; who reads it alone must not be told of another log."""
    files = form(ledger) if form is whole else form(ledger, 3)
    own = {path: data for path, data in files.items() if path not in {"manifest.json", "SHA256SUMS"}}
    signed = Checkpoint.parse(Note.parse(own["checkpoint"]).text)
    true = {"origin": signed.origin, "tree_size": signed.size, "root": b64encode(signed.root).decode()}

    assert verdict_of(listed(own, **true), ledger.trust) is Verdict.VERIFIED
    assert verdict_of(listed(own, **{**true, "root": signed.root.hex()}), ledger.trust) is Verdict.VERIFIED
    assert verdict_of(listed(own, **{**true, name: value}), ledger.trust) is Verdict.FAILED


@pytest.mark.parametrize(("size", "held"), [(7, 1), (7, 6), (7, 7), (130, 128), (255, 254)])
def test_a_bundle_is_audited_since_any_earlier_note(tmp_path: Path, size: int, held: int) -> None:
    """PRODUCT section 8: new events and a consistency proof. The bundle has the tiles of its own size alone."""
    case = build(tmp_path / "ledger", events=size, commit=1)
    with closing(sqlite3.connect(case.database)) as connection:
        ((note,),) = connection.execute("SELECT note FROM log_checkpoint WHERE size = ?", (held,)).fetchall()
    source, since = bundle_source(MemoryFiles(whole(case))), HeldNote("mine", note)
    assert isinstance(source, TilesSource)

    report = verify_log(source, trust=case.trust, asked=Asked(since=since))

    assert (report.verdict, report.first, report.size) == (Verdict.VERIFIED, held, size)
    assert Level.HISTORY in report.holding


def test_a_bundle_of_another_history_than_the_note_where_an_audit_begins_is_refused(tmp_path: Path) -> None:
    case, other = build(tmp_path / "ledger", events=7, commit=1), build(tmp_path / "other", events=6, commit=1)
    edit_state(other.database, 3, lambda state: state.replace(b"emqx-4.4.1-", b"emqx-4.4.7-"))
    redo(other.database, key=other.key)
    source, since = bundle_source(MemoryFiles(whole(case))), HeldNote("mine", newest(other.database))
    assert isinstance(source, TilesSource)

    report = verify_log(source, trust=case.trust, asked=Asked(since=since))

    assert report.verdict is Verdict.FAILED
    assert report.words == "failed: mine: the record has another history up to size 6"


@pytest.mark.parametrize(("since", "held"), [(True, True), (True, False), (False, True)])
def test_a_bundle_older_than_what_was_seen_is_undecided(
    ledger: Case, tmp_path: Path, *, since: bool, held: bool
) -> None:
    """An honest bundle may be older than the auditor's note; that it is continued by it needs a newer one."""
    mine = HeldNote("mine", newest(build(tmp_path / "longer", events=9).database))
    trust = replace(ledger, held=(mine,) if held else ()).trust
    source = bundle_source(MemoryFiles(whole(ledger)))
    assert isinstance(source, TilesSource)

    report = verify_log(source, trust=trust, asked=Asked(since=mine if since else None))

    assert report.verdict is Verdict.UNDECIDED
    assert report.words == ("undecided: mine: this bundle ends at 7, and size 9 was seen before: ask for a newer one")
    assert Level.HISTORY not in report.holding
    assert not any("no earlier note" in limit for limit in report.limits)


def test_an_older_bundle_that_lower_levels_accept_says_what_was_seen(ledger: Case, tmp_path: Path) -> None:
    mine = HeldNote("mine", newest(build(tmp_path / "longer", events=9).database))
    source = bundle_source(MemoryFiles(whole(ledger)))
    assert isinstance(source, TilesSource)
    trust = replace(ledger, held=(mine, HeldNote("same", newest(ledger.database)))).trust

    report = verify_log(source, trust=trust, asked=Asked(level=Level.SIGNATURE))

    assert report.verdict is Verdict.VERIFIED
    assert Level.HISTORY not in report.holding
    assert any("ask for a newer one" in limit for limit in report.limits)


def test_a_bundle_of_another_history_than_was_seen_is_refused(ledger: Case, tmp_path: Path) -> None:
    """Row 6 for bundles: a note of a size that the bundle has shows another history, whatever else was seen."""
    other = build(tmp_path / "other", events=5)
    edit_state(other.database, 4, lambda state: state.replace(b"CVE", b"cve"))
    redo(other.database, key=other.key)
    newer = HeldNote("newer", newest(build(tmp_path / "longer", events=9).database))
    trust = replace(ledger, held=(newer, HeldNote("mine", newest(other.database)))).trust

    report = verify(whole(ledger), trust)

    assert isinstance(report, AuditReport)
    assert report.verdict is Verdict.FAILED
    assert "it holds another history up to size 5" in report.words


def test_the_fixtures_are_what_they_say(ledger: Case) -> None:
    assert len(leaves_of(ledger)) == 7
    assert WITNESS.name in cosigned(newest(ledger.database)).decode()


def _posix(folder: Path, size: int) -> Path:
    shutil.copytree(POSIX / "tile", folder / "tile") if size else folder.mkdir()
    shutil.copyfile(POSIX / f"checkpoint.{size}", folder / "checkpoint")
    return folder


@pytest.mark.parametrize("size", range(1, 16))
def test_the_log_of_tessera_verifies_at_each_size(size: int, tmp_path: Path) -> None:
    """The checkpoint, tiles and entries that another software wrote."""
    policy = Policy((Log(Vkey.parse(POSIX_KEY)),), (), (), None)

    report = verify_path(Task(path=_posix(tmp_path / "log", size), trust=Trust(policy=policy, primitives=PRIMITIVES)))

    assert report.verdict is Verdict.VERIFIED
    assert (report.size, report.level) == (size, Level.SIGNATURE)


def test_a_bit_of_a_published_log_is_found(tmp_path: Path) -> None:
    policy = Policy((Log(Vkey.parse(POSIX_KEY)),), (), (), None)
    folder = _posix(tmp_path / "log", 15)
    entries = folder / "tile/entries/000.p/15"
    data = bytearray(entries.read_bytes())
    data[-1] ^= 1
    entries.write_bytes(data)

    report = verify_path(Task(path=folder, trust=Trust(policy=policy, primitives=PRIMITIVES)))

    assert report.verdict is Verdict.FAILED
    assert report.words.startswith("failed: event 14: ")


def test_the_tiles_of_sunlight_have_the_root_of_their_checkpoint(tmp_path: Path) -> None:
    """300 leaves without entries; the log's own key is of a type that is not read, so level 1 is what can be shown."""
    folder = tmp_path / "log"
    shutil.copytree(SUNLIGHT / "tile", folder / "tile")
    shutil.copyfile(SUNLIGHT / "checkpoint.mirror", folder / "checkpoint")

    tree = verify_path(Task(path=folder, trust=Trust(), asked=Asked(level=Level.TREE)))
    signed = verify_path(Task(path=folder, trust=Trust()))

    assert (tree.verdict, tree.size, tree.level) == (Verdict.VERIFIED, 300, Level.TREE)
    assert signed.verdict is Verdict.UNDECIDED


def test_a_checkpoint_alone_is_no_log_of_its_size(ledger: Case, tmp_path: Path) -> None:
    """Row 14: everything else of a bundle is missing."""
    (tmp_path / "checkpoint").write_bytes(newest(ledger.database))

    report = verify_path(Task(path=tmp_path, trust=ledger.trust))

    assert report.verdict is Verdict.UNDECIDED


def zipped(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


class _Pipe(io.RawIOBase):
    """A place to write to that cannot seek, so that sizes stand behind the members."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 # what the zip writer gives: bytes of some kind
        self.data += data
        return len(data)


def piped(files: Mapping[str, bytes]) -> bytes:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return bytes(pipe.data)


def with_comment(data: bytes) -> bytes:
    return data[:-2] + b"\x04\0junk"


def with_a_gap(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.start_dir
    end = data.rindex(b"PK\5\6")
    return data[:at] + b"junk" + data[at : end + 16] + (at + 4).to_bytes(4, "little") + data[end + 20 :]


@pytest.mark.parametrize(
    ("junk", "where"),
    [
        (lambda data: b"junk" + data, "4 bytes stand at byte 0 that belong to no file"),
        (lambda data: b"#!/bin/sh\n" * 9 + data, "90 bytes stand at byte 0 that belong to no file"),
        (lambda data: data + b"junk", "bytes stand behind its end record"),
        (lambda data: data + b"\0" * 22, "bytes stand behind its end record"),
        (with_comment, "bytes stand behind its end record"),
        (with_a_gap, "4 bytes stand at byte"),
    ],
)
def test_what_belongs_to_no_file_of_a_zip_is_refused(
    junk: Callable[[bytes], bytes], where: str, ledger: Case, tmp_path: Path
) -> None:
    """Another reader may take it for another zip, or a shell for a program."""
    path = tmp_path / "bundle.zip"
    path.write_bytes(junk(zipped(whole(ledger))))

    with pytest.raises(PartWrongError) as caught, open_files(path):
        pass

    assert where in caught.value.fact


@pytest.mark.parametrize("form", [zipped, partial(zipped, method=zipfile.ZIP_DEFLATED), piped])
def test_a_sound_zip_is_read_however_it_was_written(
    form: Callable[[Mapping[str, bytes]], bytes], ledger: Case, tmp_path: Path
) -> None:
    """Stored, deflated, or streamed with sizes behind the members, in any order of names."""
    path = tmp_path / "bundle.zip"
    path.write_bytes(form(dict(reversed(whole(ledger).items()))))

    assert verify_path(Task(path=path, trust=ledger.trust)).verdict is Verdict.VERIFIED


def test_of_a_log_of_other_software_nothing_is_said_of_this_host(tmp_path: Path) -> None:
    """Who else has it is not known: it may lie on a thousand mirrors."""
    task = Task(path=_posix(tmp_path / "log", 15), trust=Trust(), asked=Asked(level=Level.TREE))

    report = verify_path(task)

    assert report.words.endswith("held outside: 0 of 15 (last 15 not shown to be held by others)")
