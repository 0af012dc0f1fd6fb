"""Laying a package out, placing it, and doing both again."""

import errno
import hashlib
import os
import resource
import shutil
import stat
from pathlib import Path

import pytest

from ledger.adapters import durable
from ledger.adapters.package_files import inspect_package
from ledger.adapters.staging import StagingFailedError, discard, drop_rel_file, place, stage, staging_folder
from ledger.domain.package_facts import PackageFacts, PackageUnsoundError, Staged
from ledger.domain.version import Vsn
from tests.adapters.packages import VSN, Content, installation, put, sound_members, tarred, tree, zipped

_KEPT = {"bin/emqx", "etc/emqx.conf", "releases/RELEASES", "releases/emqx_vars", "releases/start_erl.data"}


def silent(done: int, of: int) -> None:
    assert done <= of


def facts_of(path: Path) -> PackageFacts:
    return inspect_package(path, vsn=Vsn.parse(VSN))


def unpacked(root: Path, path: Path) -> Staged:
    staged = stage(facts_of(path), root=root, progress=silent)
    place(staged)
    return staged


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return installation(tmp_path / "emqx")


@pytest.fixture
def package(root: Path) -> Path:
    return put(root, zipped(sound_members()))


def test_every_file_of_a_package_stands_in_the_installation(root: Path, package: Path) -> None:
    """Native-driver.md 5.2, steps 2 to 4."""
    before = tree(root)

    unpacked(root, package)

    after = tree(root)
    expected = {path: content.data for path, content in sound_members().items() if path != "log/"}
    assert {path: data for path, data in after.items() if data is not None} == expected | {
        path: data for path, data in before.items() if data is not None
    }
    assert (root / "log").is_dir()
    assert not staging_folder(root, VSN).exists()


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_tarball_unpacks_to_the_same_tree(tmp_path: Path, prefix: str) -> None:
    """Otp.md section 4: the content of ``emqx/`` without that folder."""
    from_zip, from_tar = installation(tmp_path / "zip"), installation(tmp_path / "tar")
    zip_path = put(from_zip, zipped(sound_members()))
    tar_path = put(from_tar, tarred(sound_members(), prefix=prefix), f"emqx-{VSN}.tar.gz")

    staged = [unpacked(from_zip, zip_path), unpacked(from_tar, tar_path)]

    zip_path.unlink()
    tar_path.unlink()
    assert tree(from_zip) == tree(from_tar)
    assert staged[0].files_sha256 == staged[1].files_sha256


def test_what_exists_is_never_replaced(root: Path, package: Path) -> None:
    """package_contents.yaml: every path that already exists is kept."""
    before = {path: (root / path).read_bytes() for path in _KEPT}

    staged = unpacked(root, package)

    assert {path: (root / path).read_bytes() for path in _KEPT} == before
    assert staged.left_out == len(_KEPT) + 1
    assert staged.files == len(sound_members()) - 1


def test_the_files_that_say_what_boots_next_never_come_from_a_package(root: Path, package: Path) -> None:
    """PRODUCT section 3, rule 8."""
    (root / "releases/start_erl.data").unlink()

    unpacked(root, package)

    assert not (root / "releases/start_erl.data").exists()


def test_the_digest_covers_all_files_of_the_package(root: Path, package: Path) -> None:
    """RULINGS 4: sorted lines of octal mode, size, sha256 and path."""
    lines = []
    for path, content in sound_members().items():
        executable = path.startswith(("bin/", "erts-12.1.5/bin/"))
        digest = hashlib.sha256(content.data).hexdigest()
        lines.append(f"{'0755' if executable else '0644'} {len(content.data)} {digest} {path}\n")

    staged = stage(facts_of(package), root=root, progress=silent)

    expected = "".join(sorted(line for line in lines if not line.endswith("/\n")))
    assert staged.files_sha256 == hashlib.sha256(expected.encode()).hexdigest()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(root: Path, umask: int) -> None:
    """Native-driver.md section 3: the mode of the entry, and x for what is run."""
    members = sound_members()
    members["etc/key.pem"] = Content(b"key", stat.S_IFREG | 0o600)
    members["lib/emqx-4.4.1/priv/open"] = Content(b"open", stat.S_IFREG | 0o6777)
    package = put(root, zipped(members))
    old = os.umask(umask)
    try:
        unpacked(root, package)
    finally:
        os.umask(old)

    paths = ("etc/key.pem", "lib/emqx-4.4.1/priv/open", f"bin/nodetool-{VSN}", "erts-12.1.5/bin/beam.smp")
    modes = {path: f"{stat.S_IMODE((root / path).stat().st_mode):o}" for path in paths}
    assert list(modes.values()) == ["600", "755", "755", "755"]
    assert stat.S_IMODE((root / f"releases/{VSN}").stat().st_mode) == 0o755


