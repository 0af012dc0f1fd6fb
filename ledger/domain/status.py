"""Statuses of a release, in OTP's words (release_handler(3))."""

from enum import StrEnum


class ReleaseStatus(StrEnum):
    """What the node says of one release."""

    UNPACKED = "unpacked"
    CURRENT = "current"
    PERMANENT = "permanent"
    OLD = "old"
    # Only ever on disk, for the seconds before a restart that a relup ordered.
    TMP_CURRENT = "tmp_current"
