"""The lab can begin every recorded scenario and do what was done to its machine."""

import os
import re
import stat
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.emqx_tree import ReleaseSpec
from tests.conformance import NEEDS_VM
from tests.conformance.compare import (
    EVERY_TOLERANCE,
    Difference,
    Tolerance,
    differences,
    observe_disk,
)
from tests.conformance.erts_labels import relabelled
from tests.conformance.host import MEMORY, LooksDifferentError, UnmetNeedError
from tests.conformance.host_actions import (
    Copy,
    HostAction,
    Need,
    PutTarball,
    Truncate,
    UnknownHostActionError,
    Write,
    need_of,
    parse_host_action,
)
from tests.conformance.lab import RELEASES, Lab, LabSite, SmallDisk
from tests.conformance.transcripts import Command, Scenario, Step, scenarios

INSTALL_KINDS = ("install", "upgrade", "downgrade")
ZIP = "emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip"
ALL = scenarios()
HOST_ACTIONS = sorted({action for scenario in ALL.values() for action in scenario.host_actions})


def test_all_104_scenarios_are_read() -> None:
    """The header of the transcripts counts them."""
    assert len(ALL) == 104
    assert sum(len(scenario.steps) for scenario in ALL.values()) == 461


def test_every_step_is_a_command_or_something_on_the_host() -> None:
    steps = [step for scenario in ALL.values() for step in scenario.steps]

    assert all(step.command or step.host_action for step in steps)
    assert all(step.command.argv[0] == "emqx" for step in steps if step.command)


def test_a_command_of_emqx_is_the_same_verb_of_ours() -> None:
    command = Command(argv=("emqx", "upgrade", "--no-permanent", "4.4.16"), exit_code=0)

    assert command.own_argv == ("release-ledger", "upgrade", "--no-permanent", "4.4.16")


def test_only_recorded_scenarios_are_said_to_need_a_vm() -> None:
    assert NEEDS_VM.keys() <= ALL.keys()


@pytest.mark.parametrize("text", HOST_ACTIONS)
def test_every_host_action_is_read(text: str) -> None:
    parse_host_action(text)


@given(st.text(max_size=80))
def test_other_words_are_no_host_action(text: str) -> None:
    with pytest.raises(UnknownHostActionError):
        parse_host_action(text)


@pytest.mark.parametrize(
    "text",
    ["copy a.zip", "truncate a to many bytes", "delete a and b", f"please delete {ZIP}", "write a with x"],
)
def test_words_that_are_nearly_a_host_action_are_none(text: str) -> None:
    with pytest.raises(UnknownHostActionError):
        parse_host_action(text)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (f"copy {ZIP} to ./{ZIP}", Copy(ZIP, f"./{ZIP}")),
        ("truncate releases/a.tar.gz to 3000000 bytes", Truncate("releases/a.tar.gz", 3_000_000)),
        ("write releases/a.zip with ''", Write("releases/a.zip", "")),
        (
            "put tarball of 4.4.16 with a leading emqx/ folder at releases/a.tar.gz",
            PutTarball("4.4.16", "releases/a.tar.gz", "emqx"),
        ),
    ],
)
def test_a_host_action_says_what_its_words_say(text: str, action: HostAction) -> None:
    assert parse_host_action(text) == action


@pytest.mark.parametrize("name", ALL)
def test_every_scenario_begins_as_recorded(name: str, lab: Lab, tmp_path: Path) -> None:
    """Before its set-up every scenario has 4.4.0 alone; without one that is how it begins."""
    scenario = ALL[name]

    with lab.site(scenario, tmp_path / "site") as site:
        found = observe_disk(site.root)
        assert found.disk_state == (("4.4.0", "permanent"),)
        assert found.start_erl_data == "12.1.5 4.4.0"
        assert found.rel_vsns == ("4.4.0",)
        assert any((site.root / "data/configs").glob("vm.*.args")) == scenario.node_up
        if not scenario.setup:
            assert found.releases_dir == scenario.releases_dir
            assert found.disk_state == scenario.disk_state


@pytest.mark.parametrize("name", [name for name in ALL if not ALL[name].setup])
def test_the_first_host_actions_of_a_scenario_leave_what_was_recorded(name: str, lab: Lab, tmp_path: Path) -> None:
    """Until the first command the machine alone decides what lies there."""
    scenario = ALL[name]

    with lab.site(scenario, tmp_path / "site") as site:
        assert [_do(site, step) for step in _before_commands(scenario)] == [()] * len(_before_commands(scenario))


def test_every_copied_package_is_one_of_the_lab() -> None:
    asked = {action.name for action in map(parse_host_action, HOST_ACTIONS) if isinstance(action, Copy)}

    assert asked == {spec.package_name for spec in RELEASES.values()}


