"""Finding packages in ``releases/``, and what inspecting a sound one tells."""

import hashlib
import io
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.package_files import find_packages, inspect_package, missing_libs
from ledger.adapters.staging import place, stage
from ledger.domain.package_facts import (
    PackageFacts,
    PackageForm,
    PackageNotFoundError,
    PackageUnsoundError,
    SeveralPackagesError,
)
from ledger.domain.relup import RelupPath
from ledger.domain.version import Vsn
from tests.adapters.packages import (
    NAME,
    RELUP,
    VSN,
    Content,
    central_headers,
    installation,
    put,
    rel_text,
    sound_members,
    tarred,
    zip_info,
    zipped,
)

_VSN = Vsn.parse(VSN)


def inspected(path: Path) -> PackageFacts:
    return inspect_package(path, vsn=_VSN)


def messages(facts: PackageFacts) -> list[str]:
    return [problem.message for problem in facts.problems]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "emqx/releases").mkdir(parents=True)
    return tmp_path / "emqx"


@pytest.mark.parametrize("count", [10, 11, 19])
def test_4_4_1_is_not_found_in_4_4_10(root: Path, count: int) -> None:
    """Otp.md section 4: EMQX's script takes the one for the other and fails."""
    put(root, b"", f"emqx-4.4.{count}-otp24.1.5-3-ubuntu20.04-amd64.zip")

    found = find_packages(root, _VSN)

    assert (found.packages, found.near_misses) == ((), ())


def test_the_one_package_is_found_beside_those_of_other_versions(root: Path) -> None:
    package = put(root, b"")
    put(root, b"", NAME.replace("4.4.1-", "4.4.10-"))
    put(root, b"", f"emqx-{VSN}.tar.gz")

    found = find_packages(root, _VSN)

    assert found.only() == str(package)


def test_two_packages_of_one_version_are_both_named(root: Path) -> None:
    """PRODUCT section 12: named in the refusal instead of a crash."""
    paths = [put(root, b"", name) for name in (NAME.replace("3-ubuntu", "4-ubuntu"), NAME)]

    with pytest.raises(SeveralPackagesError) as caught:
        find_packages(root, _VSN).only()

    assert all(f"releases/{path.name}" in caught.value.reason.fact for path in paths)


@pytest.mark.parametrize("kept", [3, 2, 1])
def test_without_a_zip_the_first_of_three_tarballs_counts(root: Path, kept: int) -> None:
    """Otp.md section 4, point 3."""
    names = [f"{VSN}/emqx.tar.gz", f"{VSN}/emqx-{VSN}.tar.gz", f"emqx-{VSN}.tar.gz"][:kept]
    paths = [put(root, b"", name) for name in names]

    found = find_packages(root, _VSN)

    assert found.only() == str(paths[-1])


def test_no_package_tells_what_was_looked_for_and_what_came_near(root: Path) -> None:
    """PRODUCT section 5: the hint has the names looked for and those found."""
    near = ["emqx-4.4.1.zip", "emqx-4.4.1-otp24.1.5-3-ubuntu20.04-amd64.tar.gz", "EMQX-v4.4.1-otp24.zip"]
    for name in [*near, "emqx-4.4.11.zip", "other.zip", "notes-4.4.1.txt"]:
        put(root, b"", name)
    (root / NAME).write_bytes(b"")

    with pytest.raises(PackageNotFoundError) as caught:
        find_packages(root, _VSN).only()

    found = caught.value.found
    assert set(found.near_misses) == {f"releases/{name}" for name in near} | {NAME}
    assert found.looked_for == (
        "releases/emqx[-ee]-4.4.1-otp<otp>-<os>-<arch>.zip",
        "releases/emqx-4.4.1.tar.gz",
        "releases/4.4.1/emqx-4.4.1.tar.gz",
        "releases/4.4.1/emqx.tar.gz",
    )
    assert NAME in caught.value.fact


def test_nothing_at_all_is_found_where_there_is_no_releases_folder(tmp_path: Path) -> None:
    with pytest.raises(PackageNotFoundError) as caught:
        find_packages(tmp_path, _VSN).only()

    assert caught.value.found.near_misses == ()


def test_a_folder_by_the_name_of_a_package_is_none(root: Path) -> None:
    (root / "releases" / NAME).mkdir()

    assert find_packages(root, _VSN).packages == ()


def test_a_link_that_leads_nowhere_hides_no_package(root: Path) -> None:
    package = put(root, b"")
    (root / "releases/loop").symlink_to("loop")

    assert find_packages(root, _VSN).only() == str(package)


def test_a_package_may_be_a_link_to_its_store(root: Path, tmp_path: Path) -> None:
    store = put(tmp_path, zipped(sound_members()), "store.zip")
    (root / "releases" / NAME).symlink_to(store)

    facts = inspected(Path(find_packages(root, _VSN).only()))

    assert facts.problems == ()


