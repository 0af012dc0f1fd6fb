import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.erlang_terms import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    Atom,
    ErlangMap,
    ErlangTermError,
    as_text,
    read_terms,
)

PIECES = r"""{ } [ ] , . << >> #{ => / - + $a $ " ' a B 1 1.5 16#ff 37#a 0#1 utf8 end % \x{3bb} \ é λ"""
GRAMMAR = st.lists(st.sampled_from([*PIECES.split(" "), "\n", "\x00"])).map("".join)
NO_TERMS = [
    *("a", "a.b", "..", "{a,}.", "[a,].", "[a|b].", "end.", "Abc.", "_.", "- -1.", "1_.", "1__0.", "1e5.", "37#a."),
    *("1#0.", "2#2.", "16#0xff.", "1.0e999.", "'a' 'b'.", "<<a>>.", "<<1:4>>.", "<<1.5>>.", '<<"a"/utf16>>.'),
    *(r'"\x{d800}".', r'"\x{110000}".', r'"\x4".', '"a', "'a", "$.", "a÷b.", "a\u1680.", "éÉ é", "{a", "\ud800."),
    *("#{a}.", "(1).", f"{'a' * 256}.", f"{'1' * 4001}.", f"0.{'1' * 4001}."),
]


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("{release,\"emqx\",'a b',[]}.", (Atom("release"), "emqx", Atom("a b"), [])),
        ("[1,-2, + 3,1_000,16#fF,36#zz,016#f,2#1_0].", [1, -2, 3, 1000, 255, 1295, 15, 2]),
        ("[1.5,-1.0e-3,1_0.0_1].", [1.5, -0.001, 10.01]),
        (r"[$a,-$a,$\n,$ ,$\^a,$',$\x41].", [97, -97, 10, 32, 1, 39, 65]),
        (r'"\d\s\0\12\777\x41\x{3bb}\q\"\\\8".', '\x7f \x00\n\u01ffA\u03bbq"\\8'),
        (r'"\^a\^?\^A\^\\^[".', "\x01\x1f\x01\x1c\x1b"),
        ('"a" \n "b".', "ab"),
        ('"".', []),
        ('"a\\\nb".', "a\nb"),
        ('<<"λ"/utf8,1,"é",300,-1>>.', b"\xce\xbb\x01\xe9\x2c\xff"),
        ("<<>>.", b""),
        ('<< "a" "b">>.', b"ab"),
        ("#{}.", ErlangMap(())),
        ("#{a=>1,b=>2,a=>3}.", ErlangMap(((Atom("a"), 3), (Atom("b"), 2)))),
        ("emqx@node_1.", Atom("emqx@node_1")),
        ("ßaÀ.", Atom("ßaÀ")),
        ("maybe.", Atom("maybe")),
        ("'end'.", Atom("end")),
        ("''.", Atom("")),
        ("{}.", ()),
    ],
)
def test_a_term_is_read_as_erlang_reads_it(text: str, term: object) -> None:
    """Each pair was compared with file:consult/1 of OTP 25."""
    (read,) = read_terms(text)

    assert read == term
    assert type(read) is type(term)


def test_comments_and_blanks_stand_between_terms() -> None:
    """Erlang reference manual, 2.3: blanks and comments separate; the last dot may end the text."""
    assert read_terms("%% coding: utf-8\na. % one.\n\n\xa0{b}.%two\nc.") == (Atom("a"), (Atom("b"),), Atom("c"))
    assert read_terms(" % nothing") == ()


@pytest.mark.parametrize("text", NO_TERMS)
def test_what_is_no_term_is_refused(text: str) -> None:
    """file:consult/1 refuses them too, but for improper lists, bit strings, brackets and long numbers."""
    with pytest.raises(ErlangTermError):
        read_terms(text)


def test_the_error_names_the_line() -> None:
    """A person must find the place in RELEASES."""
    with pytest.raises(ErlangTermError) as caught:
        read_terms('{a,\n "x\ny",\n B}.')

    assert caught.value.line == 4
    assert str(caught.value) == "line 4: this is no Erlang term"


def test_nesting_is_limited_and_never_overflows() -> None:
    """Untrusted text must not reach the limit of recursion."""
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH + "."

    assert read_terms(deepest)
    for opening in ("[", "{", "#{", "#{a=>", "[{"):
        with pytest.raises(ErlangTermError, match=r"nested deeper|no Erlang|expected"):
            read_terms(opening * 100_000)


def test_size_is_limited() -> None:
    """A text of any length ends in terms or in the error."""
    with pytest.raises(ErlangTermError, match="longer"):
        read_terms(" " * (MAX_CHARACTERS + 1))


@given(st.one_of(st.text(), GRAMMAR))
def test_any_text_gives_terms_or_the_one_error(text: str) -> None:
    """STYLE: parsers of untrusted text leak no other error."""
    with contextlib.suppress(ErlangTermError):
        assert isinstance(read_terms(text), tuple)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_string_is_a_list_of_its_characters(text: str) -> None:
    """RELEASES holds a path with characters above 255 as numbers."""
    (numbers,) = read_terms(f"{[ord(character) for character in text]}.")

    assert as_text(numbers) == text


@pytest.mark.parametrize("term", [Atom("a"), 1, [-1], [0xD800], [1.0], ["a"], b"a", ()])
def test_other_terms_are_no_strings(term: object) -> None:
    """A list with anything but characters is no string."""
    assert as_text(term) is None  # type: ignore[arg-type] # parametrize knows objects only
