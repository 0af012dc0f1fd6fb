"""What is known of EMQX's own scripts in ``bin/``, by the release that they are of (otp.md 6.3 and 8)."""

from ledger.domain.version import Vsn

WIPING = "4.4.2 to 4.4.14, and 4.3.13 and later of 4.3"


def wipes_releases(vsn: Vsn) -> bool:
    """Tell whether the script of *vsn* writes RELEASES with one release alone when an unpacked one is unpacked again.

    It tests wrongly whether ``start.boot`` is there. ``WIPING`` names these releases.
    """
    release = (vsn.major, vsn.minor, vsn.patch)
    return (4, 4, 2) <= release <= (4, 4, 14) or (4, 3, 13) <= release < (4, 4, 0)
