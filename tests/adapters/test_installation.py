import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.emqx_vars import erts_vsn, rel_vsns, values, with_boot
from ledger.adapters.installation import SAVED, BootFileError, Installation
from ledger.adapters.plain_file import MAX_SIZE, FileNotReadError, Problem
from ledger.adapters.releases_file import (
    BootFileTextError,
    Lib,
    ReleaseEntry,
    StartErl,
    parse_releases,
    print_releases,
)
from ledger.domain.status import ReleaseStatus

SAMPLES = Path(__file__).parents[1] / "conformance" / "samples"
STATES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
LIBS = st.builds(Lib, TEXTS, TEXTS, TEXTS)
ENTRIES = st.lists(
    st.builds(ReleaseEntry, TEXTS, TEXTS, TEXTS, st.lists(LIBS, max_size=4).map(tuple), st.sampled_from(ReleaseStatus)),
    min_size=1,
    max_size=4,
    unique_by=lambda entry: entry.vsn,
).map(tuple)


def sample(state: str, name: str) -> bytes:
    return (SAMPLES / state / f"{name}.sample").read_bytes()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    releases = tmp_path / "releases"
    releases.mkdir()
    (releases / "RELEASES").write_bytes(sample("upgraded_permanent", "RELEASES"))
    (releases / "start_erl.data").write_bytes(sample("upgraded_permanent", "start_erl.data"))
    (releases / "emqx_vars").write_bytes(sample("upgraded_permanent", "emqx_vars.assignments"))
    return Installation(tmp_path)


def test_there_are_samples_of_all_states() -> None:
    """README of the samples."""
    assert len(STATES) == 14


@pytest.mark.parametrize("state", STATES)
def test_releases_prints_as_the_node_wrote_it(state: str) -> None:
    """otp.md 5.1; absolute paths (OTP 23) broke as those of the longer root they were recorded with."""
    root, recorded = (b"/usr/lib/emqx", b"/home/operator/emqx/root")
    data = sample(state, "RELEASES")

    entries = parse_releases(data.replace(root, recorded))

    assert print_releases(entries).replace(recorded, root) == data


@pytest.mark.parametrize("state", STATES)
def test_start_erl_prints_as_the_node_wrote_it(state: str) -> None:
    """otp.md 5.2: `<erts> <vsn>`, no new line."""
    data = sample(state, "start_erl.data")

    start_erl = StartErl.parse(data)

    assert bytes(start_erl) == data
    assert start_erl.vsn in {entry.vsn for entry in parse_releases(sample(state, "RELEASES"))}


def test_an_entry_has_all_its_parts() -> None:
    """RELEASES as relx wrote it."""
    (entry,) = parse_releases(sample("fresh_4.4.0", "RELEASES"))

    assert (entry.name, entry.vsn, entry.erts, entry.status) == ("emqx", "4.4.0", "13.1.5", ReleaseStatus.PERMANENT)
    assert entry.libs[0] == Lib("kernel", "8.5.3", "./lib/kernel-8.5.3")
    assert len(entry.libs) == 11


@given(ENTRIES)
def test_entries_survive_the_file(entries: tuple[ReleaseEntry, ...]) -> None:
    """A folder with characters above 255 is a list of numbers in the file (+pc latin1)."""
    assert parse_releases(print_releases(entries)) == entries


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[].",
        "{release}.",
        "[a].",
        "[].[].",
        '[{release,"emqx","4.4.0","13.1.5",[],permanent}]',
        '[{release,"emqx","4.4.0","13.1.5",[],current_tmp}].',
        '[{release,"emqx","4.4.0","13.1.5",[],"permanent"}].',
        '[{release,"emqx","4.4.0","13.1.5",lib,permanent}].',
        '[{release,"emqx","4.4.0","13.1.5",[{emqx,"4.4.0"}],permanent}].',
        '[{release,"emqx","4.4.0","13.1.5",[{"emqx","4.4.0","lib"}],permanent}].',
        '[{release,"emqx",4,"13.1.5",[],permanent}].',
        '[{release,"emqx","","13.1.5",[],permanent}].',
        '[{rel,"emqx","4.4.0","13.1.5",[],permanent}].',
        '[{release,"emqx","4.4.0","13.1.5",[],old},{release,"emqx","4.4.0","13.1.5",[],permanent}].',
        "[\xff",
    ],
)
def test_a_table_that_no_node_wrote_is_refused(text: str) -> None:
    """RULINGS 35: an unreadable RELEASES is rule 8."""
    with pytest.raises(BootFileTextError):
        parse_releases(text.encode("latin-1"))


