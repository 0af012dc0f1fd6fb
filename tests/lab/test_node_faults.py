"""Faults inside the node: the disk is full where it writes, or it dies within the permanent call.

The release handler writes RELEASES and start_erl.data in place (native-driver.md 5.4, 6). With
``RELEASE_LEDGER_ALL_FAULTS`` each call of that window is tried, otherwise some.
"""

import pytest

from tests.faults.settings import EVERY
from tests.lab.faults import FULL, KILLED, Fault, run_with, started_with
from tests.lab.host import Host

pytestmark = pytest.mark.erlang

_RELEASES, _START, _VARS = "releases/RELEASES", "releases/start_erl.data", "releases/.emqx_vars.ledger-tmp"
# In the order in which the node comes to them.
_WINDOW = tuple(
    Fault(call, path, KILLED)
    for call, path in (
        ("rename", _VARS),
        *(("rename", f"bin/.{name}.ledger-tmp") for name in ("emqx", "emqx_ctl", "nodetool", "cuttlefish")),
        ("rename", "bin/.install_upgrade.escript.ledger-tmp"),
        ("rename", "bin/.no_dot_erlang.boot.ledger-tmp"),
        ("openat", _START),
        ("writev", _START),
        ("close", _START),
        ("writev", _RELEASES),
    )
)
_TRIED = _WINDOW if EVERY else tuple(_WINDOW[index] for index in (0, 3, 7, 10))


@pytest.mark.parametrize("fault", _TRIED, ids=str)
def test_a_node_killed_within_the_permanent_call_is_mended_without_a_restart(host: Host, fault: Fault) -> None:
    """native-driver.md 6: what boots is what ran, unless nothing of the call was done."""
    host.offer("4.4.1")
    host.run("unpack", "4.4.1")
    host.node.kill()
    with started_with(fault, host.node):
        broken = host.run("upgrade", "4.4.1")
    host.node.start()
    started = host.node.driver().observe()

    recovered = host.run("recover", "--yes")
    seen = host.node.driver().observe()
    again = host.run("upgrade", "4.4.1")

    assert (broken.code, recovered.code, again.code) == (4, 0, 0), (broken, recovered, again)
    assert "release-ledger recover" in broken.err
    assert started.code == ("4.4.0" if fault.path == _VARS else "4.4.1")
    assert (seen.run, seen.tables.permanent) == (started.run, started.code)
    assert recovered.out.splitlines()[-1] == f"Recovered: {'failed' if fault.path == _VARS else 'finished'}"
    assert host.names().count("installed") == (2 if fault.path == _VARS else 1)
    assert host.versions() == {"4.4.1": "permanent", "4.4.0": "old"}
    host.assert_all_agree()
    assert not list(host.node.root.glob("*/.*.ledger-tmp"))


@pytest.mark.parametrize(
    ("verb", "path", "code"),
    [("unpack", _RELEASES, 3), ("upgrade", _RELEASES, 4), ("upgrade", _START, 4), ("uninstall", _RELEASES, 3)],
)
def test_a_disk_that_is_full_where_the_node_writes_is_named_and_mended(
    host: Host, verb: str, path: str, code: int
) -> None:
    """OTP says no more than badarg, and the file is empty; memory is right, so no restart is needed."""
    host.offer("4.4.1")
    if verb != "unpack":
        host.run("unpack", "4.4.1")
    host.node.kill()
    with started_with(Fault("writev", path, FULL), host.node):
        full = host.run(verb, "4.4.1")
        emptied = (host.node.root / path).read_bytes()
        events = host.names()
        refused = host.run(verb, "4.4.1")
        run = host.node.driver().observe().run
        recovered = host.run("recover", "--yes")
        host.assert_all_agree()
        same = host.node.driver().observe().run == run
    host.node.start()
    again = host.run(verb, "4.4.1")

    assert (full.code, refused.code, recovered.code, again.code) == (code, 5, 0, 0), full
    assert "the node could not write all of its boot files" in full.err
    assert f"{host.node.root / path}" in full.err
    assert "bytes are free" in full.err
    assert (emptied, events[-1], same) == (b"", "operation_failed", True)
    host.assert_all_agree()


def test_a_disk_that_is_full_while_a_package_is_laid_out_leaves_nothing_behind(host: Host) -> None:
    """native-driver.md 8: nothing else was touched, and a rerun works."""
    host.offer("4.4.16")
    fault = Fault("write", "releases/.ledger-4.4.16/lib/emqx-4.4.16/ebin/emqx_lab.beam", FULL)

    full = run_with(fault, host, "upgrade", "4.4.16")
    left = list(host.node.root.glob("releases/.ledger-4*"))
    events = host.names()
    again = host.run("upgrade", "4.4.16")

    assert (full.code, again.code) == (3, 0)
    assert "o space left on device" in full.err
    assert (left, events[-2:]) == ([], ("operation_requested", "operation_failed"))
    host.assert_all_agree()