def test_the_lab_knows_a_way_exactly_where_the_recorded_node_went_it() -> None:
    """An install kind that moved the node had a relup; one that failed had none, or a broken one."""
    went, failed = set[tuple[str, str]](), set[tuple[str, str]]()
    for start, target, command in _moves():
        {0: went, 3: failed, 4: failed}.get(command.exit_code, set()).add((start, target))
    crashed = {("4.4.0", "4.4.18"), ("4.4.19", "4.4.0")}
    no_files = {("4.4.0", "4.4.16")}  # lib_dir_removed: a folder was missing, not a way

    assert all(_has_way(*move) for move in went | crashed)
    assert not any(_has_way(*move) for move in failed - crashed - no_files)
    assert ("4.4.17", "4.4.0") in failed
    assert ("4.4.0", "4.4.24") in failed


def test_packages_are_so_large_that_cutting_them_off_breaks_them(lab: Lab) -> None:
    """``truncate … to 2000000 bytes`` for zips, 3,000,000 for tarballs."""
    package, tarball = lab.package(ZIP), lab.tarball("4.4.16", top_folder=None)

    assert 4_000_000 < package.stat().st_size < 7_000_000
    assert 4_000_000 < tarball.stat().st_size < 7_000_000
    assert zipfile.is_zipfile(package)
    with tarfile.open(tarball) as opened:
        assert "releases/4.4.16/relup" in opened.getnames()


def test_a_cut_zip_is_no_zip_any_more(lab: Lab, tmp_path: Path) -> None:
    with lab.site(ALL["package_zip_truncated"], tmp_path) as site:
        for text in ALL["package_zip_truncated"].host_actions:
            site.do(text)

        assert not zipfile.is_zipfile(site.root / "releases" / ZIP)


def test_appended_assignments_can_be_removed(lab: Lab, tmp_path: Path) -> None:
    with lab.site(ALL["vars_lost_append"], tmp_path) as site:
        with (site.root / "releases/emqx_vars").open("a", encoding="utf-8") as file:
            file.write('REL_VSN="4.4.16"\nERTS_VSN="12.1.5"\n')
        site.do("remove the appended lines from releases/emqx_vars")

        assert observe_disk(site.root).rel_vsns == ("4.4.0",)


def test_the_repacked_tarball_may_be_absent_where_it_is_deleted(lab: Lab, tmp_path: Path) -> None:
    """Scenario ``unpacked_dir_removed_no_package``: EMQX's script had made it, we read the zip."""
    with lab.site(ALL["unpacked_dir_removed_no_package"], tmp_path) as site:
        site.do("delete releases/emqx-4.4.16.tar.gz")

        with pytest.raises(FileNotFoundError):
            site.do(f"delete releases/{ZIP}")


def test_a_killed_node_forgets_what_was_in_its_memory(lab: Lab, tmp_path: Path) -> None:
    with lab.site(ALL["releases_file_missing_restart"], tmp_path) as site:
        (site.root / MEMORY).write_text("{}", encoding="utf-8")
        site.do("kill -9 the node process")
        site.do("wait until the node answers again")

        assert not (site.root / MEMORY).exists()


def test_a_full_disk_is_full_until_it_is_freed(lab: Lab, tmp_path: Path) -> None:
    """Where this machine lets us mount none, the action says what it needs."""
    with lab.site(ALL["disk_full_no_space_for_tar"], tmp_path / "small") as site:
        if site.disk is None:
            with pytest.raises(UnmetNeedError) as caught:
                site.do("fill the disk, about 2000000 bytes stay free")
            assert caught.value.need is Need.MOUNT
        else:
            _fill_and_free(site, site.disk)

    assert not os.path.ismount(tmp_path / "small")


def test_a_scenario_of_another_user_belongs_to_him_until_root_takes_parts(lab: Lab, tmp_path: Path) -> None:
    """Scenario ``runner_user_releases_root_owned``; only root can give files away."""
    scenario = ALL["runner_user_releases_root_owned"]
    with lab.site(scenario, tmp_path) as site:
        assert (site.root / "lib").stat().st_uid != 0
        assert 'RUNNER_USER="nobody"' in (site.root / "releases/emqx_vars").read_text(encoding="utf-8")
        if os.geteuid() != 0:
            _refused(site, "chown -R root lib", Need.ROOT)
        else:
            site.do("chown -R root lib")
            assert (site.root / "lib/emqx-4.4.0").stat().st_uid == 0


@pytest.mark.parametrize("text", [text for text in HOST_ACTIONS if need_of(parse_host_action(text)) is Need.VM])
def test_what_asks_a_running_vm_is_refused_on_a_directory(text: str, lab: Lab, tmp_path: Path) -> None:
    with lab.site(ALL["otp_change_upgrade"], tmp_path) as site:
        _refused(site, text, Need.VM)


def test_folders_of_the_installation_are_looked_at(lab: Lab, tmp_path: Path) -> None:
    text = next(text for text in HOST_ACTIONS if text.startswith("top-level") and "13.1.6" not in text)
    with lab.site(ALL["otp_change_upgrade"], tmp_path) as site:
        site.do(text)
        (site.root / "erts-12.3.2.2").mkdir()

        with pytest.raises(LooksDifferentError):
            site.do(text)


