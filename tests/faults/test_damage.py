"""Files damaged by hand or by EMQX's own script, with the node alive and after a restart (otp.md section 6).

``recover`` says what it found, makes record, memory and disk agree, keeps a copy of what it
replaced; run again it changes nothing.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from demo.emqx_package import make_tarball
from ledger.adapters.releases_file import parse_releases, print_releases
from ledger.domain.status import ReleaseStatus
from tests.faults.host import DEEDS, Host, half_permanent, spec_of
from tests.faults.invariants import all_agree, boots_a_known_version, nothing_left_over, nothing_twice, read_log

_BOTH = {"4.4.16": "permanent", "4.4.0": "old"}


def _truncate(name: str) -> Callable[[Host], None]:
    def act(host: Host) -> None:
        path = host.root / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])

    return act


def _remove(name: str) -> Callable[[Host], None]:
    return lambda host: (host.root / name).unlink()


def _clobbered(vsn: str) -> Callable[[Host], None]:
    def act(host: Host) -> None:
        path = host.root / "releases/RELEASES"
        (entry,) = (entry for entry in parse_releases(path.read_bytes()) if entry.vsn == vsn)
        path.write_bytes(print_releases((entry.__class__(**{**vars(entry), "status": ReleaseStatus.PERMANENT}),)))

    return act


def _another_script(host: Host) -> None:
    shutil.copyfile(host.root / "bin/emqx-4.4.0", host.root / "bin/emqx")


DAMAGES: Mapping[str, Callable[[Host], None]] = {
    "half permanent": half_permanent,
    "RELEASES has the new version only": _clobbered("4.4.16"),
    "RELEASES has the old version only": _clobbered("4.4.0"),
    "RELEASES truncated": _truncate("releases/RELEASES"),
    "RELEASES missing": _remove("releases/RELEASES"),
    "start_erl.data truncated": _truncate("releases/start_erl.data"),
    "start_erl.data missing": _remove("releases/start_erl.data"),
    "emqx_vars truncated": _truncate("releases/emqx_vars"),
    "emqx_vars missing": _remove("releases/emqx_vars"),
    "memory truncated": _truncate("data/embedded_node.json"),
    "a script of another version": _another_script,
}


@pytest.fixture
def upgraded(fast_folder: Path) -> Host:
    """Give a host on which 4.4.16 is permanent and 4.4.0 old."""
    host = DEEDS["downgrade"].prepared(fast_folder)
    assert host.rows() == _BOTH
    return host


@pytest.mark.parametrize("restarted", [False, True], ids=["alive", "restarted"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_recover_makes_everything_agree_again(upgraded: Host, damage: str, restarted: bool) -> None:  # noqa: FBT001 # pytest's parameter
    """RULINGS 16, 35; otp.md 6.2 to 6.5: what really runs, or what really boots, decides."""
    DAMAGES[damage](upgraded)
    if restarted:
        (upgraded.root / "data/embedded_node.json").unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in (upgraded.root / "releases").iterdir() if path.is_file()}
    refused = upgraded.run("unpack", "4.4.16")

    recovered = upgraded.run("recover", "--yes")

    assert refused.code == 0 or (refused.code == 5 and "recover" in refused.err), refused
    assert recovered.code == 0, recovered
    assert refused.code == 0 or "Found: " in recovered.out
    boots = "4.4.0" if restarted and damage == "half permanent" else "4.4.16"
    assert upgraded.boots() == boots
    assert set(upgraded.rows()) == {"4.4.16", "4.4.0"}
    assert upgraded.rows()[boots] == "permanent"
    _sound(upgraded)
    _replaced_is_kept(upgraded, before)
    _nothing_to_recover(upgraded)
    upgraded.do("upgrade" if boots == "4.4.0" else "downgrade", "4.4.16" if boots == "4.4.0" else "4.4.0")


def _replaced_is_kept(host: Host, before: Mapping[str, bytes]) -> None:
    folder = host.root / "releases/.ledger-before-recover"
    kept = {path.read_bytes() for path in folder.iterdir()} if folder.exists() else set[bytes]()
    for name in ("RELEASES", "start_erl.data", "emqx_vars"):
        if name in before and (host.root / "releases" / name).read_bytes() != before[name]:
            assert before[name] in kept, name


def _sound(host: Host) -> None:
    log = read_log(host)
    boots_a_known_version(host)
    all_agree(host, log)
    nothing_twice(log)
    nothing_left_over(host)


def _nothing_to_recover(host: Host) -> None:
    files, size = host.files(), len(read_log(host).events)
    again = host.run("recover", "--yes")
    assert (again.code, again.out.splitlines()[0]) == (0, "Nothing to recover.")
    assert host.files() == files
    assert len(read_log(host).events) == size


def test_left_overs_are_cleared_and_what_may_be_somebodys_is_kept(upgraded: Host) -> None:
    """RULINGS 26; otp.md section 4: failed extraction, left-over staging, stale tarball, unknown release."""
    releases = upgraded.root / "releases"
    (releases / ".ledger-4.4.2").mkdir()
    (releases / ".RELEASES.ledger-tmp").write_text("[")
    (releases / "4.4.2").mkdir()
    (releases / "4.4.2/start.boot").write_bytes(b"half")
    make_tarball(releases / "emqx-4.4.1.tar.gz", spec_of("4.4.2"))

    recovered = upgraded.run("recover", "--yes")

    assert recovered.code == 0, recovered
    assert all(name in recovered.out for name in (".ledger-4.4.2", ".RELEASES.ledger-tmp", "4.4.2", "4.4.1.tar.gz"))
    aside = {path.name for path in releases.glob(".ledger-aside/*/*")}
    assert aside == {"releases_4.4.2", "releases_emqx-4.4.1.tar.gz"}
    _sound(upgraded)
    _nothing_to_recover(upgraded)


def test_a_missing_library_is_said_with_the_way_out(upgraded: Host) -> None:
    """PRODUCT section 3: what recover cannot mend it names."""
    shutil.rmtree(upgraded.root / "lib/emqx-4.4.0")

    said = upgraded.run("recover", "--yes")

    assert said.code == 0, said
    assert "release 4.4.0 lacks lib/emqx-4.4.0" in said.out
    assert "uninstall 4.4.0" in said.out


def test_memory_that_cannot_be_read_stops_changes_and_is_kept(upgraded: Host) -> None:
    """RULINGS 16: unreadable is exit 5."""
    path = upgraded.root / "data/embedded_node.json"
    path.write_text(json.dumps({"v": 1}), encoding="utf-8")

    refused = upgraded.run("downgrade", "4.4.0")
    recovered = upgraded.run("recover", "--yes")

    assert (refused.code, "recover" in refused.err) == (5, True), refused
    assert recovered.code == 0, recovered
    kept = list((upgraded.root / "releases/.ledger-before-recover").glob("embedded_node.json.*"))
    assert [json.loads(copy.read_bytes()) for copy in kept] == [{"v": 1}]
    _sound(upgraded)
    _nothing_to_recover(upgraded)
