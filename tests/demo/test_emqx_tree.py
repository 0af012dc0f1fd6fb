"""The demo's installations and packages look like those of EMQX 4.4.

``RELEASES.sample`` is the file of a real node right after ``upgrade 4.4.16``; the lists of names are
those of the packages of the recorded runs.
"""

import hashlib
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from demo.__main__ import main, make_demo
from demo.emqx_installation import make_installation
from demo.emqx_package import make_package, make_tarball
from demo.emqx_tree import ReleaseSpec, package_files
from demo.erlang_text import ReleaseEntry, releases_text

PROJECT = Path(__file__).parents[2]
SAMPLE = Path(__file__).with_name("RELEASES.sample")
SMALL = ReleaseSpec(vsn="4.4.16", otp="24.3.4.2-1", extra_bytes=30_000).between("4.4.0", "4.4.1")
TOP_FOLDERS = {"bin", "data", "dynlibs", "erts-12.1.5", "etc", "lib", "log", "releases"}
SCRIPTS = ("cuttlefish", "emqx", "emqx_ctl", "install_upgrade.escript", "nodetool")
RELEASE_FILES = {
    "BUILT_ON",
    "emqx.rel",
    "emqx.schema",
    "no_dot_erlang.boot",
    "start.boot",
    "start.script",
    "start_clean.boot",
}
EM_AARCH64 = 183


def test_releases_of_the_sample_is_printed_to_the_byte() -> None:
    """``RELEASES.sample``: the new release with paths of OTP 25, the first one with those of relx."""
    libs = ReleaseSpec(vsn="4.4.16").all_libs
    first = ReleaseSpec(vsn="4.4.0").all_libs

    text = releases_text(
        (
            ReleaseEntry(vsn="4.4.16", erts="13.1.5", libs=libs, lib_root="lib"),
            ReleaseEntry(vsn="4.4.0", erts="13.1.5", libs=first, status="old"),
        )
    )

    assert text == SAMPLE.read_text(encoding="utf-8")


def test_the_zip_has_the_folders_and_files_of_a_real_package(tmp_path: Path) -> None:
    package = make_package(tmp_path, SMALL)

    with zipfile.ZipFile(package) as opened:
        names = opened.namelist()
    inside = {name.removeprefix("emqx/") for name in names}
    assert package.name == "emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip"
    assert all(name.startswith("emqx/") for name in names)
    assert {name.split("/")[0] for name in inside} - {""} == TOP_FOLDERS
    assert _children(inside, "releases/") == {"4.4.16", "RELEASES", "emqx.rel", "emqx_vars", "start_erl.data"}
    assert _children(inside, "releases/4.4.16/") == RELEASE_FILES | {"relup"}
    assert _children(inside, "bin/") == {"no_dot_erlang.boot", "node_dump", *SCRIPTS, *(f"{s}-4.4.16" for s in SCRIPTS)}
    assert _children(inside, "etc/") == {"emqx.conf", "plugins", "vm.args"}
    assert _children(inside, "data/") == {"backup", "configs", "loaded_plugins", "mnesia", "patches", "scripts"}
    assert _children(inside, "lib/") == {f"{app}-{vsn}" for app, vsn in SMALL.all_libs}


def test_modes_and_checksum_come_with_the_package(tmp_path: Path) -> None:
    """The build publishes 64 hex digits without a name or newline (otp.md section 4)."""
    package = make_package(tmp_path, SMALL)

    with zipfile.ZipFile(package) as opened:
        modes = {info.filename: info.external_attr >> 16 for info in opened.infolist()}
    assert modes["emqx/bin/emqx-4.4.16"] == stat.S_IFREG | 0o755
    assert modes["emqx/erts-12.1.5/bin/erl_call"] == stat.S_IFREG | 0o755
    assert modes["emqx/releases/4.4.16/relup"] == stat.S_IFREG | 0o644
    assert modes["emqx/log/"] == stat.S_IFDIR | 0o755
    checksum = package.with_name(f"{package.name}.sha256").read_text(encoding="ascii")
    assert checksum == hashlib.sha256(package.read_bytes()).hexdigest()


