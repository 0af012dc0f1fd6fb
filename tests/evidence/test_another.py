"""Another exporter's log is read by our verifier, and our bundles by another checker (``another.py``)."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.adapters.audit_place import Task, verify_path
from ledger.adapters.signatures import PRIMITIVES
from ledger.application.audit import Asked
from ledger.application.audit_report import Level, Verdict
from ledger.application.audit_source import PartMissingError, PartWrongError
from ledger.application.audit_trust import Trust
from ledger.tlog.policy import Log, Policy
from ledger.tlog.vkey import Vkey

from . import another
from .another import Bundle, RefusedError, check, leaf, listed, part, sha256, signed_by, unknown_line
from .bundles import sample as our_sample
from .bundles import whole as our_whole
from .bundles import write
from .ledgers import Case, build

LEAVES = [leaf(index) for index in range(300)]
TRUST = Trust(policy=Policy((Log(Vkey.parse(another.vkey())),), (), (), None), primitives=PRIMITIVES)


def verdict_of(path: Path, *, level: Level = Level.SIGNATURE) -> Verdict:
    """Return our verdict; its events are not ours, so their meaning is not asked for."""
    try:
        return verify_path(Task(path=path, trust=TRUST, asked=Asked(level=level))).verdict
    except PartWrongError:
        return Verdict.FAILED
    except PartMissingError:
        return Verdict.UNDECIDED


def with_lines(files: Bundle, before: bytes, after: bytes = b"") -> Bundle:
    """Return *files* with further signature lines around that of the log."""
    text, _, lines = files["checkpoint"].rpartition(b"\n\n")
    return {**files, "checkpoint": text + b"\n\n" + before + lines + after}


def with_text(files: Bundle, change: Callable[[bytes], bytes]) -> Bundle:
    """Return *files* with another text of the checkpoint, signed again."""
    text = change(files["checkpoint"].rpartition(b"\n\n")[0] + b"\n")
    return {**files, "checkpoint": text + b"\n" + signed_by(text)}


OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
WAYS: dict[str, Callable[[], Bundle]] = {
    "nothing but what must be": lambda: listed(another.whole(LEAVES)),
    "sums in binary mode, a manifest that states more": lambda: listed(
        another.whole(LEAVES), mark="*", redactions=[], index_range=[0, 299], made="by another"
    ),
    "files that nobody asks for": lambda: listed(
        {**another.whole(LEAVES), "README": b"hello\n", "allowed_signers": b"", "more/of/it.txt": b"x"}
    ),
    "key and policy inside": lambda: listed(
        {**another.whole(LEAVES), "log.vkey": b"someone+00000000+AAAA\n", "policy": b"quorum none\n"}
    ),
    "signatures of unknown keys and kinds": lambda: listed(
        with_lines(
            another.whole(LEAVES),
            unknown_line("witness.example.org", 76) + unknown_line(another.ORIGIN, 2432),
            unknown_line("x", 5) + unknown_line("sumdb", 90),
        )
    ),
    "a second key of the log": lambda: listed(
        with_lines(
            another.whole(LEAVES),
            signed_by(another.whole(LEAVES)["checkpoint"].rpartition(b"\n\n")[0] + b"\n", OTHER_KEY),
        )
    ),
    "extension lines": lambda: listed(with_text(another.whole(LEAVES), lambda text: text + b"more 1\nand more\n")),
    "the tiles of a longer log": lambda: listed(another.whole(LEAVES, size=256)),
    "full tiles where partial ones would do": lambda: listed(
        {
            **another.whole([*LEAVES, *map(leaf, range(300, 512))], size=300),
            "tile/1/000.p/1": another.whole(LEAVES)["tile/1/000.p/1"],
        }
    ),
    "a sample": lambda: listed(part(LEAVES, (0, 1, 255, 256, 299))),
    "a sample with extra bytes in its proofs": lambda: listed(part(LEAVES, (7,), extra=True)),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_the_specification_permits_is_accepted(way: str, tmp_path: Path) -> None:
    """evidence.md 2.5, 3.1, 3.3, 4.1 and 6.3."""
    folder = write(tmp_path / "bundle", WAYS[way]())
    packed = tmp_path / "bundle.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in reversed(WAYS[way]().items()):
            archive.writestr(name, data)

    assert verdict_of(folder) is Verdict.VERIFIED
    assert verdict_of(packed) is Verdict.VERIFIED


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 513])
def test_the_edges_of_tiles_are_where_the_specification_has_them(size: int, tmp_path: Path) -> None:
    """evidence.md 2.5."""
    leaves = [leaf(index) for index in range(size)]
    folder = write(tmp_path / "bundle", listed(another.whole(leaves)))

    report = verify_path(Task(path=folder, trust=TRUST, asked=Asked(level=Level.SIGNATURE)))

    assert (report.verdict, report.size, report.level) == (Verdict.VERIFIED, size, Level.SIGNATURE)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537])
def test_a_third_level_of_tiles_begins_at_65536_events(size: int, tmp_path: Path) -> None:
    """The same folder without our lists is a log of other software, of which hashes and signature are checked."""
    files = another.whole([b"%d" % index for index in range(size)])
    folder = write(tmp_path / "log", files)

    report = verify_path(Task(path=folder, trust=TRUST, asked=Asked(level=Level.SIGNATURE)))

    assert (report.verdict, report.size) == (Verdict.VERIFIED, size)
    assert any(name.startswith("tile/2/") for name in files) is (size >= 65_536)


def test_a_log_that_is_empty_yet_is_a_log(tmp_path: Path) -> None:
    assert verdict_of(write(tmp_path / "log", another.whole([])), level=Level.SIGNATURE) is Verdict.VERIFIED


def replaced(name: str, change: Callable[[bytes], bytes]) -> Callable[[], Bundle]:
    def make() -> Bundle:
        files = another.whole(LEAVES)
        return listed({**files, name: change(files[name])})

    return make


def of_leaf(index: int, old: bytes, new: bytes) -> Callable[[], Bundle]:
    """Return what makes a log in which one leaf was written otherwise, and all of it signed."""

    def make() -> Bundle:
        changed = LEAVES[index].replace(old, new, 1)
        assert changed != LEAVES[index]
        return listed(another.whole([*LEAVES[:index], changed, *LEAVES[index + 1 :]]))

    return make


ALTERED: dict[str, Callable[[], Bundle]] = {
    "a leaf": replaced("tile/entries/000", lambda data: data[:50] + b"~" + data[51:]),
    "a hash of level 0": replaced("tile/0/001.p/44", lambda data: sha256(data) + data[32:]),
    "a hash of level 1": replaced("tile/1/000.p/1", sha256),
    "a tile that is too long": replaced("tile/1/000.p/1", lambda data: data + data),
    "an entry too many": replaced("tile/entries/001.p/44", lambda data: data + b"\0\1x"),
    "signed by another key": lambda: listed(
        {**another.whole(LEAVES), "checkpoint": _signed_by_another(another.whole(LEAVES)["checkpoint"])}
    ),
    "the root of another size": lambda: listed(
        with_text(
            another.whole(LEAVES[:299]),
            lambda _: (
                another.whole(LEAVES)["checkpoint"].rpartition(b"\n\n")[0].replace(b"\n300\n", b"\n299\n") + b"\n"
            ),
        )
    ),
    "a size with a zero before": lambda: listed(
        with_text(another.whole(LEAVES), lambda text: text.replace(b"\n300\n", b"\n0300\n"))
    ),
    "another origin": lambda: listed(with_text(another.whole(LEAVES), lambda text: b"x" + text)),
    "a line of the key that fails": lambda: listed(with_lines(another.whole(LEAVES), signed_by(b"something else\n"))),
    "a float in a leaf": of_leaf(9, b'"v":1', b'"v":1.0'),
    "a blank in a leaf": of_leaf(9, b'"v":1', b'"v": 1'),
    "a version left out": of_leaf(9, b'"version":10', b'"version":11'),
    "a leaf of another ledger": of_leaf(9, another.ORIGIN.encode(), b"x" + another.ORIGIN.encode()),
    "an event twice": of_leaf(9, another.uuid7(18).encode(), another.uuid7(16).encode()),
    "a proof of another event": lambda: _swapped(part(LEAVES, (3, 4))),
    "a sum that is not kept": lambda: {**listed(another.whole(LEAVES)), "checkpoint": b"x"},
    "a file that is not listed": lambda: {**listed(another.whole(LEAVES)), "more": b"x"},
}


def _signed_by_another(note: bytes) -> bytes:
    text = note.rpartition(b"\n\n")[0] + b"\n"
    return text + b"\n" + signed_by(text, OTHER_KEY)


def _swapped(files: Bundle) -> Bundle:
    one, other = "entries/3.tlog-proof", "entries/4.tlog-proof"
    return listed({**files, one: files[other], other: files[one]})


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_is_refused(what: str, tmp_path: Path) -> None:
    assert verdict_of(write(tmp_path / "bundle", ALTERED[what]())) is Verdict.FAILED


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/001.p/44"])
def test_what_is_not_there_leaves_it_undecided(name: str, tmp_path: Path) -> None:
    """Row 14 of evidence.md 7, of a bundle that does not even list it."""
    files = another.whole(LEAVES)
    del files[name]

    assert verdict_of(write(tmp_path / "bundle", listed(files))) is Verdict.UNDECIDED


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("ledger") / "ledger", events=7)


@pytest.mark.parametrize(("form", "count"), [(our_whole, 7), (lambda case: our_sample(case, 0, 3, 6), 3)])
def test_our_bundles_are_read_by_another_checker(form: Callable[[Case], Bundle], count: int, ledger: Case) -> None:
    """It accepts each, and refuses it under another key, and with a byte of any file changed."""
    files, trusted = form(ledger), str(ledger.key.vkey)

    assert check(files, trusted) == count
    with pytest.raises(RefusedError):
        check(files, another.vkey())
    for name in files:
        with pytest.raises(RefusedError):
            check(changed(files, name), trusted)


def changed(files: Mapping[str, bytes], name: str) -> Bundle:
    data = files[name]
    at = len(data) // 2
    return {**files, name: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]}


@pytest.mark.parametrize("form", [our_whole, lambda case: our_sample(case, 0, 3, 6)])
def test_a_forger_who_makes_new_lists_is_refused_by_another_checker(
    form: Callable[[Case], Bundle], ledger: Case
) -> None:
    """Lists prove nothing: what is signed must hold alone."""
    files = {name: data for name, data in form(ledger).items() if name not in {"manifest.json", "SHA256SUMS", "README"}}

    for name in files:
        with pytest.raises(RefusedError):
            check(listed(changed(files, name)), str(ledger.key.vkey))


def test_the_two_agree_with_each_other() -> None:
    """Else a fault of the exporter could hide one of the verifier."""
    for files in (another.whole(LEAVES), part(LEAVES, (0, 299))):
        assert check(listed(files), another.vkey()) in {300, 2}
