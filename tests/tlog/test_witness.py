"""The witness protocol, both sides (C2SP tlog-witness)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.notation import MAX_DECIMAL, FormatError, HashLengthError
from ledger.tlog.note import MAX_NOTE, Note, Signature, add_signatures, sign_note
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.witness import SIZE_TYPE, AddCheckpoint, Decision, WitnessRequestError, decide_add_checkpoint
from ledger.tlog.witness_reply import (
    Cosigned,
    ProveFrom,
    UnknownLogError,
    WitnessAheadError,
    WitnessAnswerError,
    WitnessForkError,
    WitnessKeyError,
    read_reply,
)

from .keys import make_signer, make_witness, verify_with
from .naive import naive_root
from .tile_store import naive_store

ORIGIN = "example.org/log"
LOG, FORGER = make_signer(ORIGIN, 1), make_signer(ORIGIN, 2)
WITNESS = make_witness("w.example", 3)
STORE = naive_store(600)


def checkpoint_at(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, naive_root(0, size))


def note_at(size: int) -> bytes:
    return sign_note(checkpoint_at(size).encode(), signers=[LOG])


def request_to(size: int, *, old: int) -> AddCheckpoint:
    proof = TiledTree(size, reader=STORE).prove_consistency(old) if 0 < old <= size else ()
    return AddCheckpoint(old, proof, note_at(size))


def decide(request: AddCheckpoint, *, last: Checkpoint | None = None) -> Decision:
    return decide_add_checkpoint(request, trusted=[verify_with(LOG)], last=last, signers=[WITNESS])


def read(request: AddCheckpoint, *, status: int, body: bytes) -> Cosigned | ProveFrom:
    return read_reply(request, status=status, body=body, verifiers=[verify_with(WITNESS)])


REQUESTS = st.builds(
    AddCheckpoint,
    st.integers(0, MAX_DECIMAL),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.sampled_from([note_at(1), note_at(300)]),
)


def test_a_request_looks_as_published() -> None:
    request = request_to(3, old=2)
    first, second, *rest = request.encode().split(b"\n", 3)

    assert (first, len(second)) == (b"old 2", 44)
    assert rest == [b"", request.note]


@given(request=REQUESTS)
def test_a_request_round_trips(request: AddCheckpoint) -> None:
    assert AddCheckpoint.parse(request.encode()) == request


BODY = request_to(3, old=2).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        BODY.replace(b"old 2", b"new 2"),
        BODY.replace(b"old 2", b"old 02"),
        BODY.replace(b"old 2", b"2"),
        BODY.replace(b"old 2", b"old -2"),
        BODY.replace(b"old 2", b"old 2\nQQ=="),
        BODY.replace(b"\n\n", b"\n"),
        BODY.replace(note_at(3), b""),
        BODY.replace(note_at(3), b"text\n\n\xe2\x80\x94 a AAAAAAE=\n"),
        b"old 0\n" + b"A" * 43 + b"=\n" * 64 + b"\n" + note_at(3),
        b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + note_at(3),
    ],
)
def test_a_malformed_request_is_refused(body: bytes) -> None:
    """Status 400."""
    with pytest.raises(FormatError):
        AddCheckpoint.parse(body)


def test_a_wrong_request_cannot_be_built() -> None:
    request = request_to(3, old=2)

    for old in (-1, MAX_DECIMAL + 1):
        with pytest.raises(WitnessRequestError):
            replace(request, old_size=old)
    assert len(replace(request, proof=(bytes(32),) * 63).proof) == 63
    with pytest.raises(WitnessRequestError):
        replace(request, proof=(bytes(32),) * 64)
    with pytest.raises(HashLengthError):
        replace(request, proof=(bytes(31),))


@given(body=st.one_of(st.binary(), st.binary().map(lambda part: BODY.replace(b"old 2", part))))
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    try:
        assert AddCheckpoint.parse(body).encode() == body
    except LedgerError as error:
        assert isinstance(error, FormatError)  # noqa: PT017 -- most bytes are refused, a few are requests


def test_a_growing_log_is_cosigned_from_each_size_to_each_later_one() -> None:
    """The stored note carries the log's line and the witness's own, and is the next *last*."""
    for old in (0, 1, 2, 3, 4, 255, 256, 300):
        for size in (1, 2, 5, 256, 300, 600):
            if size < old:
                continue
            request = request_to(size, old=old)
            done = decide(request, last=checkpoint_at(old) if old else None)

            assert done.status == 200
            assert done.store == request.note + done.body
            opened = open_checkpoint(done.store, logs=[verify_with(LOG)], cosigners=[verify_with(WITNESS)])
            assert [line.name for line in opened.cosignatures] == [WITNESS.name]
            assert read(request, status=200, body=done.body) == Cosigned(opened.cosignatures)


def test_lines_of_strangers_are_not_stored() -> None:
    stranger = make_signer("stranger.example", 9)
    note = sign_note(checkpoint_at(3).encode(), signers=[LOG, stranger])

    done = decide(AddCheckpoint(0, (), note))

    assert done.store == note_at(3) + done.body


@pytest.mark.parametrize("spare", [0, 1])
def test_a_note_without_room_for_a_cosignature_is_not_stored(spare: int) -> None:
    """What cannot be read again would be taken for damage, and the witness would cosign nothing more of that log."""
    line = len(decide(request_to(3, old=0), last=None).body)
    extension = MAX_NOTE - len(note_at(3)) - line - spare
    text = replace(checkpoint_at(3), extensions=("x" * extension,)).encode()

    done = decide(AddCheckpoint(0, (), sign_note(text, signers=[LOG])), last=None)

    assert (done.status, done.store is None) == ((200, False) if spare else (400, True))
    assert done.store is None or Note.parse(done.store).text == text


def test_an_unknown_origin_is_404_before_anything_else() -> None:
    """Even where the sizes are impossible."""
    request = AddCheckpoint(9, (), note_at(3))

    done = decide_add_checkpoint(request, trusted=[], last=None, signers=[WITNESS])

    assert (done.status, done.store) == (404, None)


def test_a_signature_that_is_missing_or_wrong_is_403_before_the_sizes() -> None:
    """No trusted line; a line of trusted name and id that fails; a trusted key of another origin."""
    forged = sign_note(checkpoint_at(3).encode(), signers=[FORGER])
    noise = add_signatures(note_at(3), signatures=[Signature(LOG.name, LOG.key_id, bytes(64))])
    other = sign_note(Checkpoint("example.org/other", 3, naive_root(0, 3)).encode(), signers=[LOG])

    for note in (forged, noise, other):
        for old in (0, 9):
            done = decide(AddCheckpoint(old, (), note))
            assert (done.status, done.store) == (403, None)


def test_an_old_size_above_the_checkpoint_is_400_before_409() -> None:
    done = decide(AddCheckpoint(9, (), note_at(3)), last=checkpoint_at(5))

    assert (done.status, done.store) == (400, None)


@pytest.mark.parametrize(("last", "body"), [(None, b"0\n"), (2, b"2\n"), (300, b"300\n")])
def test_another_old_size_is_409_and_tells_the_right_one(last: int | None, body: bytes) -> None:
    done = decide(request_to(256, old=5), last=checkpoint_at(last) if last else None)

    assert done == Decision(409, body, SIZE_TYPE)


def test_a_fork_is_422() -> None:
    """Each way in which a checkpoint does not follow; none is stored."""
    fork = Checkpoint(ORIGIN, 300, naive_root(1, 301))
    good = request_to(300, old=5)
    false_zero = AddCheckpoint(0, (), sign_note(Checkpoint(ORIGIN, 0, bytes(32)).encode(), signers=[LOG]))
    cases = (
        (false_zero, None),
        (AddCheckpoint(0, (bytes(32),), note_at(3)), None),
        (replace(good, proof=good.proof[:-1]), checkpoint_at(5)),
        (replace(good, proof=(*good.proof, bytes(32))), checkpoint_at(5)),
        (replace(good, note=sign_note(fork.encode(), signers=[LOG])), checkpoint_at(5)),
        (good, Checkpoint(ORIGIN, 5, naive_root(1, 6))),
        (request_to(300, old=300), fork),
        (AddCheckpoint(300, (bytes(32),), note_at(300)), checkpoint_at(300)),
    )

    for request, last in cases:
        done = decide(request, last=last)
        assert (done.status, done.store) == (422, None)


def test_the_empty_tree_may_be_cosigned_and_left() -> None:
    """Old 0 is treated before the verifier, which refuses it (evidence 2.4)."""
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    request = AddCheckpoint(0, (), sign_note(empty.encode(), signers=[LOG]))

    assert decide(request).status == 200
    assert decide(request, last=empty).status == 200
    assert decide(request_to(5, old=0), last=empty).status == 200
    assert decide(AddCheckpoint(0, (bytes(32),), note_at(5)), last=empty).status == 422


def test_the_log_proves_from_the_size_that_the_witness_names() -> None:
    request = request_to(300, old=0)
    refused = decide(request, last=checkpoint_at(256))

    reply = read(request, status=refused.status, body=refused.body)

    assert reply == ProveFrom(256)
    assert decide(request_to(300, old=256), last=checkpoint_at(256)).status == 200
    assert read(request, status=409, body=b"300\n") == ProveFrom(300)


def test_a_witness_that_saw_more_is_an_alarm() -> None:
    """Rollback or fork."""
    with pytest.raises(WitnessAheadError) as caught:
        read(request_to(300, old=0), status=409, body=b"301\n")

    assert (caught.value.size, caught.value.own) == (301, 300)


def test_a_witness_that_saw_another_tree_is_an_alarm() -> None:
    request = request_to(300, old=5)

    with pytest.raises(WitnessForkError) as caught:
        read(request, status=422, body=b"the root at size 5 differs\n")
    assert caught.value.request == request


def test_a_witness_with_other_keys_is_an_alarm_and_one_without_is_told() -> None:
    with pytest.raises(WitnessKeyError):
        read(request_to(3, old=0), status=403, body=b"")
    with pytest.raises(UnknownLogError):
        read(request_to(3, old=0), status=404, body=b"")


def test_only_lines_that_verify_are_kept() -> None:
    request = request_to(3, old=0)
    good = decide(request).body
    false = Signature(WITNESS.name, WITNESS.key_id, bytes(72)).encode()
    stranger = Signature("stranger.example", bytes(4), b"x").encode()

    reply = read(request, status=200, body=false + stranger + good)

    assert reply == Cosigned((Signature.parse(good[:-1]),))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"\n"),
        (200, b"nonsense\n"),
        (200, Signature("w.example", WITNESS.key_id, bytes(72)).encode()),
        (200, Signature("w.example", WITNESS.key_id, bytes(72)).encode()[:-1]),
        (409, b""),
        (409, b"5"),
        (409, b"05\n"),
        (409, b"5\n5\n"),
        (409, b"\xff\n"),
        (400, b"bad"),
        (500, b""),
        (302, b""),
    ],
)
def test_an_answer_that_makes_no_sense_is_reported(status: int, body: bytes) -> None:
    with pytest.raises(WitnessAnswerError):
        read(request_to(300, old=0), status=status, body=body)


@given(status=st.sampled_from([200, 400, 403, 404, 409, 422, 500]), body=st.binary())
def test_any_answer_is_read_or_refused(status: int, body: bytes) -> None:
    try:
        assert isinstance(read(request_to(300, old=0), status=status, body=body), ProveFrom)
    except LedgerError as error:
        assert error.fact  # noqa: PT017 -- every refusal states its fact
        assert error.hint  # noqa: PT017 -- and the way out
