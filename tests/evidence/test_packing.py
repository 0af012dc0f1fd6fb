"""How a record is packed, laid out and linked says nothing of what is in it, as far as every reader sees the same."""

import os
import stat
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from ledger.adapters.audit_place import Task, verify_path
from ledger.adapters.signatures import PRIMITIVES
from ledger.application.audit import Asked
from ledger.application.audit_report import AuditReport, Level, Verdict
from ledger.application.audit_source import HeldNote, PartMissingError, PartWrongError
from ledger.application.audit_trust import Trust
from ledger.tlog.policy import Log, Policy
from ledger.tlog.vkey import Vkey

from . import another
from .another import Bundle, listed
from .bundles import whole, write
from .ledgers import Case, build

LOG = another.whole([b"%d" % index for index in range(300)])
BUNDLE = listed(another.whole([another.leaf(index) for index in range(300)]))
TRUST = Trust(policy=Policy((Log(Vkey.parse(another.vkey())),), (), (), None), primitives=PRIMITIVES)
DEFLATED = zipfile.ZIP_DEFLATED


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("ledger") / "ledger", events=7)


def verify(path: Path) -> AuditReport:
    """Verify the form, tree and signature of what another exporter wrote."""
    return verify_path(Task(path=path, trust=TRUST, asked=Asked(level=Level.SIGNATURE)))


def folders_of(files: Iterable[str]) -> list[str]:
    return sorted({f"{parent}/" for name in files for parent in map(str, list(Path(name).parents)[:-1])})


def packed(path: Path, members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], *, method: int = DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that stands there twice is meant to
        for name, data in members:
            archive.writestr(name, data, compress_type=method)
    return path


@pytest.mark.parametrize("files", [BUNDLE, LOG], ids=["bundle", "log"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, DEFLATED], ids=["stored", "deflated"])
def test_a_zip_may_name_its_folders(files: Bundle, method: int, tmp_path: Path) -> None:
    """As `zip -r`, 7-Zip, file managers and Java do; an empty member that is deflated has two bytes."""
    members = [(name, b"") for name in (*folders_of(files), "empty/")] + list(files.items())

    report = verify(packed(tmp_path / "packed.zip", members, method=method))

    assert (report.verdict, report.size) == (Verdict.VERIFIED, 300)


ODD: Mapping[str, list[tuple[str | zipfile.ZipInfo, bytes]]] = {
    "a folder with a content": [("notes/", b"a content that only some readers see")],
    "a folder of one byte": [("notes/", b"x")],
    "a folder twice": [("notes/", b""), ("notes/", b"")],
    "a folder with the name of a file": [("checkpoint/", b"")],
    "a file with the name of a folder": [("notes/", b""), ("notes", b"")],
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, DEFLATED], ids=["stored", "deflated"])
def test_a_folder_in_a_zip_that_not_every_reader_takes_for_one_is_refused(
    what: str, method: int, tmp_path: Path
) -> None:
    path = packed(tmp_path / "packed.zip", [*BUNDLE.items(), *ODD[what]], method=method)

    with pytest.raises(PartWrongError):
        verify(path)


def test_a_folder_that_another_reader_sees_under_another_name_is_refused(tmp_path: Path) -> None:
    """A reader of the local headers would find a file there."""
    path = packed(tmp_path / "packed.zip", [("notes/", b""), *BUNDLE.items()])
    data = path.read_bytes()
    assert data[30:36] == b"notes/"
    path.write_bytes(data[:30] + b"notes!" + data[36:])

    with pytest.raises(PartWrongError, match="notes"):
        verify(path)


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def test_a_link_in_a_zip_is_refused_in_a_bundle_and_not_followed_in_a_log(tmp_path: Path) -> None:
    bundle = packed(tmp_path / "bundle.zip", [*BUNDLE.items(), (link("tile/0/000.p/5"), b"../000")])
    log = packed(tmp_path / "log.zip", [*LOG.items(), (link("tile/0/000.p/5"), b"../000")])
    twice = packed(tmp_path / "twice.zip", [*LOG.items(), (link("tile/0/000"), b"../000")])

    with pytest.raises(PartWrongError, match="tile/0/000"):
        verify(bundle)
    assert verify(log).verdict is Verdict.VERIFIED
    with pytest.raises(PartWrongError, match="tile/0/000"):
        verify(twice)


def test_the_links_of_tessera_are_passed_over_and_told(tmp_path: Path) -> None:
    """Its POSIX storage puts a link to the full tile where each of its partial tiles stood."""
    folder = write(tmp_path / "log", {**LOG, ".state/treeState": b"{}"})
    for level in ("0", "entries"):
        (folder / f"tile/{level}/000.p").mkdir()
        (folder / f"tile/{level}/000.p/5").symlink_to("../000")

    report = verify(folder)

    assert report.verdict is Verdict.VERIFIED
    assert any("links were not followed: 2, such as tile/0/000.p/5" in limit for limit in report.limits)


@pytest.mark.parametrize("name", ["tile/0/000", "tile/1/000.p/1", "checkpoint", "tile"])
def test_a_link_in_the_place_of_what_is_needed_leaves_it_undecided(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "log", LOG)
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")

    told = told_of(folder)

    assert told.startswith("undecided: ")
    assert "it is a link, which is not followed" in told


def told_of(folder: Path) -> str:
    try:
        return verify(folder).words
    except PartMissingError as exc:
        return f"{exc.kind}: {exc.fault}"


@pytest.mark.parametrize("name", ["manifest.json", "SHA256SUMS", "README", "anchors", "views/a.csv", "anywhere"])
def test_a_bundle_whose_marks_are_links_is_no_log_of_other_software(name: str, ledger: Case, tmp_path: Path) -> None:
    """Else links in the place of its lists would let a bundle pass without them."""
    keep = whole(ledger) if name in {"manifest.json", "SHA256SUMS", "anywhere"} else {}
    log = {key: data for key, data in whole(ledger).items() if key == "checkpoint" or key.startswith("tile/")}
    folder = write(tmp_path / "bundle", {**log, **keep})
    (folder / name).unlink(missing_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to("/etc/hostname")

    with pytest.raises((PartWrongError, PartMissingError)):
        verify_path(Task(path=folder, trust=ledger.trust))


def test_a_folder_may_be_deeper_than_a_program_calls_itself(tmp_path: Path) -> None:
    folder = write(tmp_path / "log", LOG)
    at = os.open(folder, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("a", dir_fd=at)
        inner = os.open("a", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)

    try:
        assert verify(folder).verdict is Verdict.VERIFIED
    finally:
        _flatten(folder)


def _flatten(folder: Path) -> None:
    """Take apart what the removal of a tree would call itself too often for."""
    while (folder / "a").exists():
        inner = folder / "a"
        inner.rename(folder / "b")
        if (folder / "b/a").exists():
            (folder / "b/a").rename(folder / "a")
        (folder / "b").rmdir()


def test_a_log_is_called_a_log(tmp_path: Path) -> None:
    """An auditor who saw more of it is told so in words."""
    later = another.whole([b"%d" % index for index in range(301)])["checkpoint"]
    folder = write(tmp_path / "log", LOG)
    trust = Trust(policy=TRUST.policy, primitives=PRIMITIVES, held=(HeldNote("mine", later),))

    report = verify_path(Task(path=folder, trust=trust))

    assert report.words == "undecided: mine: this log ends at 300, and size 301 was seen before: ask for a newer one"
