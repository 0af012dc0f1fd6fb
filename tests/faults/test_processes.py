"""Several processes at once, readers beside writers, clocks that go back and hosts that reboot in between."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from demo.emqx_installation import make_installation
from demo.emqx_package import make_package
from ledger.adapters import clock
from ledger.application.moment import Moment
from tests.faults.disk_calls import Fault, Kind
from tests.faults.host import DEEDS, STATED, Host, make_host, spec_of
from tests.faults.invariants import all_agree, boots_a_known_version, nothing_left_over, nothing_twice, read_log

_PROCESSES = 8
_ALLOWED = {0, 2, 75}
_WORK = ("unpack 4.4.1", "upgrade 4.4.16", "downgrade 4.4.0", "uninstall 4.4.1", "install 4.4.1 --no-permanent")
_HOUR = timedelta(hours=1)


def _start(host: Host, *arguments: str) -> "subprocess.Popen[str]":
    environ = {**host.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        env=environ,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _at_once(host: Host, commands: Sequence[tuple[str, ...]]) -> list[tuple[int, str, str]]:
    running = [_start(host, *command) for command in commands]
    return [(process.wait(), *process.communicate()) for process in running]


def _events_of(codes: Sequence[int]) -> int:
    return sum(code == 0 for code in codes)


def test_eight_processes_on_one_installation_lose_and_double_nothing(fast_folder: Path) -> None:
    """PRODUCT section 6: one attempt at a time; each outcome is done, refused by a rule, or locked."""
    host = make_host(fast_folder, "4.4.1", "4.4.16")
    host.do("init", "--root", str(host.root), *STATED)
    commands = [(*_WORK[at % len(_WORK)].split(), "--wait", "0" if at % 2 else "30") for at in range(_PROCESSES)]

    outcomes = _at_once(host, commands)

    assert {code for code, _, _ in outcomes} <= _ALLOWED, outcomes
    log = read_log(host)
    boots_a_known_version(host)
    nothing_twice(log)
    nothing_left_over(host)
    all_agree(host, log)
    names = [recorded.topic.split(".")[-2] for recorded in log.events]
    assert (
        names.count("operation_requested")
        == names.count("operation_completed")
        <= _events_of([c for c, *_ in outcomes])
    )
    assert names.count("operation_refused") == sum(code == 2 for code, *_ in outcomes)


def test_eight_installations_of_one_ledger_are_changed_at_once(fast_folder: Path) -> None:
    """RULINGS 10: the lock of the tip orders the writers; none fails for the others."""
    host = make_host(fast_folder, "4.4.16")
    host.do("init", "--root", str(host.root), *STATED)
    for number in range(1, _PROCESSES):
        root = make_installation(fast_folder / f"emqx{number}", spec_of("4.4.0"))
        make_package(root / "releases", spec_of("4.4.16"))
        host.do("register", "--root", str(root), "--node", f"emqx{number}@10.0.0.{number}", *STATED)
    nodes = [row["node"] for row in map(json.loads, host.run("versions", "--json").out.splitlines())]
    assert len(nodes) == _PROCESSES

    outcomes = _at_once(host, [("upgrade", "4.4.16", "--node", node) for node in nodes])

    assert [code for code, _, _ in outcomes] == [0] * _PROCESSES, outcomes
    log = read_log_of_many(host)
    assert log.count("operation_completed") == log.count("made_permanent") == _PROCESSES


def read_log_of_many(host: Host) -> list[str]:
    """Return the names of all events, once the log holds for each stream."""
    topics = [row["type"] for row in map(json.loads, host.run("log", "--json", "-n", "1000").out.splitlines())]
    indexes = [row["index"] for row in map(json.loads, host.run("log", "--json", "-n", "1000").out.splitlines())]
    assert sorted(indexes) == list(range(len(indexes)))
    return topics


def test_a_reader_never_fails_while_others_write(fast_folder: Path) -> None:
    """PRODUCT section 6: reads go on working."""
    host = make_host(fast_folder, "4.4.1", "4.4.16")
    host.do("init", "--root", str(host.root), *STATED)
    script = "; ".join(f"{sys.executable} -m cli {command}" for command in _WORK)
    environ = {**host.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    writer = subprocess.Popen(["/bin/sh", "-c", script], env=environ, stdout=subprocess.DEVNULL)
    reads = 0

    while writer.poll() is None or reads < 3:
        for arguments in (("versions",), ("log", "--json"), ("show", "last"), ("versions", "--json")):
            ran = host.run(*arguments)
            assert ran.code == 0, ran
        reads += 1

    nothing_twice(read_log(host))


def test_a_clock_that_went_back_is_flagged_and_keeps_the_order(
    fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRODUCT section 7: order is the log index, never the clock."""
    host = DEEDS["unpack"].prepared(fast_folder)
    host.do("unpack", "4.4.16")
    read = clock.SystemClock.read

    def an_hour_back(self: clock.SystemClock) -> Moment:
        now = read(self)
        earlier = datetime.fromisoformat(now.recorded_at) - _HOUR
        return replace(now, recorded_at=earlier.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    monkeypatch.setattr(clock.SystemClock, "read", an_hour_back)
    host.do("install", "4.4.16")
    monkeypatch.undo()
    host.do("downgrade", "4.4.0")

    log = read_log(host)
    pairs = pairwise(recorded.stamp for recorded in log.events)
    back = [later for earlier, later in pairs if later.clock_went_back(earlier)]
    assert len(back) == 1
    assert host.rows() == {"4.4.16": "old", "4.4.0": "permanent"}
    nothing_twice(log)
    all_agree(host, log)


@pytest.mark.parametrize("share", [1, 2, 3, 4, 5])
def test_a_host_that_reboots_in_the_middle_of_a_change_is_recovered(
    fast_folder: Path, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    """PRODUCT section 7: a restart is told by the boot of the host; what a trial was is undone by it."""
    deed = DEEDS["upgrade"]
    host = deed.prepared(fast_folder)
    put_back = host.keep()
    count = len(host.run(*deed.command, counted=True).calls)
    put_back()
    killed = host.run(*deed.command, fault=Fault(count * share // 6, Kind.KILL_BEFORE))
    assert killed.killed

    monkeypatch.setattr(clock, "read_boot_id", lambda: "00000000-0000-4000-8000-00000000000b")
    refused = host.run("unpack", "4.4.16")
    recovered = host.run("recover", "--yes")

    assert (refused.code == 0) or "recover" in refused.err
    assert recovered.code == 0, recovered
    log = read_log(host)
    assert "emqx.release.node_restarted.v1" in {recorded.topic for recorded in log.events}
    boots_a_known_version(host)
    nothing_twice(log)
    all_agree(host, log)
    nothing_left_over(host)
    host.do(*deed.command)
    assert deed.is_reached(host)
