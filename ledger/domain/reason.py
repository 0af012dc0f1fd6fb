"""Reasons: why a rule forbids a change, in three parts.

Rule names are a closed list (RULINGS 20). A reason says what is wrong, the fact it rests on
and what to do next; a command reports all its reasons at once (PRODUCT section 3).
"""

from enum import StrEnum

from ledger.dataclass import dataclass, field


class Rule(StrEnum):
    """The rules of a hot upgrade, in the order of PRODUCT section 3; *plan* is for a turn in a fleet plan."""

    VERSION = "version"
    MINOR = "minor"
    EDITION = "edition"
    OTP_MAJOR = "otp-major"
    OS = "os"
    ARCH = "arch"
    PACKAGE = "package"
    RELUP = "relup"
    OWNER = "owner"
    SPACE = "space"
    DIRECTION = "direction"
    STATUS = "status"
    RUNNING_ERTS = "running-erts"
    BOOT_FILES = "boot-files"
    PLAN = "plan"


@dataclass(frozen=True)
class Reason:
    """One rule that is broken: what is wrong, the fact, and what to do next.

    *words* are the lines that EMQX's own user guide has for it on stdout (PRODUCT section 5);
    they are not part of the record.
    """

    rule: Rule
    message: str
    fact: str
    hint: str
    words: tuple[str, ...] = field(default=(), compare=False)
