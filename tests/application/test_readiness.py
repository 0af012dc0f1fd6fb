"""Points of ``check``: what each verdict rests on."""

from dataclasses import replace

import pytest

from ledger.application.readiness import (
    Clocks,
    Disk,
    Keeping,
    Point,
    Sight,
    Verdict,
    installation_points,
    ledger_points,
)
from ledger.domain.envelope import ClockReading
from tests.domain.nodes import NEXT_RUN, after, node_with, requested, seen, tables_of

NODE = node_with("4.4.16 unpacked", "4.4.0 permanent")
DISK = Disk(owner="emqx", foreign=(), free_bytes=400, largest_package=100, holder=None, script="4.4.16")
READING = ClockReading("system", "yes", "boot", 200)
CLOCKS = Clocks(
    now="2026-03-02T00:00:00.000000Z",
    reading=READING,
    last="2026-03-01T00:00:00.000000Z",
    last_reading=replace(READING, monotonic_us=100),
)
KEEPING = Keeping(key="log.key, of h/l", guarded=7, stored=7, held=7, holders=("w1",))


def points_of(sight: Sight, node: object = NODE) -> dict[str, Point]:
    """Return the points of an installation by name."""
    return {point.name: point for point in installation_points(node, sight)}  # type: ignore[arg-type] # a node by default


def ledger_points_of(keeping: Keeping = KEEPING, clocks: Clocks = CLOCKS) -> dict[str, Point]:
    """Return the points of a ledger by name."""
    return {point.name: point for point in ledger_points(keeping, clocks)}


def test_all_is_well_where_node_and_record_agree() -> None:
    told = points_of(Sight(seen=seen(NODE.tables), disk=DISK))

    assert {point.verdict for point in told.values()} == {Verdict.OK}
    assert told["restart"].value == "boots 4.4.0; nothing changes"


def test_a_restart_that_is_not_recorded_differs_and_says_what_it_undid() -> None:
    node = node_with("4.4.16 current", "4.4.0 permanent")
    told = points_of(Sight(seen=seen(tables_of("4.4.16 unpacked", "4.4.0 permanent"), run=NEXT_RUN), disk=DISK), node)

    assert told["node"].verdict is Verdict.DIFFERS
    assert "which undid the trial of 4.4.16" in told["node"].hint
    assert told["RELEASES"].verdict is Verdict.OK


def test_a_node_that_is_down_is_a_fault_and_one_that_is_busy_is_none() -> None:
    down = points_of(Sight(seen=None, unseen="node emqx@h is not running", down=True, disk=DISK))
    busy = points_of(Sight(seen=None, unseen="another release command is at work", disk=replace(DISK, holder="7")))

    assert (down["node"].verdict, busy["node"].verdict) == (Verdict.FAULT, Verdict.WARN)
    assert down["restart"].value.startswith("as recorded: ")
    assert busy["lock"].verdict is Verdict.WARN


def test_an_open_attempt_is_a_fault() -> None:
    told = points_of(Sight(seen=seen(NODE.tables), disk=DISK), after(NODE, [requested(NODE)]))

    assert (told["attempt"].verdict, told["attempt"].value) == (Verdict.FAULT, "open: upgrade 4.4.16")


def test_an_attempt_whose_command_is_at_work_is_none() -> None:
    """Who looks while a long install runs is not sent to `recover`, which would only find the lock taken."""
    node = after(NODE, [requested(NODE)])
    under_way = points_of(Sight(seen=None, disk=replace(DISK, holder="process 7, upgrade 4.4.16")), node)
    recovered = points_of(Sight(seen=None, disk=replace(DISK, holder="process 7, recover")), node)

    assert (under_way["attempt"].verdict, under_way["attempt"].value) == (Verdict.WARN, "under way: upgrade 4.4.16")
    assert recovered["attempt"].verdict is Verdict.FAULT


