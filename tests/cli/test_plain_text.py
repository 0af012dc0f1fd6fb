"""Text of others never steers a terminal."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from cli.error_report import as_json, as_text
from cli.errors import UnexpectedError
from cli.plain_text import plain

ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
def test_what_is_shown_is_one_line_of_visible_characters(text: str) -> None:
    shown = plain(text)

    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert shown.encode().decode() == shown


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_visible_text_is_shown_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_bytes_that_were_no_text_are_shown_as_bytes() -> None:
    """PEP 383."""
    assert plain("\udcff\x1b[2J\u202e\U000e0001") == "\\xff\\x1b[2J\\u202e\\U000e0001"


@given(ANY)
def test_an_error_has_three_lines_whatever_it_tells(text: str) -> None:
    told = as_text(UnexpectedError(ValueError(text)))

    assert len(told.splitlines()) == 3
    assert json.loads(as_json(UnexpectedError(ValueError(text))))["code"] == 3
    assert as_json(UnexpectedError(ValueError(text))).isascii()
