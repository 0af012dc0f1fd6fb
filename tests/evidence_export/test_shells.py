"""``verify.sh`` in every POSIX shell that is there, wherever a bundle lies, and on what only a shell mistakes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.application.bundle_manifest import SUMS
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import sign_note
from tests.evidence.ledgers import Case, build
from tests.tlog.keys import make_signer

from .exports import FAILED, UNDECIDED, VERIFIED, copy_of, export, need_shell, relist, run_shell

SHELLS = ("dash", "bash --posix", "bash", "mksh", "busybox sh", "ksh", "yash", "posh", "zsh")
pytestmark = pytest.mark.usefixtures("shell")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path]:
    """Make a log with a full tile, and a sample of it."""
    folder = tmp_path_factory.mktemp("long")
    case = build(folder / "ledger", events=257, commit=257)
    return case, export(case, folder / "sample", indexes=(0, 255, 256))


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_accepts_a_good_export_and_refuses_an_altered_one(
    shell: str, ledger: Case, whole: Path, sample: Path, tmp_path: Path
) -> None:
    need_shell(shell)
    altered = copy_of(sample, tmp_path / "bundle")
    (altered / "entries/1.json").write_bytes((altered / "entries/4.json").read_bytes())
    relist(altered)

    told = [run_shell(bundle, str(ledger.key.vkey), shell=shell) for bundle in (whole, sample, altered)]

    assert [each.code for each in told] == [VERIFIED, VERIFIED, FAILED], [each.text for each in told]


@pytest.mark.parametrize("shell", SHELLS)
def test_an_index_is_not_counted_from_the_beginning_again(
    shell: str, ledger: Case, sample: Path, tmp_path: Path
) -> None:
    """Row 12: event 1 shown as one of 2^32 + 1, which 32 bits hold as 1."""
    need_shell(shell)
    bundle, index = copy_of(sample, tmp_path / "bundle"), 2**32 + 1
    proof = (bundle / "entries/1.tlog-proof").read_bytes().replace(b"\nindex 1\n", b"\nindex %d\n" % index)
    (bundle / f"entries/{index}.tlog-proof").write_bytes(proof)
    (bundle / "entries/1.tlog-proof").unlink()
    (bundle / "entries/1.json").rename(bundle / f"entries/{index}.json")
    relist(bundle)

    told = run_shell(bundle, str(ledger.key.vkey), shell=shell)

    assert told.code == FAILED
    assert f"entries/{index}.json: its index is outside the tree" in told.text


@pytest.mark.parametrize("shell", SHELLS)
def test_entries_at_the_edge_of_a_tile_stand_in_the_tree(shell: str, long: tuple[Case, Path]) -> None:
    need_shell(shell)
    case, bundle = long

    assert run_shell(bundle, str(case.key.vkey), shell=shell).code == VERIFIED


@pytest.mark.parametrize("name", ["with blanks", "-x", "(é) $HOME", "a'b\"c"])
def test_a_bundle_may_lie_in_any_folder(name: str, ledger: Case, whole: Path, tmp_path: Path) -> None:
    bundle = copy_of(whole, tmp_path / name)

    by_path = run_shell(bundle, str(ledger.key.vkey))
    by_name = run_shell(Path(name), str(ledger.key.vkey), within=tmp_path)

    assert (by_path.code, by_name.code) == (VERIFIED, VERIFIED), by_name.text


@pytest.mark.parametrize("shell", SHELLS)
def test_the_folder_that_is_named_is_checked_and_no_other_of_its_name(
    shell: str, ledger: Case, whole: Path, tmp_path: Path
) -> None:
    """With CDPATH, ``cd`` prefers a folder of that name in another place: the good one would vouch for the bad one."""
    need_shell(shell)
    copy_of(whole, tmp_path / "elsewhere/bundle")
    copy_of(whole, tmp_path / "here/bundle").joinpath("README").write_bytes(b"another\n")

    told = run_shell(
        Path("bundle"),
        str(ledger.key.vkey),
        shell=shell,
        within=tmp_path / "here",
        variables={"CDPATH": str(tmp_path / "elsewhere")},
    )

    assert told.code == FAILED
    assert "README is not what SHA256SUMS lists" in told.text


@pytest.mark.parametrize("shell", SHELLS)
def test_a_folder_that_is_not_there_is_undecided_and_says_the_order(shell: str, ledger: Case, whole: Path) -> None:
    """Key and folder in the wrong order are the likeliest reason."""
    need_shell(shell)

    told = run_shell(Path(str(ledger.key.vkey)), str(whole), shell=shell, within=whole)

    assert told.code == UNDECIDED
    assert "the key comes first: sh verify.sh VKEY [FOLDER]" in told.text


@pytest.mark.parametrize("name", ["README ", " README", "checkpoint\t", "tile/0 ", ".hidden", "..x"])
def test_a_file_whose_name_is_nearly_listed_is_refused(name: str, ledger: Case, whole: Path, tmp_path: Path) -> None:
    bundle = copy_of(whole, tmp_path / "bundle")
    (bundle / name).write_bytes(b"x")

    told = run_shell(bundle, str(ledger.key.vkey))

    assert told.code == FAILED
    assert "is not listed in SHA256SUMS" in told.text


def test_the_last_line_of_the_sums_counts_also_where_it_is_not_ended(ledger: Case, whole: Path, tmp_path: Path) -> None:
    bundle = copy_of(whole, tmp_path / "bundle")
    lines = (bundle / SUMS).read_text(encoding="utf-8").splitlines()
    (bundle / SUMS).write_text("\n".join(lines), encoding="utf-8")
    (bundle / lines[-1][66:]).write_bytes(b"another\n")

    assert run_shell(bundle, str(ledger.key.vkey)).code == FAILED


UNREADABLE: dict[str, Callable[[Path], Path]] = {
    "checkpoint": lambda bundle: bundle / "checkpoint",
    "sums": lambda bundle: bundle / SUMS,
    "entry": lambda bundle: bundle / "entries/1.json",
    "proof": lambda bundle: bundle / "entries/4.tlog-proof",
    "text": lambda bundle: bundle / "README",
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_leaves_it_undecided(what: str, ledger: Case, sample: Path, tmp_path: Path) -> None:
    """evidence.md 6.2. Root reads whatever there is, so there a folder stands in the place of the file."""
    bundle = copy_of(sample, tmp_path / "bundle")
    path = UNREADABLE[what](bundle)
    if os.geteuid() == 0:
        path.unlink()
        path.mkdir()
    else:
        path.chmod(0)

    assert run_shell(bundle, str(ledger.key.vkey)).code == UNDECIDED


@pytest.mark.parametrize("first", [True, False])
def test_each_line_of_the_key_must_verify(*, first: bool, ledger: Case, whole: Path, tmp_path: Path) -> None:
    """Row 16: a line of a known key that fails refuses the note, whatever another line of that key says."""
    bundle = copy_of(whole, tmp_path / "bundle")
    text, _, line = (bundle / "checkpoint").read_bytes().rpartition(b"\n\n")
    forged = sign_note(b"another text\n", signers=[ledger.key]).rpartition(b"\n\n")[2]
    (bundle / "checkpoint").write_bytes(text + b"\n\n" + (forged + line if first else line + forged))
    relist(bundle)

    assert run_shell(bundle, str(ledger.key.vkey)).code == FAILED


@pytest.mark.parametrize("providers", ["fips = fips\n[fips]\nactivate = 1\n", "null = null\n[null]\nactivate = 1\n"])
def test_an_openssl_that_cannot_verify_decides_nothing(
    providers: str, ledger: Case, whole: Path, tmp_path: Path
) -> None:
    """A host may allow fewer algorithms than Ed25519; that says nothing of the signature."""
    settings = tmp_path / "openssl.cnf"
    settings.write_text(f"openssl_conf = first\n[first]\nproviders = those\n[those]\n{providers}", encoding="utf-8")

    told = run_shell(whole, str(ledger.key.vkey), variables={"OPENSSL_CONF": str(settings)})

    assert told.code == UNDECIDED


def test_a_size_that_not_every_shell_can_count_to_is_undecided(whole: Path, tmp_path: Path) -> None:
    bundle, key = copy_of(whole, tmp_path / "bundle"), make_signer("example.org/log", 3)
    text = Checkpoint("example.org/log", 10**9, b"r" * 32).encode()
    (bundle / "checkpoint").write_bytes(sign_note(text, signers=[key]))
    relist(bundle)

    told = run_shell(bundle, str(key.vkey))

    assert (told.code, "not every shell can count to 1000000000" in told.text) == (UNDECIDED, True)
