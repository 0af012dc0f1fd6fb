"""Entry bundles (C2SP tlog-tiles)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.tlog.entry_bundle import (
    BundleLengthError,
    BundleWidthError,
    LeafTooLongError,
    decode_bundle,
    encode_bundle,
)

LEAVES = st.lists(st.binary(max_size=40), min_size=1, max_size=256)


@given(leaves=LEAVES)
def test_a_bundle_round_trips(leaves: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(leaves), width=len(leaves)) == tuple(leaves)


@given(leaves=LEAVES, data=st.data())
def test_a_bundle_of_another_length_is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere, or with anything behind."""
    bundle = encode_bundle(leaves)
    cut = bundle[: data.draw(st.integers(0, len(bundle) - 1))]

    for changed in (cut, bundle + data.draw(st.binary(min_size=1))):
        with pytest.raises(BundleLengthError):
            decode_bundle(changed, width=len(leaves))


@given(data=st.binary(), width=st.integers(-1, 300))
def test_any_bytes_are_a_bundle_or_refused(data: bytes, width: int) -> None:
    try:
        assert encode_bundle(decode_bundle(data, width=width)) == data
    except LedgerError as error:
        assert isinstance(error, BundleLengthError | BundleWidthError)  # noqa: PT017 -- most bytes are refused, a few are bundles


def test_the_first_entries_may_be_taken_from_the_full_bundle() -> None:
    leaves = tuple(b"%d" % index for index in range(256))

    assert decode_bundle(encode_bundle(leaves), width=3, stored=256) == leaves[:3]
    with pytest.raises(BundleLengthError):
        decode_bundle(encode_bundle(leaves), width=3)
    with pytest.raises(BundleWidthError):
        decode_bundle(encode_bundle(leaves[:2]), width=3, stored=2)


def test_the_longest_leaf_fits_and_the_next_is_refused() -> None:
    """The length is a uint16."""
    assert decode_bundle(encode_bundle([b"x" * 65_535]), width=1) == (b"x" * 65_535,)
    with pytest.raises(LeafTooLongError):
        encode_bundle([b"x" * 65_536])


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_holds_1_to_256_entries(count: int) -> None:
    with pytest.raises(BundleWidthError):
        encode_bundle([b"x"] * count)
