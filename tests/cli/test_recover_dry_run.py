"""``recover --dry-run``: what is found and would be done is said, and not one byte is written."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import validate

from cli.exit_codes import exit_code
from ledger.adapters.lock import LockHeldError
from tests.cli.lab import Lab
from tests.cli.schemas import RECOVERY


def content(lab: Lab) -> dict[str, bytes]:
    """Return all that lies on the host, but for the index that SQLite keeps in memory."""
    return {
        str(path): bytes(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b"/"
        for path in sorted(lab.folder.rglob("*"))
        if path.suffix not in {".db-shm", ".db-wal"}
    }


def half_permanent(lab: Lab) -> None:
    lab.run("upgrade", "4.4.1")
    (lab.root / "releases/start_erl.data").write_text("12.1.5 4.4.0")


def left_over(lab: Lab) -> None:
    (lab.root / "releases/4.4.16").write_bytes(b"x")


def staged(lab: Lab) -> None:
    (lab.root / "releases/.ledger-4.4.16").mkdir()


def lost_memory(lab: Lab) -> None:
    (lab.root / "data/embedded_node.json").write_text("{")


@pytest.mark.parametrize("damage", [half_permanent, left_over, staged, lost_memory])
def test_a_dry_run_tells_what_recover_does_and_writes_nothing(lab: Lab, damage: Callable[[Lab], None]) -> None:
    """It exits 5 as every change does where something waits for `recover` (PRODUCT section 10)."""
    lab.offer("4.4.1")
    damage(lab)
    before = content(lab)

    looked = lab.process("recover", "--dry-run")
    after = content(lab)
    done = lab.process("recover", "--yes")

    assert (looked.code, looked.err, done.code) == (5, "", 0)
    assert after == before
    told = [line for line in done.out.splitlines() if line.startswith(("Found: ", "To do: "))]
    assert set(told) >= set(looked.out.splitlines()) >= {told[0]}


@pytest.mark.parametrize("gone", [False, True])
def test_where_nothing_is_to_be_done_a_dry_run_says_so(lab: Lab, *, gone: bool) -> None:
    """A node that has to boot first boots in thought."""
    if gone:
        (lab.root / "data/embedded_node.json").unlink()
    (lab.root / "releases/.release-ledger.lock").unlink()
    before = content(lab)

    looked = lab.process("recover", "--dry-run")

    assert (looked.code, looked.out) == (0, "Nothing to recover.\n")
    assert content(lab) == before


def test_a_dry_run_tells_a_machine_what_is_planned(lab: Lab) -> None:
    nothing = lab.run("recover", "--dry-run", "--json").json
    left_over(lab)

    planned = lab.run("recover", "--dry-run", "--json").json

    validate(nothing, RECOVERY)
    validate(planned, RECOVERY)
    assert (nothing["result"], nothing["todo"]) == ("nothing", [])
    assert (planned["result"], planned["done"]) == ("planned", [])
    assert planned["todo"] == ["clear releases/4.4.16"]


@pytest.mark.parametrize("other", [("--refill", "no-bundle"), ("--accept-tip", "--reason", "guard lost")])
def test_a_dry_run_goes_with_no_mending_of_the_ledger(lab: Lab, other: tuple[str, ...]) -> None:
    answer = lab.run("recover", "--dry-run", *other)

    assert answer.code == 1
    assert f"--dry-run does not go with {other[0]}" in answer.err


def test_a_dry_run_waits_for_the_lock_as_recover_does(lab: Lab) -> None:
    with (lab.root / "releases/.release-ledger.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        answer = lab.process("recover", "--dry-run", "--json")

    assert answer.code == json.loads(answer.err)["code"] == exit_code(LockHeldError(Path("lock"), "x"))