def test_files_get_the_owner_of_the_releases_folder(root: Path, package: Path) -> None:
    """PRODUCT section 3, rule 5: files to be written belong to the runner user. Only root gives files away."""
    owner = (1234, 2345) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(root / "releases", *owner)

    unpacked(root, package)

    made = [root / path for path in ("log", f"lib/emqx-{VSN}/ebin/emqx.beam", f"releases/{VSN}", f"bin/emqx-{VSN}")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {owner}


def test_progress_ends_at_all_bytes(root: Path, package: Path) -> None:
    seen: list[tuple[int, int]] = []

    stage(facts_of(package), root=root, progress=lambda done, of: seen.append((done, of)))

    total = sum(len(content.data) for content in sound_members().values())
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("lib/kernel-8.1.3/ebin/kernel.beam", b"FOR1kernel"),
        ("lib/kernel-8.1.3/ebin/kernel.beam", b"FOR1KERNEL" * 30),
        ("lib/kernel-8.1.3/ebin/kernel.beam", None),
        ("bin/nodetool-4.4.1", b"#!/bin/sh"),
    ],
)
def test_a_damaged_or_foreign_library_is_refused(root: Path, package: Path, path: str, content: bytes | None) -> None:
    """Native-driver.md 5.2, point 2; otp.md section 4: a truncated left-over became part of a release."""
    if content is None:
        (root / path).unlink()
    else:
        (root / path).write_bytes(content)
    before = tree(root)

    with pytest.raises(PackageUnsoundError) as caught:
        stage(facts_of(package), root=root, progress=silent)

    assert [problem.message for problem in caught.value.problems] == [
        "the installation has other content than the package"
    ]
    assert path in caught.value.problems[0].fact
    assert tree(root) == before


def test_a_link_or_mount_in_place_of_a_folder_that_releases_need_is_refused(root: Path, package: Path) -> None:
    (root / "releases" / VSN).symlink_to("/nowhere")
    (root / "bin").rename(root / "elsewhere")
    (root / "bin").write_text("")

    with pytest.raises(PackageUnsoundError) as caught:
        stage(facts_of(package), root=root, progress=silent)

    assert caught.value.fact == f"'bin', 'releases/{VSN}'"


