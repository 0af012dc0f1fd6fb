"""Policies (C2SP tlog-policy)."""

from dataclasses import replace
from hashlib import sha256
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint, OtherOriginError
from ledger.tlog.cosignature import KeySigner, PrimitiveMissingError
from ledger.tlog.note import (
    AmbiguousKeyError,
    BadSignatureError,
    Note,
    Signature,
    UnverifiedNoteError,
    add_signatures,
    sign_note,
)
from ledger.tlog.policy import Group, Log, Policy, QuorumError, Witness
from ledger.tlog.policy_file import PolicyError, parse_policy
from ledger.tlog.vkey import KeyType, Vkey

from .keys import PRIMITIVES, make_signer, make_witness

LOG = make_signer("example.org/log", 1)
W1, W2, W3 = (make_witness(f"w{number}.example", 10 + number) for number in (1, 2, 3))
M = make_signer("m.example", 20, key_type=KeyType.COSIGNATURE_ML_DSA_44, at=9)
TEXT = Checkpoint("example.org/log", 7, bytes(32)).encode()


def policy_of(*lines: str) -> Policy:
    return parse_policy("".join(f"{line}\n" for line in lines).encode())


LOG_LINE = f"log {LOG.vkey}"
WITNESS_LINES = (f"witness a {W1.vkey}", f"witness b {W2.vkey}", f"witness c {W3.vkey}")


def open_with(policy: Policy, *signers: KeySigner) -> frozenset[bytes]:
    return policy.open_checkpoint(sign_note(TEXT, signers=signers), primitives=PRIMITIVES).witnesses


def test_a_policy_is_read_as_it_is_written() -> None:
    policy = policy_of(
        "# trust",
        "",
        f"  log\t{LOG.vkey}  https://example.org/ \t",
        *WITNESS_LINES,
        "group g 2 a  b",
        "quorum g",
        " #x",
    )

    assert policy == Policy(
        (Log(LOG.vkey, b"https://example.org/"),),
        (Witness(b"a", W1.vkey), Witness(b"b", W2.vkey), Witness(b"c", W3.vkey)),
        (Group(b"g", 2, (b"a", b"b")),),
        b"g",
    )


def test_names_are_opaque_octets() -> None:
    """tlog-policy: octets 80-FF are allowed, no-break space divides nothing."""
    data = f"{LOG_LINE}\n".encode() + b"witness \xc2\xa0\xff" + f" {W1.vkey} url\nquorum ".encode() + b"\xc2\xa0\xff\n"

    assert parse_policy(data).witnesses == (Witness(b"\xc2\xa0\xff", W1.vkey, b"url"),)


def test_groups_hold_by_their_threshold() -> None:
    """Every subset of three witnesses, groups within groups."""
    needed = {"any a b c": 1, "all a b c": 3, "1 a b c": 1, "2 a b c": 2, "3 a b c": 3}
    for text, threshold in needed.items():
        policy = policy_of(LOG_LINE, *WITNESS_LINES, f"group g {text}", "group outer all g", "quorum outer")
        for count in range(4):
            for names in combinations((b"a", b"b", b"c"), count):
                assert policy.quorum_holds(frozenset(names)) == (count >= threshold)


def test_a_quorum_may_be_one_witness_or_none() -> None:
    one, none = (policy_of(LOG_LINE, *WITNESS_LINES, f"quorum {name}") for name in ("b", "none"))

    assert one.quorum_holds({b"b"})
    assert not one.quorum_holds({b"a", b"c", b"stranger"})
    assert none.quorum_holds(frozenset())


def test_a_checkpoint_with_its_quorum_is_accepted() -> None:
    policy = policy_of(LOG_LINE, *WITNESS_LINES, "group g 2 a b c", "quorum g")

    assert open_with(policy, LOG, W1, W3) == {b"a", b"c"}
    with pytest.raises(QuorumError) as caught:
        open_with(policy, LOG, W1)
    assert caught.value.cosigned == {b"a"}


