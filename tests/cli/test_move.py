"""``move``, from one folder to another: what it refuses, it refuses before anything is made (docs/fleet.md)."""

from pathlib import Path

import pytest

from tests.cli.lab import Lab


@pytest.fixture
def host(pattern: Lab, tmp_path: Path) -> Lab:
    lab = pattern.copied(tmp_path / "host")
    assert lab.init().code == 0
    return lab


@pytest.mark.parametrize("place", ["", " "])
def test_a_ledger_does_not_move_to_a_place_that_was_not_named(host: Lab, place: str) -> None:
    """A variable that was never set is an empty text; it does not mean the place that ``--ledger`` has by default."""
    refused = host.run("move", "--to", place)

    assert (refused.code, refused.out) == (1, "")
    assert "--to names no place" in refused.err
    assert host.run("note", "0", "it goes on here").code == 0


def test_a_ledger_that_moved_is_given_no_second_place(host: Lab, tmp_path: Path) -> None:
    new, other = tmp_path / "new", tmp_path / "other"
    assert host.run("move", "--to", str(new)).code == 0

    refused = host.run("move", "--to", str(other))

    assert refused.code == 2
    assert f"--to {new}" in refused.err
    assert not other.exists()
    assert host.run("move", "--to", str(new)).code == 0


def test_a_ledger_that_moved_does_not_go_to_another_one_that_is_there(host: Lab, pattern: Lab, tmp_path: Path) -> None:
    new, other = tmp_path / "new", pattern.copied(tmp_path / "other")
    assert other.init("--node", "emqx@other").code == 0
    assert host.run("move", "--to", str(new)).code == 0
    (other.ledger / "config.toml").unlink()
    before = sorted(path.name for path in other.ledger.iterdir())

    refused = host.run("move", "--to", str(other.ledger))

    assert refused.code == 2
    assert f"--to {new}" in refused.err
    assert sorted(path.name for path in other.ledger.iterdir()) == before


def test_the_place_is_told_as_a_shell_takes_it(host: Lab, tmp_path: Path) -> None:
    new = tmp_path / "new & shared"

    moved = host.run("move", "--to", str(new))

    assert f"Goes on with: --ledger '{new}' (or" in moved.out
