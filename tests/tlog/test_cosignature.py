"""Signatures over checkpoints by type of key (C2SP signed-note, tlog-cosignature)."""

from dataclasses import replace

import pytest

from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import (
    CosignatureTimeError,
    NameTooLongError,
    PrimitiveMissingError,
    cosignature_message,
    split_payload,
    subtree_message,
    verifier_of,
)
from ledger.tlog.notation import MAX_DECIMAL
from ledger.tlog.vkey import KeyType

from .keys import PRIMITIVES, make_signer, make_witness, verify_with

CHECKPOINT = Checkpoint("example.org/log", 258, bytes(range(32)))
TEXT = CHECKPOINT.encode()
LOG = make_signer("example.org/log", 1)
WITNESS = make_witness("w.example", 2, at=1_700_000_000)
ML_DSA = make_signer("m.example", 3, key_type=KeyType.COSIGNATURE_ML_DSA_44, at=5)


def test_a_witness_signs_time_and_text() -> None:
    """tlog-cosignature: cosignature/v1."""
    assert cosignature_message(TEXT, at=1_700_000_000) == b"cosignature/v1\ntime 1700000000\n" + TEXT


def test_the_binary_message_is_laid_out_as_published() -> None:
    """tlog-cosignature: 12 bytes of label, cosigner, time, origin, start 0, end, root."""
    message = subtree_message(CHECKPOINT, name="m.example", at=5)

    assert message == (
        b"subtree/v1\n\0"
        b"\x09m.example"
        b"\0\0\0\0\0\0\0\x05"
        b"\x0fexample.org/log"
        b"\0\0\0\0\0\0\0\0"
        b"\0\0\0\0\0\0\x01\x02" + bytes(range(32))
    )


def test_each_type_of_key_verifies_what_it_signed() -> None:
    """Payloads: 64 bytes, 8 + 64, 8 + 2,420."""
    for signer, length in ((LOG, 64), (WITNESS, 72), (ML_DSA, 2428)):
        payload = signer.sign(TEXT)

        assert len(payload) == length
        assert verify_with(signer).verify(TEXT, payload)
        assert split_payload(signer.vkey, payload)[0] == signer.at


def test_each_changed_byte_of_a_payload_is_found() -> None:
    """The time is signed too."""
    for signer in (LOG, WITNESS, ML_DSA):
        payload = signer.sign(TEXT)
        for at in range(len(payload)):
            changed = payload[:at] + bytes((payload[at] ^ 1,)) + payload[at + 1 :]
            assert not verify_with(signer).verify(TEXT, changed)


def test_a_payload_of_another_length_or_for_another_text_is_refused() -> None:
    for signer in (LOG, WITNESS, ML_DSA):
        payload, verifier = signer.sign(TEXT), verify_with(signer)

        assert not verifier.verify(TEXT, payload[:-1])
        assert not verifier.verify(TEXT, payload + b"\0")
        assert not verifier.verify(TEXT, b"\0")
        assert not verifier.verify(TEXT.replace(b"258", b"259"), payload)


def test_a_time_out_of_range_is_refused() -> None:
    """At most 2^63-1, and never 0 for a witness."""
    late = (MAX_DECIMAL + 1).to_bytes(8)

    for at in (-1, 0, MAX_DECIMAL + 1):
        with pytest.raises(CosignatureTimeError):
            cosignature_message(TEXT, at=at)
    for at in (-1, MAX_DECIMAL + 1):
        with pytest.raises(CosignatureTimeError):
            subtree_message(CHECKPOINT, name="m.example", at=at)
    with pytest.raises(CosignatureTimeError):
        replace(WITNESS, at=0).sign(TEXT)
    for signer in (WITNESS, ML_DSA):
        assert not verify_with(signer).verify(TEXT, late + signer.sign(TEXT)[8:])
    assert not verify_with(WITNESS).verify(TEXT, bytes(8) + WITNESS.sign(TEXT)[8:])


def test_a_log_may_sign_the_binary_message_without_a_time() -> None:
    log = replace(ML_DSA, at=0)

    assert verify_with(log).verify(TEXT, log.sign(TEXT))


def test_the_binary_message_covers_no_extension_lines_but_needs_a_checkpoint() -> None:
    payload = ML_DSA.sign(TEXT)

    assert verify_with(ML_DSA).verify(TEXT + b"extension\n", payload)
    assert not verify_with(ML_DSA).verify(b"no checkpoint\n", payload)


def test_a_name_that_does_not_fit_its_length_byte_is_refused() -> None:
    long = replace(CHECKPOINT, origin="x" * 256)

    assert subtree_message(CHECKPOINT, name="x" * 255, at=1)
    with pytest.raises(NameTooLongError):
        subtree_message(CHECKPOINT, name="\xe9" * 128, at=1)
    with pytest.raises(NameTooLongError):
        subtree_message(long, name="m.example", at=1)


def test_a_key_whose_signatures_cannot_be_checked_is_refused() -> None:
    """Ignoring it would turn a known line into an unknown one."""
    primitives = {KeyType.ED25519: PRIMITIVES[KeyType.ED25519]}

    assert verifier_of(LOG.vkey, primitives=primitives).name == LOG.name
    with pytest.raises(PrimitiveMissingError):
        verifier_of(ML_DSA.vkey, primitives=primitives)
