"""What a verifier makes of the place where a record lies: a log file beside it, a writer, a zip (evidence.md 8)."""

import io
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from ledger.adapters.audit_bundle import bundle_source
from ledger.adapters.audit_files import ZipFiles
from ledger.adapters.audit_place import Task, verify_path
from ledger.adapters.audit_tiles import TilesSource
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.adapters.signatures import PRIMITIVES
from ledger.application.audit import Asked
from ledger.application.audit_report import Level, Verdict
from ledger.application.audit_source import PartMissingError, PartWrongError
from ledger.application.audit_trust import Trust
from ledger.application.verification import verify_log
from ledger.temporary import TemporaryPlaceError
from ledger.tlog.policy import Log, Policy
from ledger.tlog.vkey import Vkey
from tests.tlog.test_tile_vectors import POSIX, POSIX_KEY

from .bundles import whole
from .ledgers import Case, build, record, upgrades


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_copy_with_its_log_file_is_read_with_it_and_left_as_it_is(tmp_path: Path) -> None:
    """The newest events lie in the ``-wal`` alone, and there is no ``-shm`` beside it."""
    case = build(tmp_path / "ledger", events=9)
    copy = tmp_path / "copy"
    copy.mkdir()
    with closing(sqlite3.connect(case.database)) as other:
        other.execute("SELECT COUNT(*) FROM log_leaf").fetchone()  # while it is open, the log file stays
        record(case.folder, list(islice(upgrades(), 9, 15)))
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{case.database}{suffix}", copy / f"ledger.db{suffix}")
    before = contents(copy)

    report = replace(case, folder=LedgerFolder(copy)).verify()

    assert (report.verdict, report.size) == (Verdict.VERIFIED, 15)
    assert len(before["ledger.db-wal"]) > 0
    assert contents(copy) == before


def test_only_a_copy_that_must_be_made_asks_for_a_temporary_place_and_its_lack_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = build(tmp_path / "ledger", events=9)
    copy = tmp_path / "copy"
    copy.mkdir()
    with closing(sqlite3.connect(case.database)) as other:
        other.execute("SELECT COUNT(*) FROM log_leaf").fetchone()
        record(case.folder, list(islice(upgrades(), 9, 15)))
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{case.database}{suffix}", copy / f"ledger.db{suffix}")
    monkeypatch.setattr("tempfile.tempdir", "/proc")

    with pytest.raises(TemporaryPlaceError) as caught:
        replace(case, folder=LedgerFolder(copy)).verify()

    assert (caught.value.code, caught.value.fact) == (1, "/proc: No such file or directory")
    assert "TMPDIR" in caught.value.hint
    assert case.verify().verdict is Verdict.VERIFIED


def test_a_record_that_grew_while_it_was_read_is_read_again(tmp_path: Path) -> None:
    """The first reading takes no lock, so it counts only when nobody wrote meanwhile."""
    case = build(tmp_path / "ledger", events=9)
    told: list[tuple[int, int]] = []

    def write_once(done: int, total: int) -> None:
        if not told:
            record(case.folder, list(islice(upgrades(), 9, 15)))
        told.append((done, total))

    report = verify_path(Task(path=case.folder.path, trust=case.trust, asked=Asked(progress=write_once)))

    assert told == [(9, 9), (15, 15)]
    assert (report.verdict, report.size) == (Verdict.VERIFIED, 15)


def test_the_log_of_tessera_verifies_while_it_is_empty(tmp_path: Path) -> None:
    """``tlog-tiles-posix`` at size 0: a checkpoint and nothing else."""
    shutil.copyfile(POSIX / "checkpoint.0", tmp_path / "checkpoint")
    policy = Policy((Log(Vkey.parse(POSIX_KEY)),), (), (), None)

    report = verify_path(Task(path=tmp_path, trust=Trust(policy=policy, primitives=PRIMITIVES)))

    assert (report.verdict, report.size, report.level) == (Verdict.VERIFIED, 0, Level.SIGNATURE)


# What a zip says of a member beside its name, its place and its content. No evidence rests on it: what is read under
# each name must still have the size and the digest of the manifest. (Offsets in the headers, by PKWARE's APPNOTE.)
_FREE_IN_LOCAL_HEADER = {
    "version needed": range(4, 6),
    "flags": range(6, 8),
    "method": range(8, 10),
    "time and date": range(10, 14),
    "checksum and sizes": range(14, 26),
}
_FREE_IN_CENTRAL_HEADER = {
    "version made by": range(4, 6),
    "version needed": range(6, 8),
    "flags": range(8, 10),
    "time and date": range(12, 16),
    "sizes": range(20, 28),
    "lengths, where the directory ends before": range(28, 34),
    "disk and attributes": range(34, 42),
}
_FREE_AT_THE_END = {"numbers of disks and members": range(4, 12)}


def free_bytes(data: bytes) -> Iterator[int]:
    """Yield the bytes of a zip that no level covers."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        at = archive.start_dir
    for member in members:
        yield from (member.header_offset + byte for field in _FREE_IN_LOCAL_HEADER.values() for byte in field)
        yield from (at + byte for field in _FREE_IN_CENTRAL_HEADER.values() for byte in field)
        at += 46 + len(member.filename)
    yield from (at + byte for field in _FREE_AT_THE_END.values() for byte in field)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("ledger") / "ledger", events=3)


def verdict_of(data: bytes, trust: Trust) -> Verdict:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            source = bundle_source(ZipFiles(archive))
            assert isinstance(source, TilesSource)
            return verify_log(source, trust=trust).verdict
    except PartWrongError:
        return Verdict.FAILED
    except (PartMissingError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return Verdict.UNDECIDED


def test_every_byte_of_a_zip_is_covered_but_for_those_listed(ledger: Case) -> None:
    """Row 21: the container of a bundle; its files are covered byte by byte elsewhere."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(whole(ledger).items()):
            archive.writestr(name, content)
    data = packed.getvalue()
    with zipfile.ZipFile(packed) as archive:
        inside = {
            at
            for member in archive.infolist()
            for at in range(
                member.header_offset + 30 + len(member.filename) + 1,
                member.header_offset + 30 + len(member.filename) + member.file_size,
            )
        }
    container = [at for at in range(len(data)) if at not in inside]

    passed = {
        at
        for at in container
        if verdict_of(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], ledger.trust) is Verdict.VERIFIED
    }

    assert verdict_of(data, ledger.trust) is Verdict.VERIFIED
    assert passed - set(free_bytes(data)) == set()
