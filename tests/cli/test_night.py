"""What lies in the way at 03:42: pipes, links and folders in the place of files, a root that is taken."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.lab import Lab, Result

NAME = "emqx-4.4.1-otp24.1.5-3-ubuntu20.04-amd64.zip"


def in_place_of_a_package(lab: Lab, kind: str) -> None:
    path = lab.root / "releases" / NAME
    path.unlink()
    if kind == "link":
        path.symlink_to("nowhere")
    else:
        os.mkfifo(path)


def types(lab: Lab) -> list[str]:
    return [json.loads(line)["type"] for line in lab.run("log", "--json").out.splitlines()]


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_package_that_cannot_be_read_is_refused_and_recorded(lab: Lab, kind: str) -> None:
    """RULINGS 13: exit 2 is recorded."""
    in_place_of_a_package(lab, kind)

    answer = lab.run("upgrade", "4.4.1")

    assert answer.code == 2
    assert types(lab)[0] == "operation_refused"


def test_a_pipe_beside_a_package_is_not_waited_for(lab: Lab) -> None:
    """PRODUCT 3, rule 3."""
    beside = lab.root / "releases" / f"{NAME}.sha256"
    beside.unlink(missing_ok=True)
    os.mkfifo(beside)

    answer = lab.run("unpack", "4.4.1")

    assert (answer.code, "not a plain file" in answer.err) == (2, True)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("put", [link, pipe, folder])
@pytest.mark.parametrize("name", ["RELEASES", "start_erl.data"])
def test_recover_mends_what_is_no_file_once(lab: Lab, name: str, put: Callable[[Path], None]) -> None:
    """Running it twice changes nothing."""
    lab.run("unpack", "4.4.1")
    path = lab.root / "releases" / name
    put(path)

    first, second, after = lab.run("recover"), lab.run("recover"), lab.run("unpack", "4.4.16")

    assert (first.code, second.code, after.code) == (0, 0, 0), first.err
    assert (path.is_file(), path.is_symlink()) == (True, False)
    assert "Nothing to recover." in second.out


def test_the_newest_release_is_kept_when_memory_and_table_are_lost(lab: Lab) -> None:
    lab.run("unpack", "4.4.1")
    lab.run("unpack", "4.4.16")
    (lab.root / "data/embedded_node.json").unlink()
    os.truncate(lab.root / "releases/RELEASES", 100)

    answer = lab.run("recover")

    assert answer.code == 0, answer.err
    assert {"4.4.16", "4.4.1", "4.4.0"} <= set(lab.rows())


def test_a_driver_of_running_nodes_is_not_taken_for_a_rehearsal(lab: Lab) -> None:
    """RULINGS 2."""
    answer = lab.run("unpack", "4.4.1", "--driver", "node")

    assert answer.code == 1
    assert "rehearsal" in answer.err


def test_one_root_is_registered_once(lab: Lab) -> None:
    """ARCHITECTURE 1: one aggregate per installation."""
    answer = lab.run("init", "--root", str(lab.root), "--node", "emqx@other")

    assert answer.code == 1
    assert "registered already" in answer.err
    assert lab.run("unpack", "4.4.1").code == 0


def test_blanks_are_no_reason(lab: Lab) -> None:
    """PRODUCT 3: an override needs a reason."""
    answer: Result = lab.run("upgrade", "4.5.0", "--allow", "minor", "--reason", "  ")

    assert answer.code == 1


def test_uninstall_says_what_was_missing(lab: Lab) -> None:
    """PRODUCT 3: exit 0, and it says what was missing."""
    lab.run("unpack", "4.4.1")
    (lab.root / "lib/emqx-4.4.1").rename(lab.folder / "gone")

    answer = lab.run("uninstall", "4.4.1", "-v")

    assert answer.code == 0
    assert "lib/emqx-4.4.1" in answer.err


def test_a_lost_tip_guard_is_undecided(lab: Lab) -> None:
    """RULINGS 21: a change whose tail is not verified exits 6."""
    tip = lab.ledger.with_name(f"{lab.ledger.name}.tip")
    tip.rename(lab.folder / "away")

    answer = lab.run("unpack", "4.4.1")

    assert answer.code == 6
    assert "tip guard" in answer.err
