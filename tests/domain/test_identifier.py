"""Identifiers: UUID version 7."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.identifier import ENTROPY_BYTES, uuid7


def test_the_example_of_the_rfc_comes_out() -> None:
    """RFC 9562, appendix A.6: 2022-02-22T19:22:22Z, rand_a CC3, rand_b 18C4DC0C0C07398F."""
    entropy = bytes.fromhex("0cc318c4dc0c0c07398f")

    assert uuid7(0x017F22E279B0, entropy) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(st.integers(0, 2**48 - 1), st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES))
def test_any_time_and_entropy_make_a_version_7_in_lower_case(milliseconds: int, entropy: bytes) -> None:
    """evidence.md 1.1, row "id"."""
    text = uuid7(milliseconds, entropy)

    assert str(UUID(text)) == text
    assert UUID(text).version == 7
    assert UUID(text).variant == "specified in RFC 4122"
    assert UUID(text).int >> 80 == milliseconds
