"""The words on stdout and the exit codes, row by row (PRODUCT section 5)."""

import subprocess

import pytest

from demo.emqx_package import make_tarball
from demo.emqx_tree import ReleaseSpec
from tests.cli.lab import SMALL, Lab

FOUND_16 = (
    'Release 4.4.16 not found, attempting to unpack releases/emqx-4.4.16.tar.gz\nUnpacked successfully: "4.4.16"\n'
)
INSTALLED_16 = "Installed Release: 4.4.16\n"
PERMANENT_16 = 'Made release permanent: "4.4.16"\n'


def test_versions_lists_the_releases_in_the_order_of_the_node(lab: Lab) -> None:
    lab.run("unpack", "4.4.16")

    answer = lab.run("versions")

    assert (answer.code, answer.out) == (0, "Installed versions:\n* 4.4.16\tunpacked\n* 4.4.0\tpermanent\n")


def test_an_upgrade_prints_the_words_of_the_guide_to_the_byte(lab: Lab) -> None:
    """Through a real pipe and ``cat -A``, so that tabs and line ends show."""
    with lab.start("upgrade", "4.4.16") as upgrade:
        seen = subprocess.run(["cat", "-A"], stdin=upgrade.stdout, capture_output=True, check=True)
    with lab.start("versions") as versions:
        table = subprocess.run(["cat", "-A"], stdin=versions.stdout, capture_output=True, check=True)

    assert upgrade.returncode == versions.returncode == 0
    assert seen.stdout == (
        b"Release 4.4.16 not found, attempting to unpack releases/emqx-4.4.16.tar.gz$\n"
        b'Unpacked successfully: "4.4.16"$\n'
        b"Installed Release: 4.4.16$\n"
        b'Made release permanent: "4.4.16"$\n'
    )
    assert table.stdout == b"Installed versions:$\n* 4.4.16^Ipermanent$\n* 4.4.0^Iold$\n"


def test_a_success_says_nothing_on_stderr_without_a_terminal(lab: Lab) -> None:
    """RULINGS 23."""
    assert lab.run("upgrade", "4.4.16").err == ""


def test_a_success_names_its_events_with_verbose(lab: Lab) -> None:
    """RULINGS 23."""
    assert "events 1 to 5" in lab.run("upgrade", "4.4.16", "-v").err


@pytest.mark.parametrize("verb", ["install", "upgrade"])
def test_install_kinds_unpack_install_and_make_permanent(lab: Lab, verb: str) -> None:
    answer = lab.run(verb, "4.4.16")

    assert (answer.code, answer.out) == (0, FOUND_16 + INSTALLED_16 + PERMANENT_16)
    assert lab.rows() == {"4.4.16": "permanent", "4.4.0": "old"}


def test_no_permanent_leaves_a_trial(lab: Lab) -> None:
    answer = lab.run("upgrade", "4.4.16", "--no-permanent")

    assert (answer.code, answer.out) == (0, FOUND_16 + INSTALLED_16)
    assert lab.rows() == {"4.4.16": "current", "4.4.0": "permanent"}


def test_unpack_says_what_it_unpacks(lab: Lab) -> None:
    answer = lab.run("unpack", "4.4.16")

    assert (answer.code, answer.out) == (0, FOUND_16)


@pytest.mark.parametrize(
    ("before", "vsn", "words"),
    [
        ([["unpack", "4.4.16"]], "4.4.16", "Release 4.4.16 is already unpacked.\n"),
        ([["upgrade", "4.4.16"]], "4.4.0", "Release 4.4.0 is marked old.\n"),
        (
            [["upgrade", "4.4.16", "--no-permanent"]],
            "4.4.16",
            "Release 4.4.16 is already installed and current.\n",
        ),
        ([], "4.4.0", "Release 4.4.0 is already installed and set permanent.\n"),
    ],
)
def test_unpack_of_a_known_release_says_its_status_and_records_nothing(
    lab: Lab, before: list[list[str]], vsn: str, words: str
) -> None:
    for arguments in before:
        lab.run(*arguments)
    recorded = len(lab.run("log", "--oneline").out.splitlines())

    answer = lab.run("unpack", vsn)

    assert (answer.code, answer.out) == (0, words)
    assert len(lab.run("log", "--oneline").out.splitlines()) == recorded


