"""Readiness of an installation and its ledger: each point with its value, a verdict and what to do.

``ok`` is in order; ``warn`` can go wrong; ``differs`` is otherwise than recorded; ``fault`` stops
or endangers the next change. Nothing is read here: what was seen comes in as plain values.
"""

from collections.abc import Iterator
from enum import StrEnum

from ledger.application.reconcile import unrecorded
from ledger.application.standing_alarm import EXPLAIN, StandingAlarm
from ledger.dataclass import dataclass, field
from ledger.domain.compatibility import SPACE_FACTOR
from ledger.domain.envelope import ClockReading
from ledger.domain.forecast import restart_forecast
from ledger.domain.observation import Observation
from ledger.domain.releases import NodeReleases
from ledger.domain.tables import Tables
from ledger.domain.vendor_scripts import WIPING, wipes_releases
from ledger.domain.version import Vsn

_LEDGER_BYTES = 16 * 1024 * 1024
_SHOWN = 5
_RECORD = "`release-ledger check --record` records it; the next change does too"


class Verdict(StrEnum):
    """What is said of one point."""

    OK = "ok"
    WARN = "warn"
    DIFFERS = "differs"
    FAULT = "fault"


@dataclass(frozen=True)
class Point:
    """One point: *hint* says what to do, where there is something to do."""

    name: str
    value: str
    verdict: Verdict = Verdict.OK
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What was seen under one root: *holder* holds its lock, *script* is the version of the scripts in place."""

    owner: str
    foreign: tuple[str, ...]
    free_bytes: int
    largest_package: int
    holder: str | None
    script: str | None


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What was seen of one installation; *unseen* says why the node could not be looked at."""

    seen: Observation | None
    unseen: str = ""
    unseen_hint: str = ""
    down: bool = False
    disk: Disk | None = None
    no_disk: str = ""


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """The clock now, and that of the newest event."""

    now: str
    reading: ClockReading
    last: str
    last_reading: ClockReading


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How the ledger is kept: its key, its tip guard, who else holds it; a *fault* is what stands against it.

    *others_wrote*: what lies past the guard is by other hosts, and continues what it holds. *free_bytes* are
    those of the file system of a ledger in a folder.
    """

    key: str
    key_fault: str = ""
    guarded: int | None = None
    stored: int = 0
    guard_fault: str = ""
    others_wrote: bool = False
    held: int | None = None
    since: str | None = None
    holders: tuple[str, ...] = field(default=())
    held_fault: str = ""
    group: str = ""
    group_fault: str = ""
    alarms: tuple[StandingAlarm, ...] = field(default=())
    free_bytes: int | None = None


def installation_points(node: NodeReleases, sight: Sight) -> Iterator[Point]:
    """Yield the points of one installation."""
    if sight.seen is None:
        verdict = Verdict.FAULT if sight.down else Verdict.WARN
        yield Point("node", f"not looked at: {sight.unseen}", verdict, sight.unseen_hint)
        yield Point("restart", f"as recorded: {restart_forecast(node.tables).words}")
    else:
        yield from _seen_points(node, sight.seen)
    yield _attempt(node, None if sight.disk is None else sight.disk.holder)
    if sight.disk is None:
        yield Point("disk", sight.no_disk, Verdict.FAULT, "look at the root; `register --root NEW --continues NODE`")
    else:
        yield from _disk_points(sight.disk)


def ledger_points(keeping: Keeping, clocks: Clocks) -> Iterator[Point]:
    """Yield the points of the ledger."""
    yield _clock(clocks)
    yield Point("synced", clocks.reading.synced, *_synced(clocks.reading.synced))
    hint = "run as the user who owns the ledger, or put its key back; without it nothing can be recorded"
    yield Point("key", keeping.key_fault or keeping.key, _bad(keeping.key_fault), hint if keeping.key_fault else "")
    if keeping.free_bytes is not None:
        yield _ledger_space(keeping.free_bytes)
    yield _guard(keeping)
    yield _anchors(keeping)
    for alarm in keeping.alarms:
        yield Point("alarm", f"{alarm} ({alarm.file})", Verdict.FAULT, EXPLAIN)
    if keeping.group or keeping.group_fault:
        hint = "run `release-ledger init` again: it gives the ledger to the group"
        value = keeping.group_fault or f"{keeping.group} may read"
        verdict = Verdict.WARN if keeping.group_fault else Verdict.OK
        yield Point("group", value, verdict, hint if keeping.group_fault else "")


def _attempt(node: NodeReleases, holder: str | None) -> Point:
    """Tell of the open attempt; one whose command holds the lock is no fault."""
    attempt = node.open_attempt
    if attempt is None:
        return Point("attempt", "none is open")
    what = f"{attempt.verb} {attempt.to or ''}".strip()
    if holder is not None and f", {attempt.verb}" in holder:
        return Point("attempt", f"under way: {what}", Verdict.WARN, "wait until it is done")
    return Point("attempt", f"open: {what}", Verdict.FAULT, "run `release-ledger recover`")


def _seen_points(node: NodeReleases, seen: Observation) -> Iterator[Point]:
    differences = tuple(unrecorded(node, seen))
    running = f"{seen.tables.running or 'nothing'} runs, {seen.booted} booted, started {seen.run.started_at}"
    shown_files = _shown_files(seen.tables)
    others = [text for text in differences if not text.startswith(tuple(f"{name}:" for name in shown_files))]
    yield Point("node", running, *((Verdict.DIFFERS, f"{'; '.join(others)}; {_RECORD}") if others else ()))
    for name, shown in shown_files.items():
        told = next((text for text in differences if text.startswith(f"{name}:")), "")
        unread = next((text for text in seen.problems if name in text), "")
        if unread:
            yield Point(name, unread, Verdict.FAULT, "run `release-ledger recover`")
        elif told:
            yield Point(name, shown, Verdict.DIFFERS, f"{told.partition(': ')[2]}; {_RECORD}")
        else:
            yield Point(name, shown)
    agree = seen.tables.boot_files_agree() and not seen.problems
    value = "agree on what is permanent" if agree else "disagree on what is permanent"
    yield Point("boot files", value, *(() if agree else (Verdict.FAULT, "run `release-ledger recover`")))
    yield _restart(seen.tables)


def _shown_files(found: Tables) -> dict[str, str]:
    rows = ", ".join(f"{vsn} {status}" for vsn, status in found.disk or ()) or "no release"
    return {
        "RELEASES": rows,
        "start_erl.data": found.start_erl or "no version",
        "emqx_vars": found.rel_vsn or "no version",
    }


def _restart(found: Tables) -> Point:
    forecast = restart_forecast(found)
    if forecast.boots is None:
        return Point("restart", forecast.words, Verdict.FAULT, "do not restart; run `release-ledger recover`")
    if forecast.lost:
        keep = f"`release-ledger permanent {forecast.lost[0]}` keeps the trial"
        return Point("restart", forecast.words, Verdict.WARN, keep)
    return Point("restart", forecast.words)


def _disk_points(disk: Disk) -> Iterator[Point]:
    if disk.holder is None:
        yield Point("lock", "free")
    else:
        yield Point("lock", f"held by {disk.holder}", Verdict.WARN, "wait, or give a change `--wait SECONDS`")
    if disk.foreign:
        more = f" and {len(disk.foreign) - _SHOWN} more" if len(disk.foreign) > _SHOWN else ""
        named = f"not of {disk.owner}, or not writable: {', '.join(disk.foreign[:_SHOWN])}{more}"
        yield Point("owners", named, Verdict.FAULT, f"`chown -R {disk.owner}` them, or run as {disk.owner}")
    else:
        yield Point("owners", f"all of {disk.owner}")
    tight = disk.free_bytes < SPACE_FACTOR * disk.largest_package
    value = f"{disk.free_bytes} bytes free, the largest package has {disk.largest_package}"
    yield Point("space", value, *((Verdict.WARN, "free space before the next unpacking") if tight else ()))
    yield _script(disk.script)


def _ledger_space(free_bytes: int) -> Point:
    value = f"{free_bytes} bytes free for the ledger"
    if free_bytes < _LEDGER_BYTES:
        return Point("ledger space", value, Verdict.WARN, "free space there: what cannot be recorded is not done")
    return Point("ledger space", value)


def _script(script: str | None) -> Point:
    vsn = Vsn.known(script)
    if vsn is None:
        return Point("scripts", "of no release that is here", Verdict.WARN, "compare bin/ with the package that runs")
    if wipes_releases(vsn):
        hint = "never repeat its `unpack`, nor install what is unpacked, with bin/emqx itself; use release-ledger"
        fault = f"of {vsn}: a repeated unpack through bin/emqx wipes RELEASES ({WIPING})"
        return Point("scripts", fault, Verdict.WARN, hint)
    return Point("scripts", f"of {vsn}")


def _clock(clocks: Clocks) -> Point:
    value = f"{clocks.now}, newest event {clocks.last}"
    if clocks.now < clocks.last:
        same = clocks.last_reading.precedes(clocks.reading)
        why = "it was set back" if same else "it is behind the newest event"
        return Point("clock", f"{value}: {why}", Verdict.WARN, "set the clock; order is by number all the same")
    return Point("clock", value)


def _synced(synced: str) -> tuple[Verdict, str]:
    if synced == "no":
        return Verdict.WARN, "let a time service keep the clock"
    return Verdict.OK, ""


def _guard(keeping: Keeping) -> Point:
    if keeping.guard_fault:
        return Point("tip guard", keeping.guard_fault, Verdict.FAULT, "run `release-ledger verify`")
    if keeping.guarded != keeping.stored:
        value = f"holds {keeping.guarded or 0} of {keeping.stored} events"
        if keeping.others_wrote:
            return Point("tip guard", f"{value}; other hosts wrote the rest, and the next commit here follows them")
        hint = "run `release-ledger verify`; behind a command that was killed, the next change catches up"
        return Point("tip guard", value, Verdict.FAULT, hint)
    return Point("tip guard", f"holds all {keeping.stored} events")


def _anchors(keeping: Keeping) -> Point:
    if keeping.held_fault:
        return Point("held outside", keeping.held_fault, Verdict.FAULT, "run `release-ledger witness list`")
    if not keeping.holders or keeping.held is None:
        hint = "`release-ledger witness add`, or `anchors` in the settings: else only this host vouches"
        return Point("held outside", "no holder is configured", Verdict.WARN, hint)
    value = f"{keeping.held} of {keeping.stored} events by {', '.join(keeping.holders)}"
    if keeping.held < keeping.stored:
        value += f", the last {keeping.stored - keeping.held} only on this host"
        value += f" since {keeping.since}" if keeping.since is not None else ""
        return Point("held outside", value, Verdict.WARN, "run `release-ledger witness submit`")
    return Point("held outside", value)


def _bad(fault: str) -> Verdict:
    return Verdict.FAULT if fault else Verdict.OK