def test_a_sound_package_tells_its_facts(root: Path) -> None:
    members = sound_members()
    path = put(root, zipped(members))

    facts = inspected(path)

    assert facts.problems == facts.warnings == ()
    assert (facts.form, str(facts.parsed), facts.vsn, facts.erts) == (PackageForm.ZIP, NAME, VSN, "12.1.5")
    assert facts.libs == (("kernel", "8.1.3"), ("stdlib", "3.16.1"), ("emqx", VSN))
    assert facts.folders == ("erts-12.1.5", "lib/emqx-4.4.1", "lib/kernel-8.1.3", "lib/stdlib-3.16.1")
    assert facts.size == path.stat().st_size
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.unpacked_bytes == sum(len(content.data) for content in members.values())
    assert facts.relup is not None
    assert facts.relup.up == (RelupPath("4.4.0"),)
    assert facts.relup.down == (RelupPath("4.4.0", restarts_emulator=True),)
    assert facts.sound_vsn() == VSN


def test_a_package_without_a_relup_is_sound(root: Path) -> None:
    """Otp.md section 4: the first packages of a platform have none."""
    members = sound_members()
    del members[f"releases/{VSN}/relup"]

    facts = inspected(put(root, zipped(members)))

    assert (facts.relup, facts.problems) == (None, ())


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tarball_tells_the_same_facts(root: Path, form: int) -> None:
    long = f"lib/emqx-{VSN}/priv/{'long/' * 40}file"
    members = sound_members() | {long: Content(b"long")}

    facts = inspected(put(root, tarred(members, form=form), f"emqx-{VSN}.tar.gz"))

    assert facts.problems == ()
    assert (facts.form, facts.parsed, facts.vsn) == (PackageForm.TAR_GZ, None, VSN)
    assert facts.unpacked_bytes == sum(len(content.data) for content in members.values())


def _stored() -> bytes:
    return zipped(sound_members(), method=zipfile.ZIP_STORED)


def _commented() -> bytes:
    file = io.BytesIO(zipped(sound_members()))
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"built on a quiet day"
    return file.getvalue()


class _Pipe(io.RawIOBase):
    """Written like a pipe, so that the zip gets data descriptors."""

    def __init__(self, into: io.BytesIO) -> None:
        self._into = into

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._into.write(bytes(memoryview(data)))  # type: ignore[arg-type]  # any buffer, as RawIOBase has it


def _with_descriptors(*, zip64: bool) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(_Pipe(file), "w") as archive:
        for path, content in sound_members().items():
            with archive.open(zip_info(f"emqx/{path}", content.mode), "w", force_zip64=zip64) as member:
                member.write(content.data)
    return file.getvalue()


def _zip64() -> bytes:
    """Return a zip whose sizes and offsets all stand in zip64 fields, as if they were large."""
    data = zipped(sound_members())
    headers = central_headers(data)
    directory = b""
    for at, end in zip(headers, [*headers[1:], len(data) - 22], strict=True):
        packed, size = data[at + 20 : at + 24], data[at + 24 : at + 28]
        large = b"".join(field + bytes(4) for field in (size, packed, data[at + 42 : at + 46]))
        extra = b"UT\2\0ab" + b"\1\0" + len(large).to_bytes(2, "little") + large
        fixed = data[at : at + 20] + b"\xff" * 8 + data[at + 28 : at + 30] + len(extra).to_bytes(2, "little")
        directory += fixed + data[at + 32 : at + 42] + b"\xff" * 4 + data[at + 46 : end] + extra
    end_record = data[-22:-10] + len(directory).to_bytes(4, "little") + data[-6:]
    return _with_end64(data[: headers[0]] + directory + end_record)


def _with_end64(data: bytes) -> bytes:
    count, size, start = (
        int.from_bytes(data[at : at + length], "little") for at, length in ((-12, 2), (-10, 4), (-6, 4))
    )
    record = b"PK\6\6" + b"".join(
        value.to_bytes(length, "little")
        for value, length in ((44, 8), (45, 2), (45, 2), (0, 4), (0, 4), (count, 8), (count, 8), (size, 8), (start, 8))
    )
    locator = b"PK\6\7" + bytes(4) + (len(data) - 22).to_bytes(8, "little") + b"\1\0\0\0"
    return data[:-22] + record + locator + b"PK\5\6" + bytes(4) + b"\xff" * 12 + b"\0\0"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_stored(), id="stored"),
        pytest.param(_commented(), id="with a comment"),
        pytest.param(_with_descriptors(zip64=False), id="with data descriptors"),
        pytest.param(_with_descriptors(zip64=True), id="with long data descriptors"),
        pytest.param(_zip64(), id="zip64"),
    ],
)
def test_every_sound_form_of_a_zip_unpacks_to_the_same_files(tmp_path: Path, data: bytes) -> None:
    root = installation(tmp_path / "emqx")
    plain = installation(tmp_path / "plain")
    expected = stage(inspected(put(plain, zipped(sound_members()))), root=plain, progress=lambda _done, _of: None)

    staged = stage(inspected(put(root, data)), root=root, progress=lambda _done, _of: None)
    place(staged)

    assert staged.files_sha256 == expected.files_sha256
    assert (root / f"releases/{VSN}/relup").read_bytes() == RELUP


