"""The embedded node: the suite of all drivers, and what only a node of files does."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from demo.emqx_installation import make_installation, start_once
from ledger.adapters.embedded_node import BootImpossibleError, LiveInstallationError
from ledger.adapters.embedded_state import STATE_FILE, EmbeddedStateError, read_state
from ledger.adapters.installation import BootFileError
from ledger.domain.package_facts import PackageUnsoundError
from tests.adapters.embedded import again, node_at
from tests.adapters.packages import tree
from tests.contracts.release_handler import ATTEMPT, Bench, ReleaseHandlerContract, tables
from tests.fakes.small_releases import RELEASES


class TestEmbeddedNode(ReleaseHandlerContract):
    """The suite of the port."""


def test_a_trial_lives_from_one_command_to_the_next(bench: Bench) -> None:
    """PRODUCT section 2: memory is kept in a file under the root."""
    bench.install("4.4.16")
    before = bench.handler.observe()

    assert again(bench).observe() == before
    assert before.tables.running == "4.4.16"


def test_a_root_that_was_copied_is_another_node_that_boots(bench: Bench, tmp_path: Path) -> None:
    """RULINGS 17: real path, device and inode of the root."""
    bench.install("4.4.16")
    original = bench.handler.observe()
    copy = shutil.copytree(bench.root, tmp_path / "copy")

    seen = node_at(copy).observe()

    assert seen.tables == original.tables.restarted()
    assert seen.run != original.run
    assert again(bench).observe() == original


def test_a_root_that_took_the_place_of_another_is_another_node(bench: Bench, tmp_path: Path) -> None:
    """RULINGS 17: the inode tells, where the path is the same."""
    bench.install("4.4.16")
    copy = shutil.copytree(bench.root, tmp_path / "copy")
    bench.root.rename(tmp_path / "before")
    copy.rename(bench.root)

    assert again(bench).observe().tables.running == "4.4.0"


def test_a_root_is_the_same_node_by_a_link_to_it(bench: Bench, tmp_path: Path) -> None:
    bench.install("4.4.16")
    (tmp_path / "link").symlink_to(bench.root)

    assert node_at(tmp_path / "link").observe() == bench.handler.observe()


def test_a_newer_start_of_a_real_node_throws_the_memory_away(bench: Bench) -> None:
    """RULINGS 17: a newer vm.args, so a real VM has booted since."""
    bench.install("4.4.16")
    before = bench.handler.observe()
    start_once(bench.root, at="2024.01.01.00.00.00")

    seen = again(bench).observe()

    assert seen.tables == before.tables.restarted()
    assert int(seen.run.generation) == int(before.run.generation) + 1
    assert again(bench).observe() == seen


def test_an_older_vm_args_changes_nothing(bench: Bench) -> None:
    bench.install("4.4.16")
    before = bench.handler.observe()
    start_once(bench.root, at="2022.01.01.00.00.00")

    assert again(bench).observe() == before


def test_a_boot_of_the_host_ends_the_node(bench: Bench) -> None:
    """PRODUCT section 7."""
    bench.install("4.4.16")

    seen = again(bench, boot_id="another boot").observe()

    assert (seen.tables.running, seen.run.boot_id, seen.run.generation) == ("4.4.0", "another boot", "2")


def test_a_memory_that_was_deleted_is_a_fresh_boot(bench: Bench) -> None:
    """RULINGS 16: file absent = fresh boot from disk."""
    bench.install("4.4.16")
    (bench.root / STATE_FILE).unlink()

    assert again(bench).observe().tables.running == "4.4.0"


def test_the_memory_is_not_for_everybody_to_read(bench: Bench) -> None:
    bench.handler.observe()

    assert stat.S_IMODE((bench.root / STATE_FILE).stat().st_mode) == 0o640


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"v": 2}', "\udcff", "[" * 100_000])
def test_a_memory_that_cannot_be_read_exits_5_and_is_revived_by_a_boot(bench: Bench, text: str) -> None:
    """RULINGS 16: unreadable = exit 5."""
    bench.install("4.4.16")
    (bench.root / STATE_FILE).write_text(text, encoding="utf-8", errors="surrogateescape")

    with pytest.raises(EmbeddedStateError) as caught:
        again(bench).observe()
    done = again(bench).revive()

    assert caught.value.code == 5
    assert "recover" in caught.value.hint
    assert len(done) == 1
    assert again(bench).observe().tables.running == "4.4.0"


def test_a_memory_that_is_a_folder_cannot_be_read(bench: Bench) -> None:
    bench.handler.observe()
    (bench.root / STATE_FILE).unlink()
    (bench.root / STATE_FILE).mkdir()

    with pytest.raises(EmbeddedStateError):
        again(bench).observe()


_SPOILED: Mapping[str, object] = {
    "v": 2,
    "root": {"path": "/", "device": "1", "inode": 1},
    "vm_args": None,
    "run": {"boot_id": "b", "started_at": "s", "generation": "first"},
    "booted": {},
    "code": 4,
    "erts": [],
    "memory": [{"name": "emqx", "vsn": "4.4.0", "erts": "12.1.5", "libs": [], "status": "running"}],
    "pending": {"../etc/passwd": {"text": "", "sha256": "", "was_sha256": None}},
}


def test_every_member_of_the_memory_must_be_there_and_of_its_kind(bench: Bench) -> None:
    """STYLE: no KeyError leaks out of the module that caused it."""
    bench.install("4.4.16")
    path = bench.root / STATE_FILE
    record = json.loads(path.read_text(encoding="utf-8"))

    assert set(record) == set(_SPOILED)
    for member, spoiled in _SPOILED.items():
        for other in ({name: record[name] for name in record if name != member}, {**record, member: spoiled}):
            path.write_text(json.dumps(other), encoding="utf-8")

            with pytest.raises(EmbeddedStateError):
                read_state(bench.root)


@pytest.mark.parametrize("content", [None, b"", b"[].\n", b"{not, erlang", b"\xff"])
def test_a_table_on_disk_that_is_lost_is_told_and_memory_goes_on(bench: Bench, content: bytes | None) -> None:
    """RULINGS 35: missing or unreadable counts as rule 8."""
    bench.install("4.4.16")
    memory = bench.seen().memory
    _spoil(bench.root / "releases/RELEASES", content)

    seen = again(bench).observe()

    assert (seen.tables.memory, seen.tables.disk) == (memory, None)
    assert len(seen.problems) == 1
    assert "RELEASES" in seen.problems[0]
    assert not seen.tables.boot_files_agree()


@pytest.mark.parametrize("content", [None, b"{not, erlang"])
def test_a_boot_without_a_readable_table_knows_what_booted_alone(bench: Bench, content: bytes | None) -> None:
    """otp.md 2.1, last row."""
    bench.upgrade("4.4.16")
    _spoil(bench.root / "releases/RELEASES", content)
    start_once(bench.root, at="2024.01.01.00.00.00")

    seen = again(bench).observe()

    assert [(vsn, str(status)) for vsn, status in seen.tables.memory] == [("4.4.16", "permanent")]
    assert (seen.booted, seen.erts) == ("4.4.16", "12.1.5")


@pytest.mark.parametrize(("name", "what"), [("start_erl.data", "start_erl"), ("emqx_vars", "rel_vsn")])
def test_a_pointer_that_is_lost_is_told(bench: Bench, name: str, what: str) -> None:
    bench.handler.observe()
    (bench.root / "releases" / name).unlink()

    seen = again(bench).observe()

    assert getattr(seen.tables, what) is None
    assert len(seen.problems) == 1
    assert name in seen.problems[0]


def test_a_node_that_nothing_tells_how_to_boot_exits_5(bench: Bench) -> None:
    (bench.root / "releases/emqx_vars").unlink()

    with pytest.raises(BootFileError) as caught:
        bench.handler.observe()

    assert caught.value.code == 5


def test_a_saved_copy_of_a_lost_pointer_revives_the_node(bench: Bench) -> None:
    """otp.md 6.2: from memory or saved copies."""
    bench.upgrade("4.4.16")
    (bench.root / "releases/emqx_vars").unlink()
    (bench.root / STATE_FILE).unlink()

    done = again(bench).revive()

    assert len(done) == 1
    assert "emqx_vars" in done[0]
    assert again(bench).observe().booted in {"4.4.0", "4.4.16"}


@pytest.mark.parametrize(
    ("boots", "memory", "disk"),
    [
        ("4.4.16", "4.4.16 current, 4.4.0 permanent", "4.4.16 unpacked, 4.4.0 permanent"),
        ("4.4.0", "4.4.16 unpacked, 4.4.0 permanent", "4.4.16 unpacked, 4.4.0 permanent"),
    ],
)
def test_a_boot_settles_a_tmp_current(bench: Bench, boots: str, memory: str, disk: str) -> None:
    """otp.md 2.1: current if that release booted, else unpacked, and the table is written back."""
    bench.unpack("4.4.16")
    table = bench.root / "releases/RELEASES"
    table.write_text(table.read_text(encoding="utf-8").replace("unpacked", "tmp_current"), encoding="utf-8")
    with (bench.root / "releases/emqx_vars").open("a", encoding="utf-8") as variables:
        variables.write(f'REL_VSN="{boots}"\n')
    (bench.root / STATE_FILE).unlink()

    found = again(bench).observe().tables

    assert (found.memory, found.disk) == (tables(memory).memory, tables(disk).disk)


@pytest.mark.parametrize(
    ("erts", "folder"),
    [("11.1.8", "{root}/lib/emqx-4.4.16"), ("12.1.5", "{root}/lib/emqx-4.4.16"), ("13.1.5", "lib/emqx-4.4.16")],
)
def test_library_folders_are_absolute_up_to_otp_24_and_relative_from_otp_25_on(
    packages: Path, tmp_path: Path, erts: str, folder: str
) -> None:
    """otp.md 5.1: the running OTP writes the table."""
    root = make_installation(tmp_path / "emqx", replace(RELEASES["4.4.0"], erts=erts))
    bench = Bench(node_at(root), root, packages)

    bench.unpack("4.4.16")

    newest = bench.files.read_releases()[0]
    assert newest.libs[-1].dir == folder.format(root=root)


def test_a_root_from_which_a_program_runs_is_refused(bench: Bench) -> None:
    """RULINGS 2: always while a /proc/*/exe lies under the root."""
    program = bench.root / "bin/sleep"
    shutil.copy2(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            with pytest.raises(LiveInstallationError) as caught:
                again(bench).observe()
        finally:
            process.kill()

    assert (caught.value.code, caught.value.pids) == (2, (process.pid,))
    assert again(bench).observe().booted == "4.4.0"


def test_a_program_beside_the_root_does_not_matter(bench: Bench) -> None:
    program = bench.root.with_name("emqx-other")
    shutil.copy2(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            assert again(bench).observe().booted == "4.4.0"
        finally:
            process.kill()


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "half").write_bytes(b"half")


@pytest.mark.parametrize("make", [_folder, lambda path: path.write_bytes(b"x"), lambda path: path.symlink_to("no")])
def test_what_lies_in_the_way_of_an_unknown_release_is_set_aside(bench: Bench, make: Callable[[Path], None]) -> None:
    """PRODUCT section 3: renamed, said, recorded; RULINGS 34."""
    make(bench.root / "releases/4.4.16")

    staged = bench.stage("4.4.16")
    before = os.path.lexists(bench.root / "releases/.ledger-aside")
    bench.handler.unpack_release(staged)

    aside = bench.root / "releases/.ledger-aside" / ATTEMPT / "releases_4.4.16"
    assert staged.set_aside == ("releases/4.4.16",)
    assert not before
    assert os.path.lexists(aside)
    assert bench.seen().memory[0][0] == "4.4.16"
    assert bench.has("releases/4.4.16/start.boot")


def test_a_folder_that_holds_a_tarball_alone_is_a_package_and_stays(bench: Bench) -> None:
    """RULINGS 26."""
    folder = bench.root / "releases/4.4.16"
    folder.mkdir()
    (folder / "emqx.tar.gz").write_bytes(b"tarball")

    staged = bench.stage("4.4.16")

    assert staged.set_aside == ()
    assert (folder / "emqx.tar.gz").read_bytes() == b"tarball"


def test_what_lies_in_the_way_stays_when_the_package_turns_out_unsound(bench: Bench) -> None:
    """PRODUCT section 3: a refusal leaves everything as it was."""
    _folder(bench.root / "releases/4.4.16")
    (bench.root / "bin/emqx-4.4.16").write_bytes(b"a foreign script")

    with pytest.raises(PackageUnsoundError):
        bench.stage("4.4.16")

    assert bench.has("releases/4.4.16/half")
    assert not bench.has("releases/.ledger-4.4.16")
    assert not bench.has("releases/.ledger-aside")


def test_a_known_release_is_never_set_aside(bench: Bench) -> None:
    bench.unpack("4.4.16")
    (bench.root / "releases/4.4.16/start.boot").unlink()

    assert bench.stage("4.4.16").set_aside == ()


def test_uninstall_removes_exactly_what_the_page_says(bench: Bench) -> None:
    """otp.md section 7: the lib folders, releases/V and the ERTS that no other release uses, and the entry."""
    before = set(tree(bench.root))
    bench.unpack("4.4.18")
    unpacked = set(tree(bench.root))

    removed = bench.handler.remove_release("4.4.18")

    gone = unpacked - set(tree(bench.root))
    roots = ("lib/emqx-4.4.18", "releases/4.4.18", "erts-12.3.2.2")
    assert removed.removed == roots
    assert gone == {path for path in unpacked if path.startswith(tuple(f"{r}/" for r in roots)) or path in roots}
    stays = set(removed.stays) - {"releases/emqx.rel"}
    assert stays <= set(tree(bench.root)) - before


def test_an_install_gives_the_release_the_arguments_and_settings_of_the_last_start(bench: Bench) -> None:
    """otp.md 5.2; they hold secrets."""
    configs = bench.root / "data/configs"

    bench.install("4.4.16")

    for target, source in (("vm.args", "vm.*.args"), ("sys.config", "app.*.config")):
        path = bench.root / "releases/4.4.16" / target
        assert path.read_bytes() == next(configs.glob(source)).read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_restart_that_would_not_come_up_is_refused_before_anything_ends(bench: Bench) -> None:
    bench.install("4.4.16")
    before = bench.handler.observe()
    (bench.root / "releases/4.4.0/start.boot").unlink()

    with pytest.raises(BootImpossibleError, match="would not boot") as no_file:
        bench.handler.restart()
    with (bench.root / "releases/emqx_vars").open("a", encoding="utf-8") as variables:
        variables.write('REL_VSN="4.4.9"\n')
    with pytest.raises(BootImpossibleError) as not_known:
        bench.handler.restart()

    assert (no_file.value.code, not_known.value.code) == (3, 3)
    assert "4.4.9" in not_known.value.fact
    assert again(bench).observe().tables.memory == before.tables.memory


def _spoil(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
