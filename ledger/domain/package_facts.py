"""Facts of release packages: what was found, what it says of itself, what is wrong with it.

Plain values, shared by the ports and by the rules of a hot upgrade (PRODUCT section 3, rule 3).
Everything wrong with a package is told at once. A package without a relup is sound: whether
there is a way is asked by the rule of the relup.
"""

from enum import StrEnum

from ledger.dataclass import dataclass
from ledger.domain.package import PackageName
from ledger.domain.reason import Reason, Rule
from ledger.domain.relup import Relup
from ledger.errors import RefusedError


class PackageForm(StrEnum):
    """How a package is packed: as published, or as EMQX's script repacks it."""

    ZIP = "zip"
    TAR_GZ = "tar_gz"


@dataclass(frozen=True, kw_only=True)
class PackageFacts:
    """One package as it lies in ``releases/``.

    *vsn*, *erts* and *libs* are those that ``releases/V/emqx.rel`` inside it names, *libs* in its
    order. *folders* are the ``lib/<app>-<vsn>`` and ``erts-<vsn>`` that it brings.
    """

    path: str
    name: str
    form: PackageForm
    parsed: PackageName | None
    size: int
    sha256: str
    vsn: str | None
    erts: str | None
    libs: tuple[tuple[str, str], ...]
    folders: tuple[str, ...]
    unpacked_bytes: int
    relup: Relup | None
    problems: tuple[Reason, ...]
    warnings: tuple[Reason, ...]

    def sound_vsn(self) -> str:
        """Return the version that the package is sound for.

        Raises: PackageUnsoundError with all its problems.
        """
        if self.problems or self.vsn is None:
            raise PackageUnsoundError(self.name, self.problems)
        return self.vsn


@dataclass(frozen=True, kw_only=True)
class FoundPackages:
    """The packages of one version, with what was looked for and what came near it."""

    vsn: str
    packages: tuple[str, ...]
    looked_for: tuple[str, ...]
    near_misses: tuple[str, ...]
    others: tuple[str, ...] = ()

    def only(self) -> str:
        """Return the path of the one package.

        Raises: PackageNotFoundError, SeveralPackagesError.
        """
        if not self.packages:
            raise PackageNotFoundError(self)
        if len(self.packages) > 1:
            raise SeveralPackagesError(self)
        return self.packages[0]


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A package laid out in the staging folder, sound and on the disk.

    *files_sha256* covers all files of the package, also those the installation has already: it is
    the sha256 of the sorted lines ``<octal mode> <size> <sha256> <path>`` (RULINGS 4).
    *left_out* counts the files that exist and are kept.
    """

    root: str
    folder: str
    vsn: str
    files_sha256: str
    files: int
    left_out: int
    written_bytes: int


class PackageNotFoundError(RefusedError):
    """No package of the version lies where packages are looked for."""

    def __init__(self, found: FoundPackages) -> None:
        near = f", found {_listed(found.near_misses)}" if found.near_misses else ""
        near += f"; packages of other versions: {_listed(found.others)}" if found.others else ""
        super().__init__(
            f"there is no package of {found.vsn}",
            fact=f"looked for {_listed(found.looked_for)}{near}",
            hint="copy the package into releases/ under the name under which it was published",
        )
        self.found = found


class SeveralPackagesError(RefusedError):
    """Several packages carry the same version; EMQX's script crashes on that."""

    def __init__(self, found: FoundPackages) -> None:
        super().__init__(
            f"there are {len(found.packages)} packages of {found.vsn}",
            fact=_listed(tuple(f"releases/{path.rpartition('/')[2]}" for path in found.packages)),
            hint="leave the one to be used in releases/ and move the others away",
        )
        self.found = found
        self.reason = Reason(Rule.PACKAGE, str(self), self.fact, self.hint)


class PackageUnsoundError(RefusedError):
    """A package is broken, hostile, or contradicts the installation."""

    def __init__(self, name: str, problems: tuple[Reason, ...]) -> None:
        super().__init__(
            f"package {name} cannot be used: {'; '.join(problem.message for problem in problems)}",
            fact="; ".join(problem.fact for problem in problems),
            hint=next((problem.hint for problem in problems), ""),
        )
        self.name = name
        self.problems = problems


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