@given(st.binary())
def test_any_bytes_are_a_value_or_the_one_error(data: bytes) -> None:
    """STYLE: parsers of untrusted text leak no other error."""
    for parse in (parse_releases, StartErl.parse):
        try:
            parse(data)
        except BootFileTextError:
            continue


@pytest.mark.parametrize("state", [state for state in STATES if state != "restart_pending_tmp_current"])
def test_emqx_vars_boots_the_permanent_release(state: str) -> None:
    """otp.md section 1; the half permanent sample is the split brain of otp.md 6.2."""
    text = sample(state, "emqx_vars.assignments").decode()
    start_erl = StartErl.parse(sample(state, "start_erl.data"))

    boots = rel_vsns(text)[-1]

    assert (boots == start_erl.vsn) is (state != "half_permanent")
    assert erts_vsn(text) == start_erl.erts


def test_every_permanent_release_is_told_in_the_order_of_the_file() -> None:
    """otp.md 5.2: the file only grows."""
    assert rel_vsns(sample("otp23_three_versions", "emqx_vars.assignments").decode()) == (
        "4.4.0",
        "4.4.1",
        "4.4.2",
        "4.4.0",
    )


def test_assignments_are_read_as_a_shell_reads_them() -> None:
    """Quotes of both kinds, none, export, comments and other line ends."""
    text = (
        "# REL_VSN='0'\nexport REL_VSN=1 # one\n\tREL_VSN='2'\r\nMY_REL_VSN=3\nREL_VSN=\"4\";\n"
        'echo REL_VSN=5\nREL_VSN = 6\nREL_VSN="7\nREL_VSN=\nREL_VSN=8'
    )

    assert values(text, "REL_VSN") == ("1", "2", "4", "", "8")
    assert erts_vsn(text) is None


def test_the_two_lines_are_appended_as_by_the_script() -> None:
    """otp.md 5.2; from upgrade to downgrade in two real files."""
    before = sample("upgraded_permanent", "emqx_vars.assignments").decode()
    after = sample("downgraded", "emqx_vars.assignments").decode()

    assert with_boot(before, vsn="4.4.0", erts="13.1.5") == after


@given(st.text().map(lambda text: text.replace("\r", "")), st.booleans())
def test_only_our_two_lines_change(text: str, again: bool) -> None:  # noqa: FBT001 # given by the property
    """What an operator wrote stays; the lines are not written twice (native-driver.md)."""
    changed = with_boot(text, vsn="4.4.16", erts="12.3.2.2")
    if again:
        changed = with_boot(changed, vsn="4.4.16", erts="12.3.2.2")

    assert changed.startswith(text)
    assert changed.endswith('\nREL_VSN="4.4.16"\nERTS_VSN="12.3.2.2"\n') or not text
    assert changed.count('REL_VSN="4.4.16"') == text.count('REL_VSN="4.4.16"') + 1
    assert (rel_vsns(changed)[-1], erts_vsn(changed)) == ("4.4.16", "12.3.2.2")


def test_lines_that_stand_last_without_a_line_end_are_left() -> None:
    """The shell reads them all the same."""
    text = 'A=1\nREL_VSN="4.4.16"\nERTS_VSN="1"'

    assert with_boot(text, vsn="4.4.16", erts="1") == text
    assert with_boot(f"X{text[4:]}", vsn="4.4.16", erts="1") != f"X{text[4:]}"


def test_the_boot_files_are_read_and_replaced(installation: Installation) -> None:
    """What is written reads back, and the files hold nothing else."""
    entries = tuple(replace(entry, status=ReleaseStatus.UNPACKED) for entry in installation.read_releases())

    installation.write_releases(entries)
    installation.write_start_erl(StartErl("1", "4.4.0"))
    installation.boot_next(vsn="4.4.0", erts="1")

    assert installation.read_releases() == entries
    assert installation.read_start_erl() == StartErl("1", "4.4.0")
    assert rel_vsns(installation.read_vars())[-1] == "4.4.0"
    assert sorted(path.name for path in installation.releases.iterdir()) == ["RELEASES", "emqx_vars", "start_erl.data"]