def test_special_bits_are_dropped_with_a_warning(root: Path) -> None:
    members = sound_members() | {"lib/emqx-4.4.1/priv/tool": Content(b"tool", stat.S_IFREG | 0o4755)}

    facts = inspected(put(root, zipped(members)))

    assert facts.problems == ()
    assert [warning.fact for warning in facts.warnings] == ["'emqx/lib/emqx-4.4.1/priv/tool'"]


@pytest.mark.parametrize("text", ["{digest}", "{digest}\n", "{digest}  {name}\n", "{digest} *{name}\r\n"])
@pytest.mark.parametrize("upper", [False, True])
def test_a_checksum_that_agrees_is_fine(root: Path, text: str, upper: bool) -> None:  # noqa: FBT001 - a parameter
    """RULINGS 35; package_contents.yaml: 64 hex digits, no newline, no file name."""
    path = put(root, zipped(sound_members()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = text.format(digest=digest.upper() if upper else digest, name=NAME)
    put(root, text.encode(), f"{NAME}.sha256")

    facts = inspected(path)

    assert facts.problems == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"0" * 64, "the package disagrees with its .sha256"),
        (b"0" * 63, "the package's .sha256 cannot be read"),
        (b"", "the package's .sha256 cannot be read"),
        (b"0" * 64 + b"\n" + b"0" * 64, "the package's .sha256 cannot be read"),
        (b"0" * 65, "the package's .sha256 cannot be read"),
        (b"\xff" * 5000, "the package's .sha256 cannot be read"),
    ],
)
def test_a_checksum_that_disagrees_or_cannot_be_read_is_a_problem(root: Path, text: bytes, message: str) -> None:
    path = put(root, zipped(sound_members()))
    put(root, text, f"{NAME}.sha256")

    assert messages(inspected(path)) == [message]


def test_a_folder_in_place_of_the_checksum_is_a_problem(root: Path) -> None:
    path = put(root, zipped(sound_members()))
    path.with_name(f"{NAME}.sha256").mkdir()

    assert messages(inspected(path)) == ["the package's .sha256 cannot be read"]


def test_a_renamed_package_is_told_by_name_and_by_content(root: Path) -> None:
    """The name is checked against the version asked for, the content too."""
    renamed = put(root, zipped(sound_members("4.4.2")))
    other = put(root, zipped(sound_members()), NAME.replace("4.4.1-", "4.4.2-"))
    unnamed = put(root, zipped(sound_members()), "emqx.zip")

    assert "the package is of another version than 4.4.1" in messages(inspected(renamed))
    assert [problem.fact for problem in inspected(other).problems] == ["its name says 4.4.2"]
    assert messages(inspected(unnamed)) == ["the package's name is no name of a release package"]


def test_a_missing_package_a_folder_and_a_pipe_are_problems(root: Path) -> None:
    folder, pipe = root / "releases" / NAME, root / "releases" / NAME.replace("amd64", "arm64")
    folder.mkdir()
    os.mkfifo(pipe)

    assert messages(inspected(root / "releases" / NAME.replace("amd64", "mips"))) == ["the package cannot be read"]
    assert messages(inspected(folder)) == messages(inspected(pipe)) == ["the package is no file"]


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_package_that_may_not_be_read_is_a_problem(shared_folder: Path) -> None:
    """A package copied by root, private, and a command run by the runner user."""
    path = shared_folder / NAME
    path.write_bytes(zipped(sound_members()))
    path.chmod(0)
    user = os.geteuid()
    os.seteuid(65_534 if user == 0 else user)
    try:
        facts = inspected(path)
    finally:
        os.seteuid(user)

    assert [(problem.message, problem.fact) for problem in facts.problems] == [
        ("the package cannot be read", f"{path}: Permission denied")
    ]
    with pytest.raises(PackageUnsoundError):
        facts.sound_vsn()


def test_libs_that_neither_the_package_nor_the_installation_has_are_missing(tmp_path: Path) -> None:
    """Otp.md 3.1: ``no_such_file`` at the install, after the files were written."""
    root = installation(tmp_path / "emqx")
    members = {path: content for path, content in sound_members().items() if not path.startswith("lib/")}
    facts = inspected(put(root, zipped(members)))

    assert missing_libs(facts, root=root) == ("lib/stdlib-3.16.1", "lib/emqx-4.4.1")


def test_emqx_rel_may_give_types_of_applications(root: Path) -> None:
    """rel(4): ``{App, Vsn, Type}`` and ``{App, Vsn, Type, Included}``."""
    text = rel_text().replace(b'{kernel,"8.1.3"}', b'{kernel,"8.1.3",load}').replace(b'6.1"}', b'6.1",none,[x]}')

    facts = inspected(put(root, zipped(sound_members() | {f"releases/{VSN}/emqx.rel": Content(text)})))

    assert facts.libs == (("kernel", "8.1.3"), ("stdlib", "3.16.1"), ("emqx", VSN))
