"""Plans for a fleet: who may go, in which waves, and the events that hold a plan."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.envelope import SIZE_LIMIT, ClockReading, Stamp, seal
from ledger.domain.event_codec import data_of
from ledger.domain.fleet import (
    Candidate,
    FleetPlan,
    Judged,
    PlanPartsError,
    WaveSizeError,
    judge_node,
    plan_from,
    recorded,
    waves_of,
)
from ledger.domain.package import PackageName
from ledger.domain.records import Actor, Context, InstallationFacts, Source
from ledger.domain.version import Vsn

TARGET = Vsn.parse("4.4.16")
PACKAGE = PackageName.parse("emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip")
FACTS = InstallationFacts(edition="emqx", otp="24.1.5-3", erts="12.1.5", os="ubuntu20.04", arch="amd64")
CONTEXT = Context(actor=Actor(id="os:1"), source=Source(host_id="0" * 64, tool="test"))
STAMP = Stamp("h/l", "e", "c", "2026-01-01T00:00:00.000000Z", ClockReading("system", "yes", "b", 1))
NAMES = st.lists(st.text("abc.@:", min_size=1, max_size=250), unique=True, max_size=40).map(tuple)


def judged(*packages: PackageName, running: str = "4.4.0", **known: Any) -> Judged:  # noqa: ANN401 # fields of Candidate
    """Return what the rules say of a node that may go, *known* apart."""
    fields: dict[str, Any] = {
        "stream": "release:a@b",
        "releases": ((running, "permanent"),),
        "facts": FACTS,
        "open_attempt": None,
        "boots_agree": True,
        "unseen": None,
    }
    return judge_node(Candidate(**(fields | known)), TARGET, packages=packages)


def rules(found: Judged) -> list[str]:
    """Return the rules that forbid it."""
    return [obstacle.rule for obstacle in found.obstacles]


def test_a_node_of_the_line_with_its_package_may_go() -> None:
    assert judged(PACKAGE) == Judged("release:a@b", there=False, obstacles=(), unchecked=())


def test_a_trial_may_go_and_what_is_permanent_is_there() -> None:
    """PRODUCT section 5: an upgrade makes what is current permanent."""
    trial = judged(PACKAGE, releases=(("4.4.16", "current"), ("4.4.0", "permanent")))
    there = judged(PACKAGE, running="4.4.16", unseen="last seen long ago")

    assert (trial.there, rules(trial)) == (False, [])
    assert (there.there, rules(there)) == (True, [])


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"running": "4.3.9"}, ["minor"]),
        ({"running": "4.4.17"}, ["direction"]),
        ({"running": "odd"}, ["version"]),
        ({"facts": InstallationFacts(edition="emqx-ee", otp="24.1.5", os="ubuntu20.04", arch="amd64")}, ["edition"]),
        (
            {"facts": InstallationFacts(edition="emqx", otp="23.3", os="debian11", arch="arm64")},
            ["otp-major", "os", "arch"],
        ),
        ({"boots_agree": False}, ["boot-files"]),
        ({"open_attempt": "upgrade 4.4.1"}, ["open-attempt"]),
        ({"unseen": "last seen long ago"}, ["not-seen"]),
        ({"running": "4.4.16", "boots_agree": False}, ["boot-files"]),
    ],
)
def test_each_rule_forbids_by_its_name(known: dict[str, Any], expected: list[str]) -> None:
    """PRODUCT section 3, rules 1, 2, 6 and 8, as far as the record tells them."""
    assert rules(judged(PACKAGE, **known)) == expected


def test_all_reasons_are_told_at_once() -> None:
    found = judged(PACKAGE, running="4.3.0", boots_agree=False, open_attempt="unpack 4.3.1", unseen="long ago")

    assert rules(found) == ["minor", "boot-files", "open-attempt", "not-seen"]


def test_the_package_that_fits_a_node_best_counts() -> None:
    other = PackageName.parse("emqx-ee-4.4.16-otp23.3-debian11-arm64.zip")

    assert rules(judged(other, PACKAGE)) == []
    assert rules(judged(other)) == ["edition", "otp-major", "os", "arch"]


def test_what_is_not_known_is_not_checked_and_forbids_nothing() -> None:
    """PRODUCT section 2: its rule reports *not checked*, a warning, never a refusal."""
    found = judged(PACKAGE, facts=InstallationFacts(edition="emqx"))

    assert (rules(found), found.unchecked) == ([], ("otp-major", "os", "arch"))
    assert judged().unchecked == ()


@given(streams=NAMES, canary=st.integers(0, 5), size=st.integers(1, 50))
def test_waves_hold_every_node_once_and_in_order(streams: tuple[str, ...], canary: int, size: int) -> None:
    waves = waves_of(streams, canary=canary, size=str(size))

    assert sum(waves, ()) == streams
    assert all(waves)
    assert all(len(wave) <= size for wave in waves[1:])
    if canary:
        assert waves[:1] == ((streams[:canary],) if streams else ())


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [
        (11, "10%", [1, 2, 2, 2, 2, 2]),
        (11, "100%", [1, 10]),
        (3, "1%", [1, 1, 1]),
        (3, "900%", [1, 2]),
        (1, "10%", [1]),
    ],
)
def test_a_part_is_of_all_nodes_and_rounds_up(count: int, size: str, sizes: list[int]) -> None:
    waves = waves_of([f"n{number}" for number in range(count)], canary=1, size=size)

    assert [len(wave) for wave in waves] == sizes


@given(st.text(max_size=12).filter(lambda text: not text.removesuffix("%").lstrip("0").isdecimal()))
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(WaveSizeError):
        waves_of((), canary=1, size=text)


@pytest.mark.parametrize("text", ["0", "0%", "-1", "1.5", "010", "10%%", "1000000000", "¹"])
def test_no_wave_has_such_a_size(text: str) -> None:
    with pytest.raises(WaveSizeError):
        waves_of((), canary=1, size=text)


@given(waves=st.lists(NAMES.filter(bool), max_size=4).map(tuple), out=NAMES.filter(bool))
def test_a_plan_reads_back_from_the_events_that_hold_it(
    waves: tuple[tuple[str, ...], ...], out: tuple[str, ...]
) -> None:
    plan = FleetPlan(id="beef", to="4.4.16", packages=(str(PACKAGE),), waves=waves, left_out=((("os",), out),))

    events = recorded(plan, version=7, context=CONTEXT)

    assert plan_from([data_of(event) for event in events]) == plan
    assert [event.originator_version for event in events] == list(range(7, 7 + len(events)))


def test_a_wave_of_any_size_fits_into_envelopes() -> None:
    """evidence.md 1.2: an entry has at most 65,535 bytes."""
    streams = tuple(f"release:{'x' * 60}@{'y' * 180}{number}" for number in range(1_000))
    plan = FleetPlan(id="beef", to="4.4.16", packages=(), waves=(streams,), left_out=())

    events = recorded(plan, version=1, context=CONTEXT)

    assert all(len(seal(event, STAMP)) <= SIZE_LIMIT for event in events)
    assert plan_from([data_of(event) for event in events]) == plan
    assert (plan.wave_of(streams[-1]), plan.wave_of("release:nobody")) == (1, None)


def test_a_plan_with_a_part_missing_is_not_taken() -> None:
    """A plan is known by its digest: a host must not go by half of one."""
    plan = FleetPlan(id="beef", to="4.4.16", packages=(), waves=(("a",), ("b",)), left_out=())
    events = recorded(plan, version=1, context=CONTEXT)

    with pytest.raises(PlanPartsError):
        plan_from([data_of(event) for event in events[:-1]])
