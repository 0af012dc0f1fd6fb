"""Why a step failed in the node: OTP's reason, and which boot file the node left cut short.

The release handler writes RELEASES and start_erl.data in place. Where the disk is full such a file
is empty afterwards, and all that OTP says is ``badarg``; memory keeps what it was before the step.
"""

import os

from ledger.adapters.boot_files import read_boot_files
from ledger.adapters.installation import Installation
from ledger.application.ports import StepFailedError


class BootFileCutError(StepFailedError):
    """A step failed and left a boot file cut short, as on a full disk."""

    def __init__(self, call: str, vsn: str, otp_reason: str, *, cut: tuple[str, ...], free_bytes: int) -> None:
        super().__init__(call, vsn, otp_reason)
        self.args = (f"release_handler:{call} of {vsn} failed: the node could not write all of its boot files",)
        self.fact = f"{'; '.join(cut)}; {free_bytes:,} bytes are free on that disk; OTP says {otp_reason}"
        self.hint = (
            "do not restart the node; free some space, then run `release-ledger recover`: it puts the files back"
        )
        self.cut = cut


def failure_of(files: Installation, call: str, vsn: str, otp_reason: str) -> StepFailedError:
    """Return the error for a step that the node did not do for *otp_reason*."""
    cut = read_boot_files(files).problems
    if not cut:
        return StepFailedError(call, vsn, otp_reason)
    state = os.statvfs(files.releases)
    return BootFileCutError(call, vsn, otp_reason, cut=cut, free_bytes=state.f_bavail * state.f_frsize)
