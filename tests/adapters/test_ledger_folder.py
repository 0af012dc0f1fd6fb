"""The folder of a ledger, and who may do what with it."""

import os
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.adapters.ledger_folder import (
    FolderModeError,
    FolderNotMadeError,
    FolderTakenError,
    LedgerExistsError,
    LedgerFolder,
    LedgerMissingError,
    create_folder,
    default_origin,
    open_folder,
)
from ledger.adapters.sqlite import connect
from ledger.tlog.checkpoint import OriginError, open_checkpoint, parse_origin

ORIGIN = "broker1.example.com/release-ledger/0badcafe"

ROOT = Path(__file__).parents[2]


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


def test_a_ledger_that_cannot_be_made_is_not_said_to_be_unreadable(tmp_path: Path) -> None:
    """There is none: its owner, whom the error named as the way out, is nobody."""
    (tmp_path / "state").write_text("a file")

    with pytest.raises(FolderNotMadeError) as caught:
        create_folder(tmp_path / "state" / "ledger", origin=ORIGIN)

    assert caught.value.fact == f"{tmp_path / 'state'}: File exists"


def test_a_new_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    """PRODUCT section 11: folder 0700, key 0600."""
    before = os.umask(0)
    try:
        folder = create_folder(tmp_path / "state" / "ledger", origin=ORIGIN)
    finally:
        os.umask(before)

    assert _modes(folder.path) == {"ledger": 0o700, "ledger.db": 0o600, "log.key": 0o600, "log.vkey": 0o644}
    assert _modes(folder.tip) == {"ledger.tip": 0o700, "tip": 0o600}


def test_a_new_ledger_can_be_opened(tmp_path: Path) -> None:
    made = create_folder(tmp_path / "ledger", origin=ORIGIN)

    opened = open_folder(tmp_path / "ledger")

    assert opened == made == LedgerFolder(tmp_path / "ledger")
    assert opened.read_key().origin == ORIGIN
    assert opened.vkey_file.read_text() == f"{opened.read_key().vkey}\n"
    connect(opened.database).close()


def test_the_guard_of_a_new_ledger_lies_where_the_host_wants_it(tmp_path: Path) -> None:
    """RULINGS 9: beside the ledger, or where ``tip_guard`` says."""
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN, tip_guard=tmp_path / "guards")

    assert folder.tip.readlink() == tmp_path / "guards" / "ledger.tip"
    assert _modes(tmp_path / "guards" / "ledger.tip") == {"ledger.tip": 0o700, "tip": 0o600}
    assert folder.guard.read() == (tmp_path / "guards" / "ledger.tip" / "tip").read_bytes()


def test_a_guard_takes_no_place_of_another(tmp_path: Path) -> None:
    """Two ledgers in folders of one name would overwrite each other's guard."""
    other = create_folder(tmp_path / "a" / "ledger", origin=ORIGIN, tip_guard=tmp_path / "guards")
    held = other.guard.read()

    with pytest.raises(FolderTakenError):
        create_folder(tmp_path / "b" / "ledger", origin=ORIGIN, tip_guard=tmp_path / "guards")

    assert other.guard.read() == held


def test_a_ledger_is_made_once(tmp_path: Path) -> None:
    create_folder(tmp_path / "ledger", origin=ORIGIN)
    before = {path.name: path.read_bytes() for path in (tmp_path / "ledger").iterdir()}

    with pytest.raises(LedgerExistsError):
        create_folder(tmp_path / "ledger", origin=ORIGIN)

    assert {path.name: path.read_bytes() for path in (tmp_path / "ledger").iterdir()} == before


def test_making_a_ledger_goes_on_where_a_crash_left_off(tmp_path: Path) -> None:
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN)
    key = folder.read_key()
    folder.database.rename(folder.path / "ledger.db.new")
    (folder.path / "config.toml").write_text("")

    create_folder(tmp_path / "ledger", origin=ORIGIN)

    assert open_folder(tmp_path / "ledger").read_key() == key
    assert sorted(path.name for path in folder.path.iterdir()) == ["config.toml", "ledger.db", "log.key", "log.vkey"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()

    with pytest.raises(FolderTakenError, match="not free"):
        create_folder(tmp_path, origin=ORIGIN)

    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_bad_origin_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OriginError):
        create_folder(tmp_path / "ledger", origin="Not An Origin")

    assert list(tmp_path.iterdir()) == []


def test_a_missing_ledger_is_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for path in (tmp_path / "none", tmp_path, tmp_path / "file"):
        with pytest.raises(LedgerMissingError) as caught:
            open_folder(path)
        assert "init" in caught.value.hint


@pytest.mark.parametrize("name", ["", "ledger.db"])
@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_ledger_that_others_can_write_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN)
    (folder.path / name).chmod(mode)

    with pytest.raises(FolderModeError) as caught:
        open_folder(folder.path)

    assert f"{mode:04o}" in caught.value.fact


def test_a_ledger_that_this_user_may_not_read_says_so(tmp_path: Path) -> None:
    """RULINGS 8: there but unreadable is exit 1 with a hint, never another ledger."""
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN)
    for parent in (tmp_path, *list(tmp_path.parents)[:-2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    folder.path.chmod(0)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from ledger.adapters.ledger_folder import LedgerUnreadableError, open_folder\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"  # modes do not bind root
        "try: open_folder(Path(sys.argv[1]))\n"
        "except LedgerUnreadableError as exc: print(exc.code, exc.fact, '|', exc.hint)\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code, folder.path], capture_output=True, text=True, check=True, cwd=ROOT
    )
    folder.path.chmod(0o700)

    assert ran.stdout.startswith("1 Permission denied | run as its owner")


def test_a_default_origin_is_an_origin_of_its_own() -> None:
    """evidence.md 3.3: two ledgers must not share origin and key."""
    first, second = default_origin("Broker_1.Example.COM"), default_origin("Broker_1.Example.COM")

    assert first.startswith("broker-1.example.com/release-ledger/")
    assert first != second
    for host in ("", "-", "...", "höst", "x" * 300):
        assert parse_origin(default_origin(host))


def test_the_guard_of_a_new_ledger_holds_the_empty_tree(tmp_path: Path) -> None:
    """evidence.md 5.4: a crash behind the first commit leaves the guard one checkpoint behind, not missing."""
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN)

    held = open_checkpoint(folder.guard.read() or b"", logs=[folder.read_key()]).checkpoint

    assert (held.size, held.root) == (0, sha256(b"").digest())