def test_a_boot_that_is_set_already_writes_nothing(installation: Installation) -> None:
    """native-driver.md: skip when the last two lines are already these."""
    before = installation.vars_file.stat()

    installation.boot_next(vsn="4.4.16", erts="13.1.5")

    assert installation.vars_file.stat().st_ino == before.st_ino


def problem_of(read: Callable[[], object]) -> Problem | None:
    try:
        read()
    except BootFileError as error:
        return error.problem
    return None


def read_all(installation: Installation) -> list[Problem | None]:
    reads = (installation.read_releases, installation.read_start_erl, installation.read_vars)
    return [problem_of(read) for read in reads]


def test_missing_unreadable_and_malformed_are_told_apart(installation: Installation) -> None:
    """RULINGS 35: each is exit 5, but what to do differs."""
    installation.releases_file.unlink()
    installation.start_erl_file.unlink()
    installation.start_erl_file.mkdir()
    installation.vars_file.write_bytes(b"\xff")

    assert read_all(installation) == [Problem.MISSING, Problem.UNREADABLE, Problem.MALFORMED]
    with pytest.raises(BootFileError) as caught:
        installation.read_vars()
    assert str(caught.value) == f"{installation.vars_file} is malformed"
    assert caught.value.fact == "byte 0 is not UTF-8"


def test_text_that_says_nothing_is_malformed(installation: Installation) -> None:
    """A truncated file (otp.md 6.9) is none of a healthy node."""
    for path in (installation.releases_file, installation.start_erl_file, installation.vars_file):
        path.write_bytes(b"")

    assert read_all(installation) == [Problem.MALFORMED] * 3


def test_what_is_no_plain_file_is_unreadable_at_once(installation: Installation) -> None:
    """A link would be cut off by a rename; a pipe would wait for ever."""
    releases = installation.releases
    installation.releases_file.rename(releases / "elsewhere")
    installation.releases_file.symlink_to("elsewhere")
    installation.start_erl_file.unlink()
    os.mkfifo(installation.start_erl_file)

    assert read_all(installation) == [Problem.UNREADABLE, Problem.UNREADABLE, None]


def test_a_huge_file_is_malformed(installation: Installation) -> None:
    """Nothing that an installation holds is read without a limit."""
    os.truncate(installation.releases_file, MAX_SIZE + 1)

    with pytest.raises(BootFileError, match="malformed"):
        installation.read_releases()