def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    packages = [make_package(tmp_path / name, SMALL).read_bytes() for name in "ab"]
    tarballs = [make_tarball(tmp_path / name / "emqx.tar.gz", SMALL).read_bytes() for name in "ab"]

    assert packages[0] == packages[1]
    assert tarballs[0] == tarballs[1]


def test_releases_share_the_bytes_of_their_common_libraries() -> None:
    """Two releases name ``kernel-8.5.3``: a different content would be a foreign library."""
    older = package_files(ReleaseSpec(vsn="4.4.0", extra_bytes=30_000))
    newer = package_files(SMALL)

    shared = {path for path in older if path.startswith(("lib/", "erts-")) and "/emqx-" not in path}
    assert shared
    assert all(newer[path] == older[path] for path in shared)


def test_an_installation_is_one_permanent_release_that_was_started_once(tmp_path: Path) -> None:
    root = make_installation(tmp_path / "emqx", ReleaseSpec(vsn="4.4.0", extra_bytes=30_000))

    releases = root / "releases"
    assert {path.name for path in releases.iterdir()} == {
        "4.4.0",
        "RELEASES",
        "emqx.rel",
        "emqx_vars",
        "start_erl.data",
    }
    assert {path.name for path in (releases / "4.4.0").iterdir()} == RELEASE_FILES
    assert (releases / "start_erl.data").read_bytes() == b"12.1.5 4.4.0"
    assert re.findall(r'^REL_VSN="(.*)"$', (releases / "emqx_vars").read_text("utf-8"), re.MULTILINE) == ["4.4.0"]
    assert "-name emqx@127.0.0.1\n" in next((root / "data/configs").glob("vm.*.args")).read_text("utf-8")
    assert (root / "bin/emqx").stat().st_mode & 0o111
    assert (root / "log").is_dir()


def test_an_installation_that_was_never_started_has_no_arguments_of_a_vm(tmp_path: Path) -> None:
    root = make_installation(tmp_path / "emqx", ReleaseSpec(vsn="4.4.0", extra_bytes=0), started=False)

    assert list((root / "data/configs").iterdir()) == []


def test_the_emulator_carries_the_architecture_in_its_elf_header() -> None:
    files = package_files(ReleaseSpec(vsn="4.4.0", arch="arm64", extra_bytes=0))

    head = files["erts-12.1.5/bin/beam.smp"].content
    assert head[:6] == b"\x7fELF\x02\x01"
    assert int.from_bytes(head[18:20], "little") == EM_AARCH64


def test_parts_can_be_left_out() -> None:
    files = package_files(ReleaseSpec(vsn="4.4.20", without=("bin/emqx-4.4.20",), extra_bytes=0))

    assert "bin/emqx-4.4.20" not in files
    assert "bin/emqx" in files
    assert "releases/4.4.20/relup" not in files


def test_a_tarball_has_no_top_folder_unless_asked_for(tmp_path: Path) -> None:
    """EMQX's script packs what lies inside the zip's ``emqx/``."""
    plain = make_tarball(tmp_path / "plain.tar.gz", SMALL)
    wrapped = make_tarball(tmp_path / "wrapped.tar.gz", SMALL, top_folder="emqx")

    with tarfile.open(plain) as opened:
        assert {name.split("/")[0] for name in opened.getnames()} == TOP_FOLDERS
    with tarfile.open(wrapped) as opened:
        assert {name.split("/")[0] for name in opened.getnames()} == {"emqx"}


def test_the_demo_makes_an_installation_and_three_packages(tmp_path: Path) -> None:
    root, *packages = make_demo(tmp_path)

    assert (root / "releases/RELEASES").is_file()
    assert [re.match(r"emqx-(.*?)-otp", package.name)[1] for package in packages] == ["4.4.1", "4.4.16", "4.5.0"]  # type: ignore[index] # the demo's names match


def test_the_demo_does_not_overwrite_an_earlier_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "emqx").mkdir()

    code = main([str(tmp_path)])

    assert code == 1
    assert "exists" in capsys.readouterr().err


def test_the_demo_runs_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[0] == str(tmp_path / "emqx")


def _children(paths: set[str], folder: str) -> set[str]:
    return {path.removeprefix(folder).split("/")[0] for path in paths if path.startswith(folder)} - {""}
