"""One root as the preflight reads it: packages, parts, relups, owners and space; never changed here."""

import os
from pathlib import Path

from ledger.adapters.installation import BootFileError, Installation
from ledger.adapters.otp_check import RelupFileError, read_relup
from ledger.adapters.package_files import content_problems, find_packages, inspect_package, missing_libs
from ledger.adapters.plain_file import unreadable
from ledger.adapters.release_parts import parts_needed
from ledger.dataclass import replace
from ledger.domain.package_facts import PackageFacts, PackageForm, PackageNotFoundError, SeveralPackagesError
from ledger.domain.reason import Reason, Rule
from ledger.domain.relup import Relup
from ledger.domain.version import Vsn

_NOT_FOUND = "Unpack failed: release_package_not_found"
_WRITTEN = ("releases", "lib", "bin", ".", "data")
_BOOT_FILES = ("releases/RELEASES", "releases/start_erl.data", "releases/emqx_vars")


class InstallationRoot:
    """What can be read of the installation at *root* before anything is touched.

    *thorough* reads packages to their last byte: for who asks and unpacks nothing, which would find it.
    """

    def __init__(self, root: Path, *, thorough: bool = False) -> None:
        self._files = Installation(root)
        self._root = self._files.root
        self._thorough = thorough

    def find_package(self, vsn: Vsn) -> PackageFacts | tuple[Reason, ...]:
        """Return the one package of *vsn*, or the reasons why there is none."""
        try:
            path = find_packages(self._root, vsn).only()
        except PackageNotFoundError as exc:
            return (Reason(Rule.PACKAGE, str(exc), exc.fact, exc.hint, words=(_NOT_FOUND,)),)
        except SeveralPackagesError as exc:
            return (exc.reason,)
        package = self._with_libs(inspect_package(Path(path), vsn=vsn))
        if self._thorough and not package.problems:
            return replace(package, problems=content_problems(package))
        return package

    def package_line(self, package: PackageFacts) -> str | None:
        """Return the path to name in the words of unpacking, None for the one the user guide names."""
        if package.form is PackageForm.ZIP:
            return None
        return str(Path(package.path).relative_to(self._root))

    def missing_parts(self, vsn: str) -> tuple[str, ...]:
        """Return the parts of a known release that are not there, relative to the root.

        Raises: FileNotReadError.
        """
        try:
            entries = self._files.read_releases()
        except BootFileError:
            return ()
        entry = next((entry for entry in entries if entry.vsn == vsn), None)
        if entry is None:
            return ()
        with unreadable(self._root):
            return tuple(part for part in parts_needed(entry) if not (self._root / part).exists())

    def relup(self, vsn: str) -> Relup | str | None:
        """Return the relup of a release on disk, the fault of one that cannot be read, None without a file."""
        try:
            return read_relup(self._root, vsn)
        except RelupFileError as exc:
            return exc.otp_reason

    def owner(self) -> str:
        """Return the number of the user to whom ``releases/`` belongs, the user of the node.

        Not the name: reasons are recorded, and a login name could never be erased there (RULINGS 5).
        Raises: FileNotReadError.
        """
        return str(self._owner())

    def foreign_paths(self) -> tuple[str, ...]:
        """Return what another user owns, or this process cannot write, among what a change writes.

        The node must be able to delete later what lies here, so its owner counts also where
        root could write (otp.md section 6.6).
        Raises: FileNotReadError.
        """
        uid = self._owner()
        with unreadable(self._root):
            return tuple(path for path in self._written() if self._is_foreign(self._root / path, uid))

    def free_bytes(self) -> int:
        """Return the free space under the root for the user who writes."""
        found = os.statvfs(self._root)
        return found.f_bavail * found.f_frsize

    def _owner(self) -> int:
        with unreadable(self._root):
            return (self._root / "releases").stat().st_uid

    def _written(self) -> list[str]:
        written = [path for path in (*_WRITTEN, *_BOOT_FILES) if os.path.lexists(self._root / path)]
        for folder in ("lib", "releases"):
            with os.scandir(self._root / folder) as entries:
                written += sorted(f"{folder}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False))
        return written

    def _is_foreign(self, path: Path, uid: int) -> bool:
        return path.stat(follow_symlinks=False).st_uid != uid or not os.access(path, os.W_OK)

    def _with_libs(self, package: PackageFacts) -> PackageFacts:
        lacking = missing_libs(package, root=self._root)
        if not lacking:
            return package
        reason = Reason(
            Rule.PACKAGE,
            "the package lacks libraries of its release",
            f"neither the package nor the installation has {', '.join(lacking)}",
            "fetch the package again from where it was published",
        )
        return replace(package, problems=(*package.problems, reason))
