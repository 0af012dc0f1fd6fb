"""Software that this project did not write accepts a good export and refuses each altered one (evidence.md 7)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evidence.ledgers import Case, build

from .alterations import ANY_FORM, SAMPLE, WHOLE, Alteration
from .exports import FAILED, UNDECIDED, VERIFIED, copy_of, export, relist, run_go, run_shell

# Nobody signs these for an outside verifier: README and the like are for people, and the rest says so itself.
UNCOVERED = ("README", "VERIFY.md", "verify.sh", "log.vkey", "policy", "manifest.json", "SHA256SUMS")
CASES = [("whole", each) for each in (*ANY_FORM, *WHOLE)] + [("sample", each) for each in (*ANY_FORM, *SAMPLE)]
IDS = [f"{form}: {each.name}" for form, each in CASES]


def bundle_of(form: str, request: pytest.FixtureRequest) -> Path:
    """Return the bundle of this form."""
    bundle: Path = request.getfixturevalue(form)
    return bundle


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("form", ["whole", "sample"])
def test_openssl_and_sha256sum_accept_a_good_export(form: str, ledger: Case, request: pytest.FixtureRequest) -> None:
    told = run_shell(bundle_of(form, request), str(ledger.key.vkey))

    assert told.code == VERIFIED, told.text
    assert "checkpoint of 5 events signed by" in told.text
    assert "not checked: whether what the events say is true" in told.text


@pytest.mark.parametrize("form", ["whole", "sample"])
def test_go_accepts_a_good_export(form: str, ledger: Case, go_program: Path, request: pytest.FixtureRequest) -> None:
    told = run_go(go_program, ledger.key.vkey, bundle_of(form, request))

    assert told.code == VERIFIED, told.text


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(("form", "alteration"), CASES, ids=IDS)
def test_openssl_and_sha256sum_refuse_an_altered_export(
    form: str, alteration: Alteration, ledger: Case, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """1 is failed, 2 undecided: absence of proof is never 0 (evidence.md 6.2)."""
    bundle = copy_of(bundle_of(form, request), tmp_path / "bundle")
    alteration.apply(bundle)

    told = run_shell(bundle, str(ledger.key.vkey))

    assert told.code == alteration.verdict, told.text
    assert "\x1b" not in told.text


@pytest.mark.parametrize(
    ("form", "alteration"),
    [case for case in CASES if case[1].go],
    ids=[id_ for id_, c in zip(IDS, CASES, strict=True) if c[1].go],
)
def test_go_refuses_an_altered_export(
    form: str, alteration: Alteration, ledger: Case, go_program: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bundle = copy_of(bundle_of(form, request), tmp_path / "bundle")
    alteration.apply(bundle)

    told = run_go(go_program, ledger.key.vkey, bundle)

    assert told.code == FAILED, told.text


@pytest.mark.usefixtures("shell")
def test_more_than_one_tile_is_rebuilt_up_to_the_root(go_program: Path, tmp_path: Path) -> None:
    """A full tile, a partial one, and a tile of level 1."""
    case = build(tmp_path / "ledger", events=258, commit=43)
    bundle = export(case, tmp_path / "bundle")

    by_shell = run_shell(bundle, str(case.key.vkey))
    by_go = run_go(go_program, case.key.vkey, bundle)

    assert (by_shell.code, by_go.code) == (VERIFIED, VERIFIED), by_shell.text + by_go.text
    assert by_go.text == "ok: 258 entries, 3 tiles\n"


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("form", ["whole", "sample"])
def test_a_changed_byte_is_found_without_the_lists(
    form: str, ledger: Case, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Row 21, for a sample of positions, with manifest and sums made anew: what is signed tells by itself."""
    bundle = copy_of(bundle_of(form, request), tmp_path / "bundle")

    passed = [f"{name}, byte {at}" for name, at in _changed(bundle) if _code(bundle, ledger) == VERIFIED]

    assert passed == []


@pytest.mark.usefixtures("shell")
def test_a_changed_byte_of_a_file_that_nobody_signs_is_found_by_its_digest(
    ledger: Case, sample: Path, tmp_path: Path
) -> None:
    """evidence.md 6.3: SHA256SUMS covers the manifest, and the manifest is what the event of the export names."""
    bundle = copy_of(sample, tmp_path / "bundle")

    for name in UNCOVERED:
        path = bundle / name
        kept = path.read_bytes()
        path.write_bytes(kept[:20] + bytes([kept[20] ^ 1]) + kept[21:])
        assert _code(bundle, ledger) in {FAILED, UNDECIDED}, name
        path.write_bytes(kept)


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "x",
        "broker1.example.com/release-ledger/0badcafe+00000000+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_without_a_usable_key_nothing_is_decided(vkey: str, whole: Path) -> None:
    """evidence.md 6.2: a missing key is undecided."""
    assert run_shell(whole, vkey).code == UNDECIDED


@pytest.mark.usefixtures("shell")
def test_the_key_of_another_log_is_refused(whole: Path) -> None:
    """The vkey is the check value of evidence.md 3.2."""
    told = run_shell(whole, "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")

    assert told.code == FAILED
    assert "no line is by the key example.com/foo+530d903a" in told.text


@pytest.mark.usefixtures("shell")
def test_a_cosignature_of_somebody_unknown_is_ignored(ledger: Case, whole: Path, tmp_path: Path) -> None:
    """Row 16: unknown lines are ignored, however damaged."""
    bundle = copy_of(whole, tmp_path / "bundle")
    with (bundle / "checkpoint").open("ab") as checkpoint:
        checkpoint.write("— witness.example.org AAAAAGRhbWFnZWQ=\n".encode())
    relist(bundle)

    assert run_shell(bundle, str(ledger.key.vkey)).code == VERIFIED


def _code(bundle: Path, ledger: Case) -> int:
    return run_shell(bundle, str(ledger.key.vkey)).code


def _changed(bundle: Path) -> Iterator[tuple[str, int]]:
    """Change one byte after the other, every so many, and put it back."""
    for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
        name = path.relative_to(bundle).as_posix()
        if name in UNCOVERED:
            continue
        kept = path.read_bytes()
        for at in {*range(0, len(kept), max(1, len(kept) // 7)), len(kept) - 1}:
            path.write_bytes(kept[:at] + bytes([kept[at] ^ 0x20]) + kept[at + 1 :])
            relist(bundle)
            yield name, at
        path.write_bytes(kept)
