"""The host's clock as records hold it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.clock import SystemClock, format_time, kernel_synced, read_boot_id


def test_a_reading_has_the_form_of_a_record() -> None:
    """evidence.md 1.1, row "time"; 1.2, row "clock"."""
    moment = SystemClock().read()

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", moment.recorded_at)
    assert moment.clock.source == "system"
    assert moment.clock.synced in {"yes", "no", "unknown"}
    assert moment.clock.boot_id


def test_two_readings_of_one_boot_rise() -> None:
    clock = SystemClock()

    first, second = clock.read(), clock.read()

    assert first.clock.boot_id == second.clock.boot_id
    assert first.clock.monotonic_us <= second.clock.monotonic_us
    assert first.recorded_at <= second.recorded_at


def test_a_test_sets_every_source() -> None:
    clock = SystemClock(
        wall_us=lambda: 1_772_366_400_000_007, monotonic_us=lambda: 5, synced=lambda: "no", boot_id=lambda: "b"
    )

    moment = clock.read()

    assert moment.recorded_at == "2026-03-01T12:00:00.000007Z"
    assert (moment.clock.synced, moment.clock.boot_id, moment.clock.monotonic_us) == ("no", "b", 5)


@given(st.lists(st.integers(0, 4_000_000_000_000_000), min_size=2, max_size=2))
def test_times_sort_as_their_texts(microseconds: list[int]) -> None:
    low, high = sorted(microseconds)

    assert format_time(low) <= format_time(high)
    assert len(format_time(low)) == 27


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff"])
def test_a_boot_id_that_the_kernel_does_not_tell_is_unknown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "boot_id").write_bytes(content)

    assert read_boot_id(tmp_path / "boot_id") == "unknown"
    assert read_boot_id(tmp_path / "none") == "unknown"


def test_the_kernel_is_asked_without_being_changed() -> None:
    """adjtimex(2) with modes 0 only reads."""
    assert kernel_synced() == kernel_synced()
