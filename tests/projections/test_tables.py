"""Tables for other programs."""

import csv
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st

from projections.tables import csv_rows, guarded


@given(st.text(max_size=20))
def test_no_cell_begins_as_a_formula_does(cell: str) -> None:
    """evidence.md 6.3: cells that begin with = + - @ get a quote mark in front."""
    found = guarded(cell)

    assert not found.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert found in {cell, f"'{cell}"}


@given(st.sampled_from("=+-@\t\r"), st.text(max_size=20))
def test_a_formula_is_guarded(sign: str, rest: str) -> None:
    assert guarded(sign + rest) == f"'{sign}{rest}"


def test_a_table_of_nothing_has_its_heading() -> None:
    (heading,) = csv.reader(StringIO("".join(csv_rows((), {}))))

    assert heading[:2] == ["index", "recorded_at"]
