"""One root as the preflight reads it."""

import os
import shutil
from dataclasses import replace

import pytest

from demo.emqx_package import make_package, make_tarball
from ledger.adapters.installation_root import InstallationRoot
from ledger.adapters.release_parts import what_stays
from ledger.domain.package_facts import PackageFacts
from ledger.domain.reason import Reason, Rule
from ledger.domain.relup import Relup
from ledger.domain.version import Vsn
from tests.contracts.release_handler import Bench
from tests.fakes.small_releases import RELEASES, package_of

V = Vsn.parse("4.4.16")
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def root(bench: Bench) -> InstallationRoot:
    """Give the root of a node of 4.4.0 with 4.4.16 unpacked."""
    bench.unpack("4.4.16")
    return InstallationRoot(bench.root)


def test_the_one_package_is_found_and_inspected(root: InstallationRoot) -> None:
    found = root.find_package(V)

    assert isinstance(found, PackageFacts)
    assert (found.problems, found.vsn, found.erts) == ((), "4.4.16", "12.1.5")
    assert root.package_line(found) is None


def test_a_tarball_is_named_by_the_place_where_it_lies(bench: Bench) -> None:
    """PRODUCT section 5: the line names the one used."""
    make_tarball(bench.root / "releases/4.4.16/emqx.tar.gz", RELEASES["4.4.16"])
    root = InstallationRoot(bench.root)

    found = root.find_package(V)

    assert isinstance(found, PackageFacts)
    assert found.problems == ()
    assert root.package_line(found) == "releases/4.4.16/emqx.tar.gz"


def test_no_package_is_a_reason_with_the_words_of_the_user_guide(bench: Bench) -> None:
    """PRODUCT section 5."""
    (reason,) = _reasons(InstallationRoot(bench.root).find_package(V))

    assert (reason.rule, reason.words) == (Rule.PACKAGE, ("Unpack failed: release_package_not_found",))


def test_two_packages_of_one_version_are_a_reason_that_names_both(root: InstallationRoot, bench: Bench) -> None:
    """PRODUCT section 12."""
    other = "emqx-4.4.16-otp24.3.4.2-2-ubuntu20.04-amd64.zip"
    make_package(bench.root / "releases", RELEASES["4.4.16"], name=other, checksum=False)

    (reason,) = _reasons(root.find_package(V))

    assert other in reason.fact
    assert package_of(bench.packages, "4.4.16").name in reason.fact


def test_a_package_that_lacks_a_library_of_its_release_is_unsound(bench: Bench) -> None:
    """otp.md section 4: relups leave out what the installation has; here neither has it."""
    shutil.copyfile(package_of(bench.packages, "4.4.16"), bench.root / "releases" / RELEASES["4.4.16"].package_name)
    shutil.rmtree(bench.root / "lib/kernel-8.5.3")
    whole = InstallationRoot(bench.root).find_package(V)
    folder = "lib/kernel-8.5.3/ebin"
    names = ("kernel.app", "kernel_app.beam", "kernel_release.beam", "kernel_sup.beam")
    spec = RELEASES["4.4.16"]
    lacking = replace(spec, without=tuple(f"{folder}/{name}" for name in names))
    make_package(bench.root / "releases", lacking, checksum=False)

    found = InstallationRoot(bench.root).find_package(V)

    assert isinstance(whole, PackageFacts)
    assert whole.problems == ()
    assert isinstance(found, PackageFacts)
    assert [problem.rule for problem in found.problems] == [Rule.PACKAGE]
    assert "kernel-8.5.3" in found.problems[0].fact


@pytest.mark.parametrize(
    "part",
    [
        *("releases/4.4.16/start.boot", "releases/4.4.16/no_dot_erlang.boot", "bin/nodetool-4.4.16"),
        *("lib/emqx-4.4.16", "erts-12.1.5"),
    ],
)
def test_a_part_that_was_removed_by_hand_is_missing(root: InstallationRoot, bench: Bench, part: str) -> None:
    """PRODUCT section 3: refused with the missing paths."""
    whole = root.missing_parts("4.4.16")
    path = bench.root / part
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()

    assert whole == ()
    assert root.missing_parts("4.4.16") == (part,)


def test_nothing_is_missing_of_what_is_not_known(root: InstallationRoot, bench: Bench) -> None:
    unknown = root.missing_parts("4.4.9")
    (bench.root / "releases/RELEASES").unlink()

    assert unknown == root.missing_parts("4.4.16") == ()


def test_a_relup_is_read_its_fault_told_and_none_is_none(root: InstallationRoot, bench: Bench) -> None:
    relup, none = root.relup("4.4.16"), root.relup("4.4.0")
    (bench.root / "releases/4.4.16/relup").write_bytes(b'{"4.4.16", [broken')

    assert isinstance(relup, Relup)
    assert relup.up_from("4.4.0") is not None
    assert none is None
    assert str(root.relup("4.4.16")).startswith("{bad_relup_file,")


def test_a_relup_that_is_a_folder_is_a_bad_relup_file(root: InstallationRoot, bench: Bench) -> None:
    (bench.root / "releases/4.4.0/relup").mkdir()

    assert str(root.relup("4.4.0")).startswith("{bad_relup_file,")


def test_what_belongs_to_the_owner_of_releases_is_not_foreign(root: InstallationRoot, bench: Bench) -> None:
    assert root.foreign_paths() == ()
    assert root.owner() == str(bench.root.joinpath("releases").stat().st_uid)
    assert root.free_bytes() > 0


@pytest.mark.parametrize("path", ["lib/emqx-4.4.16", "releases/4.4.0", "releases/RELEASES", "bin", "."])
def test_what_belongs_to_another_user_or_cannot_be_written_is_foreign(
    root: InstallationRoot, bench: Bench, path: str
) -> None:
    """otp.md 6.6: the user of the node must be able to delete it later."""
    spoiled = bench.root / path
    if AS_ROOT:
        os.chown(spoiled, 4242, 4242)
    else:
        spoiled.chmod(0o555)

    try:
        assert root.foreign_paths() == (path,)
    finally:
        if not AS_ROOT:
            spoiled.chmod(0o755)


def test_an_owner_without_a_name_is_told_by_its_number(root: InstallationRoot, bench: Bench) -> None:
    if AS_ROOT:
        os.chown(bench.root / "releases", 4242, 4242)

    assert root.owner() == ("4242" if AS_ROOT else str(bench.root.joinpath("releases").stat().st_uid))


def test_what_stays_are_packages_scripts_and_the_rel_file(root: InstallationRoot, bench: Bench) -> None:
    """otp.md section 7."""
    bench.handler.remove_release("4.4.16")

    assert set(what_stays(bench.root, "4.4.16")) == {
        f"releases/{package_of(bench.packages, '4.4.16').name}",
        *(f"bin/{script}-4.4.16" for script in ("emqx", "emqx_ctl", "nodetool", "cuttlefish")),
        "bin/install_upgrade.escript-4.4.16",
        "releases/emqx.rel",
    }
    assert root.missing_parts("4.4.16") == ()


def _reasons(found: PackageFacts | tuple[Reason, ...]) -> tuple[Reason, ...]:
    assert isinstance(found, tuple)
    return found
