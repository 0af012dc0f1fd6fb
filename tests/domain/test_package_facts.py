"""What was found of packages, what is wrong with them, and the ways of a relup."""

from dataclasses import replace

import pytest

from ledger.domain.package_facts import (
    FoundPackages,
    PackageFacts,
    PackageForm,
    PackageNotFoundError,
    PackageUnsoundError,
    SeveralPackagesError,
)
from ledger.domain.reason import Reason, Rule
from ledger.domain.relup import Relup, RelupPath

SOUND = PackageFacts(
    path="/opt/emqx/releases/emqx-4.4.16.zip",
    name="emqx-4.4.16.zip",
    form=PackageForm.ZIP,
    parsed=None,
    size=1,
    sha256="0" * 64,
    vsn="4.4.16",
    erts="12.1.5",
    libs=(),
    folders=(),
    unpacked_bytes=1,
    relup=None,
    problems=(),
    warnings=(),
)
NONE_FOUND = FoundPackages(vsn="4.4.16", packages=(), looked_for=("a.zip", "b.tar.gz"), near_misses=())
PROBLEMS = (
    Reason(Rule.PACKAGE, "a link", "at bin/x", "fetch it again"),
    Reason(Rule.PACKAGE, "no relup", "at y", "ask"),
)


def test_a_sound_package_has_the_version_that_it_names_inside() -> None:
    assert SOUND.sound_vsn() == "4.4.16"


def test_an_unsound_package_is_refused_with_all_its_problems() -> None:
    """PRODUCT section 3: all reasons at once."""
    with pytest.raises(PackageUnsoundError) as caught:
        replace(SOUND, problems=PROBLEMS).sound_vsn()

    assert (caught.value.code, caught.value.problems) == (2, PROBLEMS)
    assert "a link; no relup" in str(caught.value)
    assert (caught.value.fact, caught.value.hint) == ("at bin/x; at y", "fetch it again")


def test_a_package_that_names_no_version_is_not_sound() -> None:
    with pytest.raises(PackageUnsoundError):
        replace(SOUND, vsn=None).sound_vsn()


def test_the_one_package_is_taken() -> None:
    assert replace(NONE_FOUND, packages=("a.zip",)).only() == "a.zip"


def test_without_a_package_the_names_looked_for_and_those_found_are_told() -> None:
    """PRODUCT section 5, row "no package"."""
    with pytest.raises(PackageNotFoundError) as plain:
        NONE_FOUND.only()
    with pytest.raises(PackageNotFoundError) as near:
        replace(NONE_FOUND, near_misses=("emqx-4.4.1.zip",)).only()

    assert plain.value.fact == "looked for a.zip, b.tar.gz"
    assert near.value.fact == "looked for a.zip, b.tar.gz, found emqx-4.4.1.zip"


def test_two_packages_of_one_version_are_named_in_the_refusal() -> None:
    """PRODUCT section 12."""
    with pytest.raises(SeveralPackagesError) as caught:
        replace(NONE_FOUND, packages=("a.zip", "b.zip")).only()

    assert caught.value.fact == "releases/a.zip, releases/b.zip"
    assert caught.value.reason == Reason(Rule.PACKAGE, str(caught.value), caught.value.fact, caught.value.hint)


def test_a_relup_tells_its_ways_by_direction() -> None:
    relup = Relup("4.4.16", up=(RelupPath("4.4.0"), RelupPath("4.4.1", restarts_emulator=True)), down=())

    assert relup.up_from("4.4.1") == RelupPath("4.4.1", restarts_emulator=True)
    assert (relup.up_from("4.4.2"), relup.down_to("4.4.0")) == (None, None)
