"""What an installation is, as far as its disk and its operator say (RULINGS 18)."""

import pytest

from cli.discovery import (
    Found,
    NodeNameError,
    StatedFactError,
    facts_of,
    node_name,
    stated_facts,
    unknown_of,
)
from ledger.domain.records import InstallationFacts

NOTHING = InstallationFacts()
PACKAGE = "emqx-ee-4.4.0-otp24.1.5-3-centos7-arm64.zip"


@pytest.mark.parametrize(
    ("found", "facts"),
    [
        (Found(vsn="4.4.0"), InstallationFacts()),
        (Found(vsn="4.4.0", erts="12.1.5"), InstallationFacts(otp="24", erts="12.1.5")),
        (
            Found(vsn="4.4.0", erts="12.1.5", built_on="24.1.5-3-x86_64-unknown-linux-gnu-64"),
            InstallationFacts(otp="24.1.5-3", erts="12.1.5", arch="amd64"),
        ),
        (
            Found(vsn="4.4.0", built_on="24.1.5-3-aarch64-unknown-linux-gnu-64"),
            InstallationFacts(otp="24.1.5-3", arch="arm64"),
        ),
        (Found(vsn="4.4.0", built_on="ubuntu20.04"), InstallationFacts(os="ubuntu20.04")),
        (Found(vsn="4.4.0", built_on="something else\n"), InstallationFacts()),
        (Found(vsn="4.4.0", machine="arm64"), InstallationFacts(arch="arm64")),
        (
            Found(vsn="4.4.0", packages=(PACKAGE, "notes.zip", "emqx-4.4.1-otp24.1.5-3-el8-amd64.zip")),
            InstallationFacts(edition="emqx-ee", otp="24.1.5-3", os="centos7", arch="arm64"),
        ),
        (Found(vsn="4.4.1", packages=(PACKAGE,)), InstallationFacts()),
        (Found(vsn="4.4.0", packages=(PACKAGE, PACKAGE.replace("centos7", "el8"))), InstallationFacts()),
    ],
)
def test_the_disk_says_what_it_says_and_nothing_is_guessed(found: Found, facts: InstallationFacts) -> None:
    assert facts_of(found, NOTHING) == facts


def test_what_is_stated_beats_what_is_found() -> None:
    stated = stated_facts(edition="ce", otp="25.3-1", os_name="debian11", arch="amd64")

    facts = facts_of(Found(vsn="4.4.0", erts="12.1.5", packages=(PACKAGE,)), stated)

    assert facts == InstallationFacts(edition="emqx", otp="25.3-1", erts="12.1.5", os="debian11", arch="amd64")
    assert unknown_of(facts) == ()
    assert unknown_of(NOTHING) == ("edition", "otp", "os", "arch")


@pytest.mark.parametrize(
    ("option", "value"),
    [("otp", "24.x"), ("otp", ""), ("os", "Ubuntu"), ("os", "../x"), ("arch", "x86-64"), ("arch", "")],
)
def test_a_fact_that_no_package_could_have_is_refused(option: str, value: str) -> None:
    stated = {"edition": None, "otp": None, "os_name": None, "arch": None}

    with pytest.raises(StatedFactError) as caught:
        stated_facts(**{**stated, "os_name" if option == "os" else option: value})

    assert f"--{option}" in str(caught.value)


@pytest.mark.parametrize(
    ("stated", "on_disk", "name"),
    [
        (None, None, "emqx@h1"),
        (None, "emqx@127.0.0.1", "emqx@h1"),
        (None, "emqx@localhost", "emqx@h1"),
        (None, "emqx@localhost.localdomain", "emqx@h1"),
        (None, "broker@10.0.0.7", "broker@10.0.0.7"),
        (None, "no name", "emqx@h1"),
        ("emqx@10.0.0.8", "emqx@10.0.0.7", "emqx@10.0.0.8"),
        ("emqx@127.0.0.1", None, "emqx@h1"),
    ],
)
def test_a_loopback_host_is_named_by_the_name_of_the_host(stated: str | None, on_disk: str | None, name: str) -> None:
    """PRODUCT section 2."""
    assert node_name(stated, on_disk, host="h1") == name


@pytest.mark.parametrize("text", ["", "emqx", "@h", "emqx@", "a b@h", "emqx@h\n", "e@h@i", "emqx@\u043d"])
def test_what_is_no_name_of_a_node_is_refused(text: str) -> None:
    with pytest.raises(NodeNameError):
        node_name(text, None, host="h1")
