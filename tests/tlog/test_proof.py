"""Proof files (C2SP tlog-proof)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import ProofError
from ledger.tlog.notation import MAX_DECIMAL, FormatError, HashLengthError
from ledger.tlog.note import SignatureError, sign_note
from ledger.tlog.proof import TlogProof, TlogProofFormatError, check_entry
from ledger.tlog.tiled_tree import TiledTree

from .keys import make_signer, verify_with
from .naive import naive_root
from .tile_store import naive_store

SIZE = 321
LOG = make_signer("example.org/log", 1)
CHECKPOINT = Checkpoint("example.org/log", SIZE, naive_root(0, SIZE))
NOTE = sign_note(CHECKPOINT.encode(), signers=[LOG])
TREE = TiledTree(SIZE, reader=naive_store(SIZE))
PROOF = TlogProof(320, TREE.prove_inclusion(320), NOTE)
DATA = PROOF.encode()

PROOFS = st.builds(
    TlogProof,
    st.integers(0, MAX_DECIMAL),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.just(NOTE),
    st.none() | st.binary(),
)


def test_a_proof_file_looks_as_published() -> None:
    lines = DATA.split(b"\n")

    assert lines[:2] == [b"c2sp.org/tlog-proof@v1", b"index 320"]
    assert len(lines[2]) == 44
    assert DATA.endswith(b"=\n\n" + NOTE)


@given(proof=PROOFS)
def test_a_proof_file_round_trips(proof: TlogProof) -> None:
    """With extra data, which is read and not trusted."""
    assert TlogProof.parse(proof.encode()) == proof


def test_a_one_leaf_tree_has_no_hash_line_but_the_empty_line() -> None:
    note = sign_note(Checkpoint("example.org/log", 1, naive_root(0, 1)).encode(), signers=[LOG])
    data = b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + note

    proof = TlogProof.parse(data)
    check_entry(proof, leaf=b"leaf 0", checkpoint=open_checkpoint(note, logs=[verify_with(LOG)]).checkpoint)

    assert proof == TlogProof(0, (), note)


def test_every_entry_is_proven() -> None:
    for index in range(SIZE):
        proof = TlogProof.parse(TlogProof(index, TREE.prove_inclusion(index), NOTE).encode())
        check_entry(proof, leaf=b"leaf %d" % index, checkpoint=CHECKPOINT)
        with pytest.raises(ProofError):
            check_entry(proof, leaf=b"leaf %d" % (index + 1), checkpoint=CHECKPOINT)


def test_each_changed_byte_of_a_proof_file_is_found() -> None:
    for at in range(len(DATA)):
        changed = DATA[:at] + bytes((DATA[at] ^ 1,)) + DATA[at + 1 :]
        with pytest.raises((FormatError, SignatureError, ProofError)):
            verify(changed)
    verify(DATA)


def verify(data: bytes) -> None:
    proof = TlogProof.parse(data)
    opened = open_checkpoint(proof.note, logs=[verify_with(LOG)])
    check_entry(proof, leaf=b"leaf 320", checkpoint=opened.checkpoint)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        DATA.replace(b"@v1", b"@v2"),
        DATA.replace(b"index 320\n", b""),
        DATA.replace(b"index 320", b"index  320"),
        DATA.replace(b"index 320", b"320"),
        DATA.replace(b"index 320", b"index 0320"),
        DATA.replace(b"index 320", b"extra QQ=="),
        DATA.replace(b"index 320", b"index 320\nextra QQ=="),
        DATA.replace(b"index 320", b"extra QQ\nindex 320"),
        DATA.replace(b"index 320", b"extra QQ==\nextra QQ==\nindex 320"),
        DATA.replace(b"\n", b"\r\n"),
        DATA.replace(NOTE, b""),
        DATA.replace(b"\n\n" + NOTE, b"\n"),
        DATA.replace(b"index 320\n", b"index 320\nQQ==\n"),
    ],
)
def test_a_malformed_proof_file_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        TlogProof.parse(data)


def test_a_wrong_proof_cannot_be_built() -> None:
    for index in (-1, MAX_DECIMAL + 1):
        with pytest.raises(TlogProofFormatError):
            replace(PROOF, index=index)
    assert len(replace(PROOF, hashes=(bytes(32),) * 63).hashes) == 63
    with pytest.raises(TlogProofFormatError):
        replace(PROOF, hashes=(bytes(32),) * 64)
    with pytest.raises(HashLengthError):
        replace(PROOF, hashes=(bytes(31),))


@given(data=st.one_of(st.binary(), st.binary().map(lambda part: DATA.replace(b"index 320", part))))
def test_any_bytes_are_a_proof_file_or_refused(data: bytes) -> None:
    try:
        assert TlogProof.parse(data).encode() == data
    except LedgerError as error:
        assert isinstance(error, FormatError)  # noqa: PT017 -- most bytes are refused, a few are proofs