def test_a_cosignature_twice_is_one_witness() -> None:
    policy = policy_of(LOG_LINE, *WITNESS_LINES, "group g 2 a b c", "quorum g")

    with pytest.raises(QuorumError):
        open_with(policy, LOG, W1, replace(W1, at=5))


def test_a_statement_without_a_time_is_no_witness() -> None:
    """tlog-cosignature: time 0 makes no claim about what was seen."""
    policy = policy_of(LOG_LINE, f"witness m {M.vkey}", "quorum m")

    assert open_with(policy, LOG, M) == {b"m"}
    with pytest.raises(QuorumError):
        open_with(policy, LOG, replace(M, at=0))


def test_the_last_time_of_its_cosignatures_is_told() -> None:
    """evidence.md 3.4: it is for the reader to hold against a clock. Strangers and times of 0 say nothing."""
    policy = policy_of(LOG_LINE, *WITNESS_LINES[:2], f"witness m {M.vkey}", "quorum none")
    stranger = replace(W3, at=10**12)

    def latest(*signers: KeySigner) -> int:
        return policy.open_checkpoint(sign_note(TEXT, signers=signers), primitives=PRIMITIVES).latest

    assert latest(LOG) == latest(LOG, replace(M, at=0), stranger) == 0
    assert latest(LOG, replace(W1, at=7), replace(W2, at=5), replace(W1, at=6), stranger) == 7


def test_quorum_none_needs_the_log_alone() -> None:
    policy = policy_of(LOG_LINE, "quorum none")

    assert open_with(policy, LOG) == frozenset()
    with pytest.raises(UnverifiedNoteError):
        open_with(policy, W1)


def test_a_witness_alone_does_not_speak_for_the_log() -> None:
    policy = policy_of(LOG_LINE, *WITNESS_LINES, "quorum a")

    with pytest.raises(OtherOriginError):
        open_with(policy, W1)


def test_a_damaged_line_of_a_known_witness_fails_and_of_an_unknown_one_does_not() -> None:
    """Evidence section 7, row 16."""
    damaged = Signature(W2.name, W2.key_id, bytes(72))
    data = add_signatures(sign_note(TEXT, signers=[LOG, W1]), signatures=[damaged])
    knows = policy_of(LOG_LINE, *WITNESS_LINES, "quorum a")
    knows_not = policy_of(LOG_LINE, WITNESS_LINES[0], "quorum a")

    assert knows_not.open_checkpoint(data, primitives=PRIMITIVES).witnesses == {b"a"}
    with pytest.raises(BadSignatureError):
        knows.open_checkpoint(data, primitives=PRIMITIVES)


def test_a_key_that_cannot_be_checked_here_is_an_error() -> None:
    policy = policy_of(LOG_LINE, f"witness m {M.vkey}", "quorum none")

    with pytest.raises(PrimitiveMissingError):
        policy.open_checkpoint(
            sign_note(TEXT, signers=[LOG]), primitives={KeyType.ED25519: PRIMITIVES[KeyType.ED25519]}
        )


