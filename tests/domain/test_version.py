"""Versions of releases and of OTP: what parses, what does not, and their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.version import OtpVsn, OtpVsnError, Vsn, VsnError
from tests.domain.strategies import otp_vsns, vsns


@given(vsns)
def test_what_a_version_prints_parses_to_it(vsn: Vsn) -> None:
    assert Vsn.parse(str(vsn)) == vsn


@given(st.from_regex(r"[0-9v.+ -]{0,6}[0-9]{1,3}\.[0-9]{1,3}\.?[0-9a-z.+-]{0,8}", fullmatch=True) | st.text())
def test_a_text_that_parses_is_what_its_version_prints(text: str) -> None:
    try:
        vsn = Vsn.parse(text)
    except VsnError:
        return

    assert str(vsn) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "4", "4.4", "v4.4.16", "latest", "4.4.016", "04.4.16", "4.04.16", "4.4.16.1", "4.4.16/emqx"),
        *("4.4.16-", "4.4.16-rc..1", "4.4.16-01", "4.4.16+build", "4.4.16-rc.1+b", "4.4.16-rc_1", "-4.4.16", "4.-4.1"),
        *(" 4.4.16", "4.4.16 ", "4.4.16\n", "4.4.\u0661", "\u0664.4.16", "4.4.16-é", f"4.4.16-{'a' * 64}", "9" * 65),
    ],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    """PRODUCT section 3: a version that is no version at all is a usage error for every command."""
    with pytest.raises(VsnError) as caught:
        Vsn.parse(text)

    assert caught.value.code == 1
    assert caught.value.fact
    assert caught.value.hint


@pytest.mark.parametrize(("text", "known"), [("4.4.16", Vsn(4, 4, 16)), ("4.4.0+b1", None), ("", None), (None, None)])
def test_a_version_of_others_is_known_or_not(text: str | None, known: Vsn | None) -> None:
    assert Vsn.known(text) == known


def test_versions_order_as_in_the_example_of_semver() -> None:
    """SemVer 2.0, section 11: the example of 11.2 and that of 11.4.4."""
    example = (
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"),
        *("1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1"),
    )
    versions = tuple(map(Vsn.parse, example))

    assert all(lower < higher for at, lower in enumerate(versions) for higher in versions[at + 1 :])
    assert sorted(frozenset(versions)) == list(versions)


def test_a_pre_release_that_looks_like_a_post_release_is_below_its_release() -> None:
    """RULINGS 29: `packaging` orders 4.4.2-1 above 4.4.2."""
    assert Vsn.parse("4.4.2-1") < Vsn.parse("4.4.2")


@given(vsns, vsns, vsns)
def test_the_order_of_versions_is_total(first: Vsn, second: Vsn, third: Vsn) -> None:
    assert (first < second) + (first == second) + (first > second) == 1
    assert first <= max(first, second, third)


@given(vsns, vsns)
def test_numbers_of_a_triple_count_before_the_pre_release(first: Vsn, second: Vsn) -> None:
    """SemVer 2.0, section 11.2."""
    triples = [(vsn.major, vsn.minor, vsn.patch) for vsn in (first, second)]

    assert triples[0] >= triples[1] or first < second


def test_a_patch_line_is_major_and_minor() -> None:
    assert Vsn.parse("4.4.16").line == Vsn.parse("4.4.2-rc.1").line == (4, 4)


@given(otp_vsns)
def test_what_an_otp_version_prints_parses_to_it(otp: OtpVsn) -> None:
    assert OtpVsn.parse(str(otp)) == otp


@pytest.mark.parametrize(
    "text", ["", "24.", ".24", "24.03", "24-", "24.3-1-2", "otp24", "24 ", "24.3\n", "\u0662\u0664", "9" * 65]
)
def test_what_is_no_otp_version_is_refused(text: str) -> None:
    for parse in (OtpVsn.parse, OtpVsn.of_erts):
        with pytest.raises(OtpVsnError) as caught:
            parse(text)

        assert caught.value.code == 1


@pytest.mark.parametrize(("text", "major"), [("24.3.4.2-1", 24), ("23", 23), ("23.2.7.2-3", 23), ("25.2.3", 25)])
def test_the_otp_major_is_its_first_number(text: str, major: int) -> None:
    assert OtpVsn.parse(text).major == major


@pytest.mark.parametrize(("erts", "major"), [("11.1.8", 23), ("12.1.5", 24), ("12.3.2.2", 24), ("13.1.5", 25)])
def test_the_otp_major_is_that_of_the_erts_plus_12(erts: str, major: int) -> None:
    """RULINGS 18."""
    assert OtpVsn.of_erts(erts).major == major