def test_a_difference_names_what_differs(lab: Lab, tmp_path: Path) -> None:
    step = ALL["seed_upgrade"].steps[1]
    with lab.site(ALL["seed_upgrade"], tmp_path) as site:
        found = differences(site.root, step.expected)

    assert [difference.what for difference in found] == [
        "disk_state",
        "start_erl_data",
        "rel_vsns",
        "releases_dir",
        "lib_emqx_dirs",
        "bin_script_versions",
        "version_dirs",
    ]
    assert found[1] == Difference("start_erl_data", "12.1.5 4.4.16", "12.1.5 4.4.0")


def test_a_tolerance_that_is_taken_away_shows_its_difference(lab: Lab, tmp_path: Path) -> None:
    step = ALL["seed_versions_fresh"].steps[0]
    with lab.site(ALL["seed_versions_fresh"], tmp_path) as site:
        tolerated = differences(site.root, step.expected)
        strict = differences(site.root, step.expected, tolerances=EVERY_TOLERANCE - {Tolerance.ERTS_LABELS})

    assert tolerated == ()
    assert strict == (Difference("start_erl_data", "13.1.5 4.4.0", "12.1.5 4.4.0"),)


def test_lines_that_emqx_vars_ends_with_need_not_be_repeated(lab: Lab, tmp_path: Path) -> None:
    """EMQX appends them also when the version is permanent already (otp.md section 5.2)."""
    expected = replace(ALL["seed_versions_fresh"].steps[0].expected, rel_vsns=("4.4.0", "4.4.0"))
    with lab.site(ALL["seed_versions_fresh"], tmp_path) as site:
        tolerated = differences(site.root, expected)
        strict = differences(site.root, expected, tolerances=EVERY_TOLERANCE - {Tolerance.NO_REPEATED_VARS})

    assert tolerated == ()
    assert [difference.what for difference in strict] == ["rel_vsns"]


def test_own_files_are_not_compared(lab: Lab, tmp_path: Path) -> None:
    step = ALL["seed_versions_fresh"].steps[0]
    with lab.site(ALL["seed_versions_fresh"], tmp_path) as site:
        (site.root / "releases/.release-ledger").write_text("ledger", encoding="utf-8")
        (site.root / "releases/.release-ledger.lock").touch()
        (site.root / "releases/.ledger-aside").mkdir()

        assert differences(site.root, step.expected) == ()


@pytest.mark.parametrize(("text", "state"), [(None, "missing"), ("[{release", "unreadable")])
def test_releases_may_be_missing_or_unreadable(text: str | None, state: str, lab: Lab, tmp_path: Path) -> None:
    with lab.site(ALL["releases_file_missing_running"], tmp_path) as site:
        site.do("delete releases/RELEASES")
        if text is not None:
            (site.root / "releases/RELEASES").write_text(text, encoding="utf-8")

        assert observe_disk(site.root).disk_state == state


def test_recorded_erts_versions_become_those_of_otp_24() -> None:
    assert relabelled("erts-13.1.6 13.1.5 11.1.8") == "erts-12.3.2.2 12.1.5 12.1.5"


def test_the_installation_keeps_its_executable_bits(lab: Lab, tmp_path: Path) -> None:
    with lab.site(ALL["seed_upgrade"], tmp_path) as site:
        assert stat.S_IMODE((site.root / "bin/emqx").stat().st_mode) == 0o755


def _do(site: LabSite, step: Step) -> tuple[Difference, ...]:
    assert step.host_action is not None
    if need_of(parse_host_action(step.host_action)) is None:
        site.do(step.host_action)
    return differences(site.root, step.expected)


def _before_commands(scenario: Scenario) -> list[Step]:
    commands = [index for index, step in enumerate(scenario.steps) if step.command or step.concurrent]
    return list(scenario.steps[: commands[0]])


def _fill_and_free(site: LabSite, disk: SmallDisk) -> None:
    before = disk.bytes_free
    site.do("fill the disk, about 2000000 bytes stay free")
    assert 1_900_000 < disk.bytes_free < 2_100_000
    site.do("free the disk again")
    assert disk.bytes_free == before
    site.do("fill the disk, about 0 bytes stay free")
    assert disk.bytes_free < 100_000


def _refused(site: LabSite, text: str, need: Need) -> None:
    with pytest.raises(UnmetNeedError) as caught:
        site.do(text)
    assert caught.value.need is need


def _moves() -> list[tuple[str, str, Command]]:
    """Every install kind that asked a running version for another one, with the version that ran."""
    moves = []
    for scenario in ALL.values():
        running = None
        for step in scenario.steps:
            if step.command and running and _target(step.command) not in (None, running):
                moves.append((running, str(_target(step.command)), step.command))
            running = step.expected.running_code_version
    return moves


def _target(command: Command) -> str | None:
    if len(command.argv) < 3 or command.argv[1] not in INSTALL_KINDS:
        return None
    return next((word for word in command.argv[2:] if re.fullmatch(r"\d+\.\d+\.\d+\S*", word)), None)


def _has_way(start: str, target: str) -> bool:
    up = RELEASES.get(target)
    down = RELEASES.get(start)
    return _relup_names(up, start, "up_from") or _relup_names(down, target, "down_to")


def _relup_names(spec: ReleaseSpec | None, vsn: str, direction: str) -> bool:
    return spec is not None and vsn in (getattr(spec, direction) or ())