def test_the_root_may_be_a_link(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A package may install /usr/lib/emqx as a link."""
    link = tmp_path_factory.mktemp("usr") / "emqx"
    link.symlink_to(installation.root)

    assert Installation(link) == installation


def test_copies_are_kept_of_sound_files_only(installation: Installation) -> None:
    """A damaged file never takes the place of a good copy."""
    saved = installation.releases / SAVED

    assert installation.save_copies() == ("RELEASES", "start_erl.data", "emqx_vars")
    installation.releases_file.write_bytes(b"")
    installation.start_erl_file.write_bytes(b"1 2")
    installation.vars_file.unlink()
    assert installation.save_copies() == ("start_erl.data",)

    assert (saved / "RELEASES").read_bytes() == sample("upgraded_permanent", "RELEASES")
    assert (saved / "start_erl.data").read_bytes() == b"1 2"
    assert (saved / "emqx_vars").read_bytes() == sample("upgraded_permanent", "emqx_vars.assignments")


def elf(machine: int, *, order: str = "<") -> bytes:
    return b"\x7fELF\x02" + (b"\x01" if order == "<" else b"\x02") + bytes(10) + struct.pack(f"{order}HH", 2, machine)


@pytest.mark.parametrize(
    ("header", "arch"),
    [
        (elf(62), "amd64"),
        (elf(183), "arm64"),
        (elf(183, order=">"), "arm64"),
        (elf(40), None),
        (elf(62)[:19], None),
        (b"#!/bin/sh\nexec /usr/bin/beam.smp\n", None),
        (elf(62)[:5] + b"\x00" + elf(62)[6:], None),
    ],
)
def test_the_architecture_stands_in_the_emulator(installation: Installation, header: bytes, arch: str | None) -> None:
    """elf(5): byte order in e_ident, e_machine at byte 18."""
    folder = installation.root / "erts-13.1.5" / "bin"
    folder.mkdir(parents=True)
    (folder / "beam.smp").write_bytes(header + bytes(100))
    os.truncate(folder / "beam.smp", max(len(header), 4))

    assert installation.elf_machine("13.1.5") == arch
    assert installation.elf_machine("../erts-13.1.5") is None


def test_emulators_are_listed(installation: Installation) -> None:
    """A link or file of such a name is none."""
    for name in ("erts-13.1.6", "erts-13.1.5", "lib"):
        (installation.root / name).mkdir()
    (installation.root / "erts-1").symlink_to("erts-13.1.5")
    (installation.root / "erts-2").write_bytes(b"")

    assert installation.erts_folders() == ("erts-13.1.5", "erts-13.1.6")


def test_built_on_is_told_where_it_is_there(installation: Installation) -> None:
    """RULINGS 18."""
    folder = installation.releases / "4.4.16"
    folder.mkdir()

    assert installation.built_on("4.4.16") is None
    (folder / "BUILT_ON").write_text("24.1.5-3-x86_64-unknown-linux-gnu-64\n", encoding="utf-8")
    assert installation.built_on("4.4.16") == "24.1.5-3-x86_64-unknown-linux-gnu-64"
    assert installation.built_on("x/../4.4.16") is None
    assert installation.built_on("\0") is None


def test_the_node_is_named_by_its_last_start_then_by_its_configuration(installation: Installation) -> None:
    """RULINGS 18: the newest vm.args that a start made, else etc/vm.args, else etc/emqx.conf."""
    etc, configs = installation.root / "etc", installation.root / "data" / "configs"
    etc.mkdir()
    configs.mkdir(parents=True)

    assert installation.node_name_on_disk() is None
    (etc / "emqx.conf").write_text("# node.name = a@b\nnode.name = emqx@conf\n", encoding="utf-8")
    assert installation.node_name_on_disk() == "emqx@conf"
    (etc / "vm.args").write_text("## -name no@no\n-name 'emqx@args' # ours\n-setcookie x\n", encoding="utf-8")
    assert installation.node_name_on_disk() == "emqx@args"
    (configs / "vm.2024.01.02.03.04.05.args").write_text('-name "emqx@newest"\n', encoding="utf-8")
    (configs / "vm.2023.12.31.03.04.05.args").write_text("-name emqx@older\n", encoding="utf-8")
    (configs / "app.2025.01.01.00.00.00.config").write_text("-name no@no\n", encoding="utf-8")
    assert installation.node_name_on_disk() == "emqx@newest"


def test_a_package_keeps_its_folders_elsewhere(installation: Installation) -> None:
    """otp.md section 14: deb and rpm have their data in /var/lib/emqx."""
    configs = installation.root / "var" / "configs"
    configs.mkdir(parents=True)
    (configs / "vm.1.args").write_text("-name emqx@var\n", encoding="utf-8")

    for value in ("$RUNNER_ROOT_DIR/var", "${RUNNER_ROOT_DIR}/var", str(installation.root / "var")):
        installation.write_vars(f'REL_VSN="4.4.0"\nRUNNER_DATA_DIR="{value}"\n')
        assert installation.newest_vm_args() == configs / "vm.1.args"
    installation.write_vars('RUNNER_DATA_DIR="$ELSEWHERE/var"\n')
    assert installation.newest_vm_args() is None


def test_a_file_that_cannot_be_read_is_not_passed_over(installation: Installation) -> None:
    """An older name would be a wrong one."""
    configs, etc = installation.root / "data" / "configs", installation.root / "etc"
    configs.mkdir(parents=True)
    etc.mkdir()
    (etc / "emqx.conf").mkdir()

    with pytest.raises(FileNotReadError) as caught:
        installation.node_name_on_disk()

    assert caught.value.path == etc / "emqx.conf"
    assert caught.value.fact == "it is not a plain file"


def test_a_folder_that_cannot_be_read_is_not_passed_over(installation: Installation) -> None:
    """Here a link in a circle; a folder of another user reads the same."""
    (installation.root / "data").mkdir()
    (installation.root / "data" / "configs").symlink_to("configs")

    with pytest.raises(FileNotReadError) as caught:
        installation.newest_vm_args()

    assert caught.value.problem is Problem.UNREADABLE
    assert caught.value.fact == "it is a link"


def test_a_name_that_no_file_can_have_is_unreadable(installation: Installation) -> None:
    """What a damaged RELEASES names goes into paths."""
    with pytest.raises(FileNotReadError) as caught:
        installation.built_on("\ud800")

    assert caught.value.fact == "its name holds a zero byte or half a character"
