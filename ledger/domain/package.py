"""Names of EMQX release packages.

A name is ``emqx[-ee]-<vsn>-otp<otp>-<os>-<arch>.zip``. Parsing is exact:
``str(PackageName.parse(name)) == name`` for every name that parses.
"""

import re
from enum import StrEnum

from ledger.dataclass import dataclass
from ledger.domain.version import OTP_PATTERN, OtpVsn, Vsn
from ledger.errors import UsageError

_MAX_LENGTH = 200
# The version is left to its own pattern: with a pre-release part one for all can split in too many ways.
_OTP = "-otp"
_BACK = re.compile(rf"{_OTP}(?P<otp>{OTP_PATTERN})-(?P<os>[a-z][a-z0-9.]*)-(?P<arch>[a-z][a-z0-9_]*)\.zip", re.ASCII)


class Edition(StrEnum):
    """The edition, by the prefix of its packages."""

    COMMUNITY = "emqx"
    ENTERPRISE = "emqx-ee"


class PackageNameError(UsageError):
    """A file's name is no name of a release package."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!a} is not the name of a release package",
            fact="a package is named emqx[-ee]-<vsn>-otp<otp>-<os>-<arch>.zip",
            hint="keep the name under which the package was published",
        )
        self.name = name


@dataclass(frozen=True)
class PackageName:
    """What the name of a package says of its content."""

    edition: Edition
    vsn: Vsn
    otp: OtpVsn
    os: str
    arch: str

    @classmethod
    def parse(cls, name: str) -> "PackageName":
        """Return what *name* says.

        Raises: PackageNameError where it does not follow the grammar.
        """
        at = name.rfind(_OTP) if len(name) <= _MAX_LENGTH else -1
        while at >= 0:
            edition = Edition.ENTERPRISE if name.startswith(f"{Edition.ENTERPRISE}-") else Edition.COMMUNITY
            vsn, back = Vsn.known(name[:at].removeprefix(f"{edition}-")), _BACK.fullmatch(name, at)
            if vsn and back and name.startswith(f"{edition}-"):
                return cls._of(edition, vsn, back)
            # The name of an OS may begin so too.
            at = name.rfind(_OTP, 0, at)
        raise PackageNameError(name[:_MAX_LENGTH])

    @classmethod
    def _of(cls, edition: Edition, vsn: Vsn, back: re.Match[str]) -> "PackageName":
        try:
            otp = OtpVsn.parse(back["otp"])
        except UsageError as exc:
            raise PackageNameError(back.string) from exc
        return cls(edition, vsn, otp, back["os"], back["arch"])

    def __str__(self) -> str:
        return f"{self.edition}-{self.vsn}-otp{self.otp}-{self.os}-{self.arch}.zip"
