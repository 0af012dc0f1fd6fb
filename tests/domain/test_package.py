"""Names of release packages: exact to parse and to print."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.domain.package import Edition, PackageName, PackageNameError
from tests.domain.strategies import package_names

NAME = "emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip"


@given(package_names)
def test_what_a_name_prints_parses_to_it(name: PackageName) -> None:
    assert PackageName.parse(str(name)) == name


@given(st.from_regex(r"emqx(-ee)?-4\.4\.[0-9a-z.-]{1,6}-otp24[0-9.-]{0,4}-[a-z0-9.]{1,5}-[a-z_]{1,5}\.zip"))
@example(NAME)
def test_a_text_that_parses_is_what_its_name_prints(text: str) -> None:
    try:
        name = PackageName.parse(text)
    except PackageNameError:
        return

    assert str(name) == text


def test_a_name_says_edition_versions_system_and_architecture() -> None:
    name = PackageName.parse("emqx-ee-4.4.2-rc.1-otp24.1.5-3-el8-arm64.zip")

    assert name.edition is Edition.ENTERPRISE
    assert (str(name.vsn), str(name.otp), name.os, name.arch) == ("4.4.2-rc.1", "24.1.5-3", "el8", "arm64")


def test_a_community_name_is_not_taken_for_an_enterprise_one() -> None:
    assert PackageName.parse(NAME).edition is Edition.COMMUNITY


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "emqx.zip",
            "emqx-4.4.16.zip",
            NAME.upper(),
            f" {NAME}",
            f"{NAME}\n",
            f"releases/{NAME}",
            f"{NAME}.sha256",
        ),
        *("emqx-edge-4.4.16-otp24-el8-amd64.zip", "emqx-4.4-otp24-el8-amd64.zip", "emqx-4.4.16-otp24-el8.zip"),
        *("emqx-4.4.16-otp-el8-amd64.zip", "emqx-4.4.16-otp24-el8-amd64.tar.gz", "emqx-v4.4.16-otp24-el8-amd64.zip"),
        *("emqx-4.4.016-otp24-el8-amd64.zip", "emqx-4.4.16-otp24-é-amd64.zip", f"emqx-4.4.16-otp24-{'a' * 200}-b.zip"),
        # The grammar fits, and a part of it is longer than a version may be.
        *(f"emqx-4.4.16-{'a' * 64}-otp24-el8-amd64.zip", f"emqx-4.4.16-otp{'9' * 65}-el8-amd64.zip"),
    ],
)
def test_what_is_no_name_of_a_package_is_refused(text: str) -> None:
    with pytest.raises(PackageNameError) as caught:
        PackageName.parse(text)

    assert caught.value.code == 1
    assert caught.value.name == text[:200]
