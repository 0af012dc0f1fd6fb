"""What a restart would do now (otp.md 2.2, the table of consequences)."""

from dataclasses import replace

import pytest
from hypothesis import given

from ledger.domain.forecast import restart_forecast
from ledger.domain.tables import Tables
from tests.domain.nodes import tables_of
from tests.domain.strategies import tables as any_tables


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (tables_of("4.4.0 permanent"), "boots 4.4.0; nothing changes"),
        (
            tables_of("4.4.16 current", "4.4.0 permanent"),
            "boots 4.4.0; lost: the trial of 4.4.16; then: 4.4.16 unpacked, 4.4.0 permanent",
        ),
        (
            tables_of("4.4.2 current", "4.4.1 old", "4.4.0 permanent"),
            "boots 4.4.0; lost: the trial of 4.4.2; then: 4.4.2 unpacked, 4.4.1 old, 4.4.0 permanent",
        ),
        (
            replace(tables_of("4.4.0 permanent"), rel_vsn="4.4.16"),
            "does not boot: emqx_vars names 4.4.16, which RELEASES does not know",
        ),
        (replace(tables_of("4.4.0 permanent"), rel_vsn=None), "does not boot: emqx_vars names no version"),
        (replace(tables_of("4.4.0 permanent"), disk=None), "does not boot: RELEASES cannot be read"),
    ],
)
def test_the_forecast_says_what_boots_and_what_is_lost(tables: Tables, words: str) -> None:
    assert restart_forecast(tables).words == words


@given(any_tables)
def test_the_forecast_is_the_restart_of_the_state_machine(tables: Tables) -> None:
    forecast = restart_forecast(tables)

    assert (forecast.after, forecast.lost) == (tables.restarted().memory, tables.reverted_by_restart())
    assert ("why_not" in forecast.to_record()) is (forecast.boots is None)
