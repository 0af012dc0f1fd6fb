"""What an installation is, from what lies on its disk and what the operator states (RULINGS 18).

OTP's major is that of the ERTS plus 12; ``BUILT_ON`` is ``<otp>-<cpu>-…-<word size>``, and a
text such as ``ubuntu20.04`` gives the OS; the package of the running version gives edition, OS
and full labels. Nothing is taken from the host. What cannot be known stays unknown, and
``STATED_WITH`` says which option states it.
"""

import re
from collections.abc import Iterable, Mapping

from ledger.dataclass import dataclass
from ledger.domain.package import Edition, PackageName, PackageNameError
from ledger.domain.records import InstallationFacts
from ledger.domain.version import OTP_PATTERN, OtpVsn, OtpVsnError
from ledger.errors import UsageError

STATED_WITH: Mapping[str, str] = {
    "edition": "--edition ce|ee",
    "otp": "--otp 24.3.4.2-1",
    "os": "--os ubuntu20.04",
    "arch": "--arch amd64",
}
_CPUS: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
_BUILT_ON = re.compile(rf"(?P<otp>{OTP_PATTERN})-(?P<cpu>x86_64|aarch64)(?:-[a-z0-9_]+)*", re.ASCII)
_OS = re.compile(r"[a-z][a-z0-9]*[a-z](?:[0-9][0-9.]*)?", re.ASCII)
_ARCH = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
# What OTP and a stream's name allow alike; the host part may be an address.
_NODE = re.compile(r"[A-Za-z0-9_-]{1,64}@[A-Za-z0-9_.:-]{1,190}", re.ASCII)
_LOOPBACK = re.compile(r"localhost(?:\..*)?|127(?:\.[0-9]+){3}|::1", re.ASCII)


class StatedFactError(UsageError):
    """A fact of the installation was stated in a form that no package has."""

    def __init__(self, option: str, value: str) -> None:
        super().__init__(
            f"{value[:64]!a} is no value for --{option}",
            fact="facts are stated as in the name of a package: emqx-4.4.0-otp24.1.5-3-ubuntu20.04-amd64.zip",
            hint=f"for example {STATED_WITH[option]}",
        )


class NodeNameError(UsageError):
    """A text is no name of a node."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:64]!a} is not the name of a node",
            fact="a node is named NAME@HOST, in ASCII",
            hint="name it as EMQX does, for example --node emqx@10.0.0.7",
        )


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies on the disk of an installation that runs release *vsn*."""

    vsn: str
    erts: str | None = None
    built_on: str | None = None
    machine: str | None = None
    packages: tuple[str, ...] = ()
    node_name: str | None = None


def stated_facts(*, edition: str | None, otp: str | None, os_name: str | None, arch: str | None) -> InstallationFacts:
    """Return the facts that the operator states.

    Raises: StatedFactError.
    """
    try:
        full_otp = None if otp is None else str(OtpVsn.parse(otp))
    except OtpVsnError as exc:
        raise StatedFactError("otp", otp or "") from exc
    for option, value, form in (("os", os_name, _OS), ("arch", arch, _ARCH)):
        if value is not None and form.fullmatch(value) is None:
            raise StatedFactError(option, value)
    editions = {None: None, "ce": Edition.COMMUNITY, "ee": Edition.ENTERPRISE}
    return InstallationFacts(edition=editions[edition], otp=full_otp, os=os_name, arch=arch)


def facts_of(found: Found, stated: InstallationFacts) -> InstallationFacts:
    """Return what is known of the installation: what is stated, else what the disk says."""
    package = _package_of(found)
    built_on = _BUILT_ON.fullmatch(found.built_on or "")
    on_os = _OS.fullmatch(found.built_on or "")
    major = None if found.erts is None else str(OtpVsn.of_erts(found.erts))
    return InstallationFacts(
        edition=stated.edition or (str(package.edition) if package else None),
        otp=stated.otp or (str(package.otp) if package else built_on["otp"] if built_on else major),
        erts=found.erts,
        os=stated.os or (package.os if package else on_os[0] if on_os else None),
        arch=stated.arch or (package.arch if package else _CPUS[built_on["cpu"]] if built_on else found.machine),
    )


def node_name(stated: str | None, on_disk: str | None, *, host: str) -> str:
    """Return the name of the node; where its host is a loopback name, that of *host* is put in its place.

    Raises: NodeNameError for a stated name that is none.
    """
    if stated is not None and _NODE.fullmatch(stated) is None:
        raise NodeNameError(stated)
    usable = on_disk if on_disk is not None and _NODE.fullmatch(on_disk) else None
    name, _, at = (stated or usable or f"emqx@{host}").partition("@")
    return f"{name}@{host if _LOOPBACK.fullmatch(at) else at}"


def unknown_of(facts: InstallationFacts) -> tuple[str, ...]:
    """Return the names of the facts that are not known and can be stated."""
    return tuple(name for name in STATED_WITH if getattr(facts, name) is None)


def _package_of(found: Found) -> PackageName | None:
    parsed = tuple(name for name in _parsed(found.packages) if str(name.vsn) == found.vsn)
    # Two packages of the running version say two things: neither is taken.
    return parsed[0] if len(parsed) == 1 else None


def _parsed(names: Iterable[str]) -> Iterable[PackageName]:
    for name in names:
        try:
            yield PackageName.parse(name)
        except PackageNameError:
            continue