# Found by search: two keys whose ids are equal under the log's name.
COLLIDING = [Vkey("example.org/log", KeyType.ED25519, sha256(b"%d" % number).digest()) for number in (49_583, 99_222)]
SAME_KEY = Vkey("other.example", KeyType.COSIGNATURE_ED25519, LOG.vkey.public_key)


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ((), 0),
        ((LOG_LINE,), 1),
        (("quorum none", "quorum none"), 2),
        (("quorum",), 1),
        (("quorum none none",), 1),
        (("quorum a",), 1),
        (("log",), 1),
        ((f"{LOG_LINE} url more",), 1),
        (("log nonsense",), 1),
        ((LOG_LINE, LOG_LINE), 2),
        ((f"log {W1.vkey}",), 1),
        ((f"witness a {LOG.vkey}",), 1),
        (("witness a",), 1),
        ((f"witness a {W1.vkey} url more",), 1),
        ((f"witness none {W1.vkey}",), 1),
        ((WITNESS_LINES[0], f"witness a {W2.vkey}"), 2),
        ((WITNESS_LINES[0], f"witness b {W1.vkey}"), 2),
        ((LOG_LINE, f"witness a {SAME_KEY}"), 2),
        ((*WITNESS_LINES, "group g"), 4),
        ((*WITNESS_LINES, "group g any"), 4),
        ((*WITNESS_LINES, "group g 0 a"), 4),
        ((*WITNESS_LINES, "group g 2 a"), 4),
        ((*WITNESS_LINES, "group g 01 a"), 4),
        ((*WITNESS_LINES, "group g most a"), 4),
        ((*WITNESS_LINES, "group g any a a"), 4),
        ((*WITNESS_LINES, "group g any a", "group h any a"), 5),
        ((*WITNESS_LINES, "group g any h", "group h any a"), 4),
        ((*WITNESS_LINES, "group g any g"), 4),
        ((*WITNESS_LINES, "group g any none"), 4),
        ((*WITNESS_LINES, "group a any b"), 4),
        ((*WITNESS_LINES, "group none any b"), 4),
        (("quorum none\r",), 1),
        (("quorum\vnone",), 1),
        (("quorum none\x7f",), 1),
        (("Quorum none",), 1),
        (("trust all",), 1),
    ],
)
def test_a_wrong_policy_is_refused_at_its_line(lines: tuple[str, ...], line: int) -> None:
    with pytest.raises(PolicyError) as caught:
        policy_of(*lines)

    assert caught.value.line == line


def test_a_vkey_of_other_octets_is_refused() -> None:
    with pytest.raises(PolicyError):
        parse_policy(b"log \xff+00000000+AQ==\nquorum none\n")


def test_an_unended_line_and_a_file_too_large_are_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(b"# one\nquorum none")

    assert caught.value.line == 2
    with pytest.raises(PolicyError):
        parse_policy(b"quorum none\n" + b"#" * 1_000_000 + b"\n")


def test_two_keys_of_one_name_and_id_are_refused() -> None:
    """A line could not pick one of them, and ids have only 32 bits."""
    first, second = COLLIDING

    assert (first.name, first.key_id) == (second.name, second.key_id)
    with pytest.raises(PolicyError) as caught:
        policy_of(f"log {first}", f"log {second}", "quorum none")
    assert caught.value.line == 2


def test_a_note_that_names_one_of_two_keys_of_one_id_is_refused() -> None:
    """A policy that is made of the keys of a fleet is not read from a file, which would be refused."""
    policy = Policy(tuple(map(Log, COLLIDING)), (), (), None)
    line = Signature(COLLIDING[0].name, COLLIDING[0].key_id, bytes(64))

    with pytest.raises(AmbiguousKeyError):
        policy.open_checkpoint(Note(TEXT, (line,)).encode(), primitives=PRIMITIVES)


class CountedKey(Vkey):
    """A key that counts how often its id is asked for, which takes a hash."""

    asked = 0

    @property
    def key_id(self) -> bytes:
        CountedKey.asked += 1
        return super().key_id


def test_a_note_is_opened_without_asking_every_key_of_a_fleet() -> None:
    """A fleet has a log line for each host: what a note costs grows with its own lines."""
    fleet = [CountedKey("example.org/log", KeyType.ED25519, number.to_bytes(32)) for number in range(500)]
    policy = Policy((Log(LOG.vkey), *map(Log, fleet)), (), (), None)
    open_with(policy, LOG)
    CountedKey.asked = 0

    open_with(policy, LOG)

    assert CountedKey.asked == 0


@given(
    data=st.one_of(
        st.binary(),
        st.lists(st.sampled_from([LOG_LINE, *WITNESS_LINES, "group g any a", "quorum g"])).map(
            lambda lines: "\n".join([*lines, ""]).encode()
        ),
    )
)
def test_any_bytes_are_a_policy_or_refused(data: bytes) -> None:
    try:
        assert parse_policy(data).quorum == b"g"
    except LedgerError as error:
        assert isinstance(error, PolicyError)  # noqa: PT017 -- most bytes are refused, a few are policies
