"""Packages before they go: what ``packages`` and ``--dry-run`` say holds when the change comes."""

import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from jsonschema import Draft202012Validator

from demo.emqx_package import make_package
from demo.emqx_tree import ReleaseSpec
from tests.cli.lab import SMALL, Lab
from tests.cli.schemas import schema_of

ONE_WAY = ReleaseSpec(vsn="4.4.2", extra_bytes=SMALL, up_from=("4.4.0",))
NO_WAY = ReleaseSpec(vsn="4.4.2", extra_bytes=SMALL)


def damage(package: Path) -> None:
    """Change one byte in the content of a member, as a bad copy does."""
    with ZipFile(package) as file:
        member = max(file.infolist(), key=lambda member: member.compress_size)
    data = bytearray(package.read_bytes())
    data[member.header_offset + 30 + len(member.filename) + member.compress_size // 2] ^= 1
    package.write_bytes(data)


@pytest.fixture
def registered(bare: Lab) -> Lab:
    """Give a host whose installation is registered, with no package at hand."""
    bare.init()
    return bare


@pytest.fixture
def damaged(registered: Lab) -> Lab:
    """Give a host with a package of 4.4.16 whose content is damaged, and no checksum beside it."""
    package = next(registered.packages.glob("emqx-4.4.16-*.zip"))
    shutil.copyfile(package, registered.root / "releases" / package.name)
    damage(registered.root / "releases" / package.name)
    return registered


def test_a_package_with_damaged_content_may_not_go(damaged: Lab) -> None:
    """PRODUCT section 3, rule 3: a sound zip; its directory alone does not show it."""
    offer = damaged.run("packages", "--json").json

    assert not offer["may_go"]
    assert offer["reasons"][0].startswith("package: the package has members with wrong content: ")


def test_a_dry_run_refuses_what_the_change_would_refuse(damaged: Lab) -> None:
    planned, done = damaged.run("upgrade", "4.4.16", "--dry-run"), damaged.run("upgrade", "4.4.16")

    assert (planned.code, done.code) == (2, 2)
    assert planned.err == done.err


@pytest.mark.parametrize(("spec", "may_go"), [(ONE_WAY, True), (NO_WAY, False)])
def test_no_way_back_is_said_of_a_package_that_has_none(registered: Lab, spec: ReleaseSpec, may_go: bool) -> None:  # noqa: FBT001 # a parameter of the test
    make_package(registered.root / "releases", spec, checksum=False)

    offer = registered.run("packages", "--json").json

    Draft202012Validator(schema_of("package")).validate(offer)
    assert (offer["may_go"], offer["way_back"]) == (may_go, "none")
    assert [text.partition(":")[2].strip()[:20] for text in offer.get("warnings", ())] == (
        ["there is no way back"] if may_go else []
    )
