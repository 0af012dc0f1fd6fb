"""Which of EMQX's scripts damage what they work on (otp.md 6.3 and 8)."""

import pytest

from ledger.domain.vendor_scripts import wipes_releases
from ledger.domain.version import Vsn


@pytest.mark.parametrize(
    ("vsn", "wipes"),
    [
        ("4.3.12", False),
        ("4.3.13", True),
        ("4.3.22", True),
        ("4.4.0", False),
        ("4.4.1", False),
        ("4.4.2-rc.1", True),
        ("4.4.2", True),
        ("4.4.14", True),
        ("4.4.15", False),
    ],
)
def test_the_scripts_that_wipe_releases_are_known(vsn: str, *, wipes: bool) -> None:
    assert wipes_releases(Vsn.parse(vsn)) is wipes
