"""Any damage to a package: refused with reasons, or harmless; never a crash, never a stray file."""

import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.adapters.package_files import inspect_package
from ledger.adapters.staging import place, stage
from ledger.domain.package_facts import PackageUnsoundError
from ledger.domain.version import Vsn
from tests.adapters.packages import NAME, VSN, installation, put, sound_members, tarred, tree, zip_info, zipped

# Whole file systems are synced here: in memory nobody else's writes are waited for.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
_TAR_NAME = f"emqx-{VSN}.tar.gz"
_FORMS = {NAME: zipped(sound_members()), _TAR_NAME: tarred(sound_members())}


def unpacked(root: Path, name: str, data: bytes) -> dict[str, bytes | None] | None:
    """Return the tree after unpacking *data*, None where it was refused and the tree is unchanged."""
    package = put(root, data, name)
    before = tree(root)
    try:
        staged = stage(inspect_package(package, vsn=Vsn.parse(VSN)), root=root, progress=lambda _done, _of: None)
    except PackageUnsoundError:
        assert tree(root) == before
        return None
    place(staged)
    package.unlink()
    return tree(root)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | None]:
    found = unpacked(installation(tmp_path_factory.mktemp("expected") / "emqx"), NAME, _FORMS[NAME])
    assert found is not None
    return found


def outcome(name: str, data: bytes) -> dict[str, bytes | None] | None:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        found = unpacked(installation(Path(folder) / "emqx"), name, data)
        assert [path.name for path in Path(folder).iterdir()] == ["emqx"]
    return found


@settings(max_examples=250)
@given(st.sampled_from(sorted(_FORMS)), st.data())
def test_a_flipped_byte_is_found_or_harms_no_file(
    expected: dict[str, bytes | None], name: str, data: st.DataObject
) -> None:
    """What is unpacked is what was published, or nothing is."""
    package = bytearray(_FORMS[name])
    at = data.draw(st.integers(0, len(package) - 1))
    package[at] ^= data.draw(st.integers(1, 255))

    assert outcome(name, bytes(package)) in (None, expected)


@settings(max_examples=60)
@given(st.sampled_from(sorted(_FORMS)), st.data())
def test_a_truncated_package_is_refused(name: str, data: st.DataObject) -> None:
    package = _FORMS[name]

    assert outcome(name, package[: data.draw(st.integers(0, len(package) - 1))]) is None


@settings(max_examples=80)
@given(st.sampled_from(sorted(_FORMS)), st.binary(max_size=300), st.data())
def test_bytes_put_in_are_never_a_crash(name: str, put_in: bytes, data: st.DataObject) -> None:
    package = _FORMS[name]
    at = data.draw(st.integers(0, len(package)))

    outcome(name, package[:at] + put_in + package[data.draw(st.integers(at, len(package))) :])


@settings(max_examples=120)
@given(
    st.lists(
        st.sampled_from(["..", ".", "", "emqx", "lib", "a", "A", "/", "\\", "\0", "C:", "é", "releases"]), max_size=6
    )
)
def test_no_name_leaves_the_installation(parts: list[str]) -> None:
    """PRODUCT section 3, rule 3."""
    name = "/".join(parts) or "/"
    file = io.BytesIO(_FORMS[NAME])
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zip_info("x" * len(name.encode())), b"content")
    data = file.getvalue().replace(b"x" * len(name.encode()), name.encode())

    outcome(NAME, data)