def test_nothing_is_written_through_a_link_to_another_place(root: Path, package: Path, tmp_path: Path) -> None:
    """The data and log folders of packaged installations are links."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.rmtree(root / "etc")
    (root / "etc").symlink_to(elsewhere)

    unpacked(root, package)

    assert list(elsewhere.iterdir()) == []


def test_a_package_that_changed_since_it_was_inspected_is_refused(root: Path, package: Path) -> None:
    facts = facts_of(package)
    members = sound_members() | {"etc/emqx.conf": Content(b"evil = true\n")}
    package.write_bytes(zipped(members))
    before = tree(root)

    with pytest.raises(PackageUnsoundError, match="changed since it was inspected"):
        stage(facts, root=root, progress=silent)

    assert tree(root) == before


def test_a_package_with_problems_is_not_staged(root: Path, package: Path) -> None:
    package.write_bytes(package.read_bytes()[:-30])
    facts = facts_of(package)

    with pytest.raises(PackageUnsoundError) as caught:
        stage(facts, root=root, progress=silent)

    assert caught.value.problems == facts.problems


def test_a_full_disk_leaves_nothing_and_the_retry_is_whole(root: Path) -> None:
    """Otp.md section 4: EMQX's retry kept truncated files. The limit on file size stands for the disk."""
    members = sound_members() | {"lib/emqx-4.4.1/priv/large": Content(os.urandom(300_000))}
    package = put(root, zipped(members))
    facts, before = facts_of(package), tree(root)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StagingFailedError) as caught:
            stage(facts, root=root, progress=silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    after_failure = tree(root)

    unpacked(root, package)

    assert caught.value.code == 4
    assert after_failure == before
    assert (root / "lib/emqx-4.4.1/priv/large").stat().st_size == 300_000


def test_an_interrupt_leaves_nothing(root: Path, package: Path) -> None:
    before = tree(root)

    def interrupt(done: int, of: int) -> None:
        if done * 2 > of:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(facts_of(package), root=root, progress=interrupt)

    assert tree(root) == before


@pytest.mark.parametrize("left_over", ["folder", "file", "link"])
def test_a_left_over_staging_folder_is_removed_first(root: Path, package: Path, left_over: str) -> None:
    folder = staging_folder(root, VSN)
    if left_over == "folder":
        (folder / "lib/emqx-4.4.1/ebin").mkdir(parents=True)
        (folder / "lib/emqx-4.4.1/ebin/evil.beam").write_text("evil")
    elif left_over == "file":
        folder.write_text("")
    else:
        folder.symlink_to(root / "etc")

    unpacked(root, package)

    assert not (root / "lib/emqx-4.4.1/ebin/evil.beam").exists()
    assert (root / "etc/emqx.conf").exists()


def test_the_release_folder_is_placed_last_and_placing_goes_on_after_a_stop(root: Path, package: Path) -> None:
    """Native-driver.md 5.2: the release is never half there. A broken link stops the first placing."""
    staged = stage(facts_of(package), root=root, progress=silent)
    shutil.move(root / "bin", root / "aside")
    (root / "bin").symlink_to(root / "bin")
    with pytest.raises(StagingFailedError):
        place(staged)
    stopped_before_the_release = not (root / "releases" / VSN).exists()
    (root / "bin").unlink()
    shutil.move(root / "aside", root / "bin")

    place(staged)

    assert stopped_before_the_release
    assert (root / f"releases/{VSN}/start.boot").exists()
    assert (root / f"bin/emqx-{VSN}").exists()


def test_placing_may_stop_anywhere_and_the_retry_is_whole(
    tmp_path: Path, root: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Native-driver.md 5.2: the rerun starts with a fresh staging folder; the release is whole or absent."""
    plain = installation(tmp_path / "plain")
    unpacked(plain, put(plain, package.read_bytes()))
    moves = 0

    def move(source: Path, path: Path) -> None:
        nonlocal moves
        moves += 1
        if moves == stop_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        source.rename(path)

    for stop_at in range(1, 100):
        copy = tmp_path / f"copy{stop_at}"
        shutil.copytree(root, copy)
        moves = 0
        with monkeypatch.context() as patch:
            patch.setattr(durable, "rename", move)
            try:
                unpacked(copy, copy / "releases" / package.name)
            except StagingFailedError:
                assert not (copy / "releases" / VSN).exists()
            else:
                break
        unpacked(copy, copy / "releases" / package.name)
        assert tree(copy) == tree(plain)

    assert moves == stop_at - 1 > 10


def test_unpacking_twice_changes_nothing(root: Path, package: Path) -> None:
    first = unpacked(root, package)
    after = tree(root)

    second = unpacked(root, package)

    assert tree(root) == after
    assert second.files_sha256 == first.files_sha256
    assert (second.left_out, second.written_bytes) == (second.files, 0)


@pytest.mark.parametrize("removed", [f"releases/{VSN}", f"releases/{VSN}/start.boot", f"lib/emqx-{VSN}"])
def test_what_was_removed_by_hand_comes_back(root: Path, package: Path, removed: str) -> None:
    """PRODUCT section 3, repairs that are part of the verb: files that exist are kept."""
    unpacked(root, package)
    whole = tree(root)
    path = root / removed
    shutil.rmtree(path) if path.is_dir() else path.unlink()

    unpacked(root, package)

    assert tree(root) == whole


def test_a_release_folder_that_holds_only_the_package_is_filled_and_keeps_it(root: Path) -> None:
    """RULINGS 26."""
    package = put(root, tarred(sound_members()), f"{VSN}/emqx.tar.gz")

    unpacked(root, package)

    assert package.exists()
    assert (root / f"releases/{VSN}/start.boot").exists()


def test_emqx_rel_is_dropped_once_the_release_is_registered(root: Path, package: Path) -> None:
    unpacked(root, package)

    drop_rel_file(root, VSN)
    drop_rel_file(root, VSN)

    assert not (root / f"releases/{VSN}/emqx.rel").exists()
    assert (root / "releases/emqx.rel").exists()


def test_discarding_removes_what_an_interrupted_command_staged(root: Path, package: Path) -> None:
    before = tree(root)
    stage(facts_of(package), root=root, progress=silent)

    discard(root, VSN)

    assert tree(root) == before