def test_install_of_an_unpacked_release(lab: Lab) -> None:
    lab.run("unpack", "4.4.16")

    answer = lab.run("upgrade", "4.4.16")

    assert (answer.code, answer.out) == (
        0,
        f"Release 4.4.16 is already unpacked, now installing.\n{INSTALLED_16}{PERMANENT_16}",
    )


def test_downgrade_to_an_old_release(lab: Lab) -> None:
    lab.run("upgrade", "4.4.16")

    answer = lab.run("downgrade", "4.4.0")

    assert (answer.code, answer.out) == (
        0,
        'Release 4.4.0 is marked old, switching to it.\nInstalled Release: 4.4.0\nMade release permanent: "4.4.0"\n',
    )


def test_install_of_the_current_release_makes_it_permanent(lab: Lab) -> None:
    lab.run("upgrade", "4.4.16", "--no-permanent")

    answer = lab.run("upgrade", "4.4.16")

    assert (answer.code, answer.out) == (
        0,
        f"Release 4.4.16 is already installed and current, making permanent.\n{PERMANENT_16}",
    )


def test_install_of_the_current_release_as_a_trial_is_already_so(lab: Lab) -> None:
    lab.run("upgrade", "4.4.16", "--no-permanent")

    answer = lab.run("upgrade", "4.4.16", "--no-permanent")

    assert (answer.code, answer.out) == (0, "Release 4.4.16 is already installed and current.\n")


def test_install_of_the_running_permanent_release_is_already_so(lab: Lab) -> None:
    answer = lab.run("install", "4.4.0")

    assert (answer.code, answer.out) == (0, "Release 4.4.0 is already installed, running and set permanent.\n")


def test_install_back_from_a_trial_to_the_permanent_release(lab: Lab) -> None:
    """RULINGS 25."""
    lab.run("upgrade", "4.4.16", "--no-permanent")

    answer = lab.run("downgrade", "4.4.0")

    assert (answer.code, answer.out) == (
        0,
        'Release 4.4.16 is the currently running version.\nInstalled Release: 4.4.0\nMade release permanent: "4.4.0"\n',
    )


def test_permanent_of_the_current_release(lab: Lab) -> None:
    lab.run("upgrade", "4.4.16", "--no-permanent")

    answer = lab.run("permanent", "4.4.16")

    assert (answer.code, answer.out) == (0, PERMANENT_16)


def test_permanent_of_the_permanent_release_is_already_so(lab: Lab) -> None:
    answer = lab.run("permanent", "4.4.0")

    assert (answer.code, answer.out) == (0, "Release 4.4.0 is already installed and set permanent.\n")


@pytest.mark.parametrize("before", [[], [["unpack", "4.4.16"]]])
def test_permanent_of_what_does_not_run_is_refused(lab: Lab, before: list[list[str]]) -> None:
    for arguments in before:
        lab.run(*arguments)

    answer = lab.run("permanent", "4.4.16")

    assert (answer.code, answer.out) == (2, "")
    assert "cannot be made permanent" in answer.err


@pytest.mark.parametrize(
    ("before", "vsn", "status"),
    [(["upgrade", "4.4.1"], "4.4.0", "old"), (["unpack", "4.4.16"], "4.4.16", "unpacked")],
)
def test_uninstall_says_what_the_release_was(lab: Lab, before: list[str], vsn: str, status: str) -> None:
    lab.run(*before)

    answer = lab.run("uninstall", vsn)

    assert (answer.code, answer.out) == (
        0,
        f"Release {vsn} is marked {status}, uninstalling it.\nUninstalled Release: {vsn}\n",
    )
    assert vsn not in lab.rows()


