"""Ways between releases, as the relup file of a release lists them (relup(4)).

The relup of the higher version holds both directions: *up* from lower versions to it and
*down* from it to lower ones (otp.md section 4).
"""

from ledger.dataclass import dataclass


@dataclass(frozen=True)
class RelupPath:
    """One way: the version at its other end, and whether it restarts the emulator."""

    vsn: str
    restarts_emulator: bool = False


@dataclass(frozen=True)
class Relup:
    """The ways that the relup file of release *vsn* knows."""

    vsn: str
    up: tuple[RelupPath, ...]
    down: tuple[RelupPath, ...]

    def up_from(self, vsn: str) -> RelupPath | None:
        """Return the way from release *vsn* up to this one, if there is one."""
        return next((path for path in self.up if path.vsn == vsn), None)

    def down_to(self, vsn: str) -> RelupPath | None:
        """Return the way from this release down to *vsn*, if there is one."""
        return next((path for path in self.down if path.vsn == vsn), None)
