"""The form of leaves (evidence.md 1.1 to 1.3): the short way and the long way say the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.application.leaf_form import LeafFormError, LeafReader, LeafVersionError, read_leaf
from ledger.domain.envelope import seal
from ledger.errors import LedgerError
from tests.fakes.recording import STAMP, installed, registered, restarted

LEAVES = (seal(registered(), STAMP), seal(installed(2), STAMP), seal(restarted(3), STAMP))
TOPIC = b"any"


def primed() -> LeafReader:
    """Return a reader that has learned the shapes of all *LEAVES*."""
    reader = LeafReader()
    for leaf in LEAVES:
        for _ in range(60):
            reader(leaf, TOPIC)
    return reader


PRIMED = primed()


def both(leaf: bytes) -> tuple[object, object]:
    def said(read: object) -> object:
        try:
            return read(leaf, TOPIC) if isinstance(read, LeafReader) else read_leaf(leaf)
        except LedgerError as exc:
            return type(exc)

    return said(PRIMED), said(None)


def altered(**members: object) -> bytes:
    envelope = json.loads(LEAVES[1]) | members
    kept = {name: value for name, value in envelope.items() if value is not None}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("leaf", LEAVES)
def test_what_the_writer_makes_is_read(leaf: bytes) -> None:
    short, long = both(leaf)

    assert short == long
    assert not isinstance(short, type)
    assert read_leaf(leaf).ledger.decode() == STAMP.ledger


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_changed_byte_is_judged_alike_by_both_ways(leaf: bytes) -> None:
    for at in range(len(leaf)):
        for mask in (0x01, 0x10, 0x80):
            changed = leaf[:at] + bytes([leaf[at] ^ mask]) + leaf[at + 1 :]
            short, long = both(changed)
            assert short == long, changed


@given(st.sampled_from(LEAVES), st.integers(0, 2000), st.integers(0, 40), st.text(max_size=40))
def test_any_splice_is_judged_alike_by_both_ways(leaf: bytes, at: int, length: int, text: str) -> None:
    spliced = leaf[:at] + text.encode() + leaf[at + length :]

    short, long = both(spliced)

    assert short == long


@pytest.mark.parametrize(
    "leaf",
    [
        altered(version=0),
        altered(version="2"),
        altered(version=2**53),
        altered(event_id="0190D1AB-1234-7abc-8def-000000000001"),
        altered(event_id="0190d1ab-1234-4abc-8def-000000000001"),
        altered(recorded_at="2026-03-01T12:00:00Z"),
        altered(recorded_at="2026-13-01T12:00:00.000000Z"),
        altered(type="ledger.domain.events:Installed"),
        altered(clock={}),
        altered(actor={"id": "os:1", "kind": "robot", "auth": "os"}),
        altered(data="text"),
        altered(data={"after_sha256": "ABC"}),
        altered(data={"after_sha256": []}),
        altered(data={"name_commit": {"a": "b"}}),
        altered(data={"of": [{"sha256": ["f6" * 32]}]}),
        altered(attempt={}),
        altered(corrects=[]),
        altered(occurred_at=["2026-03-01T12:00:00.000000Z"]),
        altered(v=None),
        altered(source=None),
        altered(node=None),
        altered(reason="a\u202eb"),
        altered(reason="a\nb"),
        altered(reason="e\u0301"),
        altered(reason=""),
        altered(reason=1.5),
        altered(Reason="x"),
        altered(reason="x" * 4097),
        LEAVES[1].replace(b'{"actor"', b'{ "actor"'),
        LEAVES[1].replace(b'"v":1', b'"v":1,"v":1'),
        b"[]",
        b"\xff",
        b"",
    ],
)
def test_what_breaks_a_rule_is_refused(leaf: bytes) -> None:
    with pytest.raises(LeafFormError):
        read_leaf(leaf)


@pytest.mark.parametrize("version", [2, 0, "1", True])
def test_another_version_of_the_envelope_is_undecided(version: object) -> None:
    with pytest.raises(LeafVersionError) as caught:
        read_leaf(altered(v=version))

    assert caught.value.kind == "undecided"


def test_members_of_later_versions_are_kept() -> None:
    assert read_leaf(altered(zz_new=[1, {"a": "b"}])) == read_leaf(LEAVES[1])
