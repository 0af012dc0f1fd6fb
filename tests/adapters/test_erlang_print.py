from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.erlang_print import print_term
from ledger.adapters.erlang_terms import MAX_DEPTH, Atom, ErlangMap, Term, read_terms

GOLDEN = Path(__file__).parents[1] / "golden" / "erlang_terms.txt"
CHARACTERS = st.characters(exclude_categories=["Cs"])
LEAVES = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(CHARACTERS, max_size=255).map(Atom),
    st.text(CHARACTERS),
    st.binary(),
)


def branches(terms: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    pairs = st.lists(st.tuples(terms, terms), unique_by=lambda pair: print_term(pair[0])).map(tuple)
    return st.one_of(st.lists(terms), st.lists(terms).map(tuple), pairs.map(ErlangMap))


TERMS: st.SearchStrategy[Term] = st.recursive(LEAVES, branches, max_leaves=30)


def test_terms_print_as_erlang_prints_them() -> None:
    """The golden pairs are io:format("~tw.~n") and io:format("~tp.~n") of OTP 25 itself."""
    texts = GOLDEN.read_text(encoding="utf-8").split("\n%%\n")[1:-1]

    pairs = list(zip(texts[::2], texts[1::2], strict=True))

    assert len(pairs) > 300
    for plain, pretty in pairs:
        (term,) = read_terms(plain)
        assert f"{print_term(term)}." == pretty


@given(TERMS)
def test_what_is_printed_reads_back(term: Term) -> None:
    """A file written by us is read by the node: nothing may change on the way."""
    printed = print_term(term)

    (back,) = read_terms(f"{printed}.")

    assert print_term(back) == printed


@given(TERMS, st.integers(20, 200))
def test_the_width_changes_the_blanks_only(term: Term, width: int) -> None:
    """Line breaks stand between the parts of a term, never inside one."""
    narrow, wide = print_term(term, width=width), print_term(term, width=1_000_000)

    assert read_terms(f"{narrow}.") == read_terms(f"{wide}.")
    assert "\n" not in wide


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ([97, 98], '"ab"'),
        ("", "[]"),
        ("λ", "[955]"),
        ("é\n\x1b", '"é\\n\\e"'),
        ("\x7f", "[127]"),
        (Atom("λ"), "'λ'"),
        (Atom("é"), "é"),
        (Atom("maybe"), "maybe"),
        (Atom("end"), "'end'"),
        (Atom("\x00\x7f\x82λ'\"\\\n"), "'\\000\\d\\202λ\\'\"\\\\\\n'"),
        (b"\xe9", '<<"é">>'),
        ("é".encode(), '<<"é"/utf8>>'),
        ("λ".encode(), "<<206,187>>"),
        (-0.0, "-0.0"),
        (9007199254740992.0, "9.007199254740992e15"),
        (100000.0, "1.0e5"),
    ],
)
def test_small_terms(term: Term, text: str) -> None:
    """Each was compared with erl of OTP 25 in its default mode (+pc latin1)."""
    assert print_term(term) == text


@pytest.mark.parametrize(("opening", "closing"), [("[{a,", "}]"), ("#{a=>[", "]}"), ("#{[", "]=>a}")])
def test_a_term_as_deep_as_the_reader_takes_prints(opening: str, closing: str) -> None:
    """Both have one limit, and neither comes near that of recursion."""
    deep = opening * (MAX_DEPTH // 2) + "1.5" + closing * (MAX_DEPTH // 2) + "."

    (term,) = read_terms(deep)

    assert "".join(print_term(term).split()) == deep[:-1]