def test_uninstall_of_an_unknown_release_is_already_so(lab: Lab) -> None:
    answer = lab.run("uninstall", "4.4.9")

    assert (answer.code, answer.out) == (0, "Release 4.4.9 is already uninstalled.\n")


def test_uninstall_of_the_permanent_release_is_refused(lab: Lab) -> None:
    answer = lab.run("uninstall", "4.4.0")

    assert (answer.code, answer.out) == (2, "Uninstall failed: Release 4.4.0 is permanent.\n")


def test_uninstall_of_the_current_release_is_refused(lab: Lab) -> None:
    lab.run("upgrade", "4.4.16", "--no-permanent")

    answer = lab.run("uninstall", "4.4.16")

    assert (answer.code, answer.out) == (2, "Uninstall failed: Release 4.4.16 is marked current.\n")


def test_another_minor_is_refused_with_the_words_of_the_guide(lab: Lab) -> None:
    lab.offer("4.5.0")

    answer = lab.run("upgrade", "4.5.0")

    assert (answer.code, answer.out) == (
        2,
        "Cannot upgrade/downgrade to 4.5.0 from 4.4.0\nWe only support relup between patch versions\n",
    )


def test_a_refusal_tells_all_reasons_on_stderr(lab: Lab) -> None:
    """RULINGS 34: on stdout the words of the first, on stderr all of them."""
    answer = lab.run("downgrade", "4.6.0")

    assert answer.code == 2
    assert answer.out.startswith("Cannot upgrade/downgrade to 4.6.0 from 4.4.0\n")
    assert answer.err.count("error: ") == answer.err.count("hint: ") == 3


def test_a_missing_package_is_named_as_the_guide_names_it(lab: Lab) -> None:
    answer = lab.run("upgrade", "4.4.9")

    assert (answer.code, answer.out) == (2, "Unpack failed: release_package_not_found\n")
    assert "releases/" in answer.err


def test_the_wrong_direction_is_refused(lab: Lab) -> None:
    answer = lab.run("downgrade", "4.4.16")

    assert (answer.code, answer.out) == (2, "")
    assert "release-ledger upgrade 4.4.16" in answer.err


def test_restart_of_a_rehearsal_names_what_it_undid(lab: Lab) -> None:
    lab.run("upgrade", "4.4.16", "--no-permanent")

    answer = lab.run("restart")

    assert (answer.code, answer.out) == (0, "Restarted: 4.4.0\nUndone by the restart: 4.4.16\n")
    assert lab.rows() == {"4.4.16": "unpacked", "4.4.0": "permanent"}


def test_root_dir_prints_the_root_in_quotes(lab: Lab) -> None:
    assert lab.run("root_dir").out == f'"{lab.root}"\n'
    assert lab.run("root_dir", "--raw").out == f"{lab.root}\n"


def test_a_node_that_is_down_is_said_as_emqx_says_it(bare: Lab) -> None:
    answer = bare.having(RELEASE_LEDGER_DRIVER="auto").init()

    assert (answer.code, answer.out) == (1, "Node is not running!\n")
    assert "start the node" in answer.err
    assert not bare.ledger.exists()


def test_a_package_made_by_the_script_is_named_by_its_path(lab: Lab) -> None:
    """PRODUCT section 5, last paragraph: the line names the tarball that is used."""
    spec = ReleaseSpec(vsn="4.4.2", extra_bytes=SMALL).between("4.4.0")
    make_tarball(lab.root / "releases/4.4.2/emqx.tar.gz", spec)

    answer = lab.run("unpack", "4.4.2")

    assert answer.out.splitlines()[0] == "Release 4.4.2 not found, attempting to unpack releases/4.4.2/emqx.tar.gz"