def test_a_node_that_would_not_boot_is_a_fault() -> None:
    told = points_of(Sight(seen=seen(replace(NODE.tables, rel_vsn="4.4.9")), disk=DISK))

    assert (told["restart"].verdict, told["boot files"].verdict) == (Verdict.FAULT, Verdict.FAULT)
    assert told["emqx_vars"].verdict is Verdict.DIFFERS


@pytest.mark.parametrize(
    ("disk", "name", "verdict"),
    [
        (replace(DISK, foreign=("lib", "bin")), "owners", Verdict.FAULT),
        (replace(DISK, free_bytes=299), "space", Verdict.WARN),
        (replace(DISK, free_bytes=300), "space", Verdict.OK),
        (replace(DISK, script=None), "scripts", Verdict.WARN),
        (replace(DISK, script="4.4.1"), "scripts", Verdict.OK),
        (replace(DISK, script="4.4.2"), "scripts", Verdict.WARN),
        (replace(DISK, script="4.4.14"), "scripts", Verdict.WARN),
        (replace(DISK, script="4.4.15"), "scripts", Verdict.OK),
        (replace(DISK, script="4.3.12"), "scripts", Verdict.OK),
        (replace(DISK, script="4.3.13"), "scripts", Verdict.WARN),
    ],
)
def test_the_disk_is_judged_by_its_facts(disk: Disk, name: str, verdict: Verdict) -> None:
    """otp.md 8: the scripts of 4.4.2 to 4.4.14, and of 4.3.13 and later 4.3, wipe RELEASES."""
    assert points_of(Sight(seen=seen(NODE.tables), disk=disk))[name].verdict is verdict


def test_a_ledger_that_others_hold_is_in_order() -> None:
    assert {point.verdict for point in ledger_points_of().values()} == {Verdict.OK}


@pytest.mark.parametrize(
    ("keeping", "name", "verdict"),
    [
        (replace(KEEPING, key_fault="cannot be read"), "key", Verdict.FAULT),
        (replace(KEEPING, guarded=8), "tip guard", Verdict.FAULT),
        (replace(KEEPING, guarded=None), "tip guard", Verdict.FAULT),
        (replace(KEEPING, guard_fault="it holds another tree"), "tip guard", Verdict.FAULT),
        (replace(KEEPING, held=5), "held outside", Verdict.WARN),
        (replace(KEEPING, holders=()), "held outside", Verdict.WARN),
        (replace(KEEPING, free_bytes=16 * 1024 * 1024 - 1), "ledger space", Verdict.WARN),
        (replace(KEEPING, free_bytes=16 * 1024 * 1024), "ledger space", Verdict.OK),
        (replace(KEEPING, held_fault="another root"), "held outside", Verdict.FAULT),
        (replace(KEEPING, group="audit"), "group", Verdict.OK),
        (replace(KEEPING, group="audit", group_fault="not readable"), "group", Verdict.WARN),
    ],
)
def test_the_ledger_is_judged_by_how_it_is_kept(keeping: Keeping, name: str, verdict: Verdict) -> None:
    assert ledger_points_of(keeping)[name].verdict is verdict


def test_it_is_said_how_many_events_nobody_outside_holds_and_since_when() -> None:
    """``check`` and ``verify`` alike."""
    keeping = replace(KEEPING, held=5, since="2026-03-01T12:00:00.000000Z")

    value = ledger_points_of(keeping)["held outside"].value

    assert value.endswith(f"the last {KEEPING.stored - 5} only on this host since 2026-03-01T12:00:00.000000Z")


def test_a_clock_behind_the_newest_event_is_told() -> None:
    """RULINGS 10: only within one boot is it known to have been set back."""
    back = replace(CLOCKS, now="2026-02-01T00:00:00.000000Z")
    other_boot = replace(back, reading=replace(READING, boot_id="another"))

    assert ledger_points_of(clocks=back)["clock"].value.endswith("it was set back")
    assert ledger_points_of(clocks=other_boot)["clock"].value.endswith("it is behind the newest event")
    assert ledger_points_of(clocks=replace(CLOCKS, reading=replace(READING, synced="no")))["synced"].verdict == "warn"
