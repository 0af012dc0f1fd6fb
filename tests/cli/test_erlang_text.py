"""A path in quotes is a string of Erlang, which reads back as it is."""

import shutil
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import fast_path
from cli.erlang_text import erlang_string
from ledger.adapters.erlang_terms import as_text, read_terms
from tests.cli.lab import STATED, Lab

ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(ANY)
def test_a_quoted_text_reads_back_as_it_is(text: str) -> None:
    """Erlang reference manual, 3.4 and 3.8: strings and escape sequences."""
    quoted = erlang_string(text)

    assert [as_text(term) for term in read_terms(f"{quoted}.")] == [text]


@given(ANY)
def test_a_quoted_text_is_one_line_of_visible_characters(text: str) -> None:
    shown = erlang_string(text)

    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("/usr/lib/emqx", '"/usr/lib/emqx"'),
        ('/srv/a"b', '"/srv/a\\"b"'),
        ("/srv/a\\b", '"/srv/a\\\\b"'),
        ("/srv/caf\u00e9", '"/srv/caf\u00e9"'),
        ("\x1b[2J", '"\\e[2J"'),
        ("\u202e", '"\\x{202E}"'),
    ],
)
def test_a_text_is_quoted_as_erlang_does(text: str, quoted: str) -> None:
    assert erlang_string(text) == quoted


def test_root_dir_escapes_in_quotes_and_leaves_the_raw_path(bare: Lab) -> None:
    """PRODUCT section 4: with the quotes, ``--raw`` without; both paths give the same."""
    root = bare.folder / 'q"uo\\te'
    shutil.copytree(bare.root, root)
    bare.run("init", "--root", str(root), *STATED)

    quoted, raw = bare.run("root_dir"), bare.run("root_dir", "--raw")

    assert quoted.out == f'"{bare.folder}/q\\"uo\\\\te"\n'
    assert raw.out == f"{root}\n"
    assert fast_path.answer(["root_dir"], bare.variables) == (quoted.out, "")
    assert fast_path.answer(["root_dir", "--raw"], bare.variables) == (raw.out, "")
