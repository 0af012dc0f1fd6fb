"""Versions of EMQX releases and of the Erlang/OTP they carry.

A release version is ``MAJOR.MINOR.PATCH`` with an optional ``-pre`` part, without leading
zeros (PRODUCT section 3). Pre-releases order as SemVer 2.0, section 11; ``packaging`` parses
the release triple and the OTP versions. Parsing is exact: ``str(Vsn.parse(text)) == text``.
"""

import re
from functools import total_ordering

from packaging.version import Version

from ledger.dataclass import dataclass
from ledger.errors import UsageError

_MAX_LENGTH = 64
_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9A-Za-z-]*[A-Za-z-][0-9A-Za-z-]*)"
VSN_PATTERN = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?"
OTP_PATTERN = rf"{_NUMBER}(?:\.{_NUMBER})*(?:-{_NUMBER})?"
_VSN = re.compile(VSN_PATTERN, re.ASCII)
_OTP = re.compile(OTP_PATTERN, re.ASCII)


class VsnError(UsageError):
    """A text is no version of an EMQX release."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!a} is not a version of a release",
            fact="a version is MAJOR.MINOR.PATCH without leading zeros, with an optional -pre part",
            hint="name it as `versions` prints it, for example 4.4.16",
        )
        self.text = text


class OtpVsnError(UsageError):
    """A text is no version of Erlang/OTP."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!a} is not a version of Erlang/OTP",
            fact="an OTP version is numbers with dots and an optional build, as in a package's name",
            hint="name it as the package does, for example 24.3.4.2-1",
        )
        self.text = text


@total_ordering
@dataclass(frozen=True)
class Vsn:
    """One version of an EMQX release, ordered as SemVer 2.0 orders it."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Vsn":
        """Return the version that *text* names.

        Raises: VsnError for anything else, such as ``4.4``, ``v4.4.16`` or ``4.4.016``.
        """
        if len(text) > _MAX_LENGTH or _VSN.fullmatch(text) is None:
            raise VsnError(text[:_MAX_LENGTH])
        triple, _, pre = text.partition("-")
        major, minor, patch = Version(triple).release
        return cls(major, minor, patch, tuple(pre.split(".")) if pre else ())

    @classmethod
    def known(cls, text: str | None) -> "Vsn | None":
        """Return the version that *text* names, None where it names none."""
        try:
            return cls.parse(text or "")
        except VsnError:
            return None

    @property
    def line(self) -> tuple[int, int]:
        """The patch line, inside which a hot upgrade may go."""
        return (self.major, self.minor)

    def __lt__(self, other: "Vsn") -> bool:
        return self._order() < other._order()

    def __str__(self) -> str:
        triple = f"{self.major}.{self.minor}.{self.patch}"
        return f"{triple}-{'.'.join(self.pre)}" if self.pre else triple

    def _order(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        # SemVer 2.0, section 11.4: numbers below words, numbers by value, words by ASCII.
        identifiers = tuple((False, int(i), "") if i.isdigit() else (True, 0, i) for i in self.pre)
        return (self.major, self.minor, self.patch, not self.pre, identifiers)


@dataclass(frozen=True)
class OtpVsn:
    """A version of Erlang/OTP with EMQX's build number, such as ``24.3.4.2-1``."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "OtpVsn":
        """Return the version that *text* names.

        Raises: OtpVsnError for anything else.
        """
        if len(text) > _MAX_LENGTH or _OTP.fullmatch(text) is None:
            raise OtpVsnError(text[:_MAX_LENGTH])
        return cls(text)

    @classmethod
    def of_erts(cls, erts: str) -> "OtpVsn":
        """Return the OTP major of an emulator: *erts* major + 12 (RULINGS 18)."""
        if len(erts) > _MAX_LENGTH or _OTP.fullmatch(erts) is None:
            raise OtpVsnError(erts[:_MAX_LENGTH])
        return cls(str(Version(erts).major + 12))

    @property
    def major(self) -> int:
        """The OTP major, which a hot upgrade keeps."""
        return Version(self.text).major

    def __str__(self) -> str:
        return self.text
