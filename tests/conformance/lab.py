"""The lab: for every recorded scenario the installation and the packages that it needs.

Each release is written once and kept. Which ways its relup knows follows from what the recorded
commands could do: 4.4.17 has a way from and to 4.4.16 alone; 4.4.18 and 4.4.19 crash on the way up
and down; 4.4.20 lacks a script; 4.4.24 has no relup, and that of 4.4.25 is no Erlang term.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from demo.emqx_installation import make_installation
from demo.emqx_package import make_package, make_tarball
from demo.emqx_tree import ReleaseSpec
from demo.erlang_text import relup_text
from tests.conformance.host import give_away, perform
from tests.conformance.host_actions import FillDisk, Own, parse_host_action
from tests.conformance.transcripts import Scenario

INSTALLED = ReleaseSpec(vsn="4.4.0", extra_bytes=60_000)
RUNNER_USER = "nobody"

# About the size of the recorded packages: 5 MB, some steps cut them off at 2 and 3 MB.
_PACKAGE_BYTES = 7_000_000
_DISK_BYTES = 64_000_000
_OLDER = ReleaseSpec(vsn="", otp="24.1.5-3", extra_bytes=_PACKAGE_BYTES)
_NEWER = replace(_OLDER, otp="24.3.4.2-1")


def _crashing(vsn: str, *, up: str | None = None, down: str | None = None) -> ReleaseSpec:
    relup = relup_text(vsn, up_from=("4.4.0",), down_to=("4.4.0",), up_last=up, down_last=down)
    return replace(_NEWER.between("4.4.0"), vsn=vsn, relup=relup)


_SPECS = (
    replace(_OLDER, vsn="4.3.22", otp="23.2.7.2-3", erts="11.1.8"),
    replace(_OLDER, vsn="4.4.1").between("4.4.0"),
    replace(_OLDER, vsn="4.4.2-rc.1").between("4.4.0"),
    replace(_OLDER, vsn="4.4.2").between("4.4.0", "4.4.1"),
    replace(_OLDER, vsn="4.4.10").between("4.4.0", "4.4.1", "4.4.2"),
    replace(_NEWER, vsn="4.4.12", erts="12.3.2.2").between("4.4.0"),
    replace(_NEWER, vsn="4.4.16").between("4.4.0", "4.4.1", "4.4.2"),
    replace(_NEWER, vsn="4.4.17").between("4.4.16"),
    _crashing("4.4.18", up="{apply,{emqx_relup,boom,[up]}}"),
    _crashing("4.4.19", down="{apply,{emqx_relup,boom,[down]}}"),
    replace(_NEWER, vsn="4.4.20", without=("bin/emqx-4.4.20",)).between("4.4.0"),
    replace(_NEWER, vsn="4.4.24"),
    replace(_NEWER, vsn="4.4.25", relup='{"4.4.25", [broken'),
    replace(_NEWER, vsn="4.5.0").between("4.4.0"),
    replace(_OLDER, vsn="5.0.0", otp="24.2.1-1").between("4.4.0"),
)
RELEASES: Mapping[str, ReleaseSpec] = {spec.vsn: spec for spec in _SPECS}


class SmallDisk:
    """A memory disk of 64 MB, mounted on *folder* as long as the context lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    @property
    def bytes_free(self) -> int:
        """How many bytes a file could still take."""
        facts = os.statvfs(self.folder)
        return facts.f_bavail * facts.f_frsize

    def fill(self, *, left: int) -> None:
        """Leave about *left* bytes free."""
        with self._filler.open("ab") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(1, self.bytes_free - left))

    def free(self) -> None:
        """Give back what `fill` took."""
        self._filler.unlink()


@dataclass(frozen=True)
class LabSite:
    """One scenario's installation at *root*; it may lie on a *disk* of its own."""

    lab: "Lab"
    root: Path
    disk: SmallDisk | None

    def package(self, name: str) -> Path:
        """Return the package published as *name*."""
        return self.lab.package(name)

    def tarball(self, vsn: str, *, top_folder: str | None) -> Path:
        """Return the tarball of release *vsn*."""
        return self.lab.tarball(vsn, top_folder=top_folder)

    def do(self, host_action: str) -> None:
        """Do what the words of *host_action* say.

        Raises: UnknownHostActionError, UnmetNeedError, LooksDifferentError.
        """
        perform(parse_host_action(host_action), self)


class Lab:
    """Makes sites for scenarios; packages are kept in *folder*, each written when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def package(self, name: str) -> Path:
        """Return the package published as *name*."""
        path = self._folder / name
        if not path.exists():
            spec = next(spec for spec in RELEASES.values() if spec.package_name == name)
            make_package(self._folder, spec, checksum=False)
        return path

    def tarball(self, vsn: str, *, top_folder: str | None) -> Path:
        """Return the tarball of release *vsn*."""
        path = self._folder / (top_folder or "plain") / f"emqx-{vsn}.tar.gz"
        return path if path.exists() else make_tarball(path, RELEASES[vsn], top_folder=top_folder)

    @contextmanager
    def site(self, scenario: Scenario, folder: Path) -> Iterator[LabSite]:
        """Give the installation with which *scenario* begins, before its set-up, in *folder*.

        It lies on a small disk where the scenario fills one and this machine lets us mount it, and
        belongs to another user where the scenario runs as one and we are root.
        """
        actions = tuple(map(parse_host_action, scenario.host_actions))
        fills, owns = (any(isinstance(action, kind) for action in actions) for kind in (FillDisk, Own))
        with _place(folder, small=fills) as disk:
            root = make_installation(
                folder / "emqx", INSTALLED, started=scenario.node_up, runner_user=RUNNER_USER if owns else ""
            )
            if owns and os.geteuid() == 0:
                give_away(root, RUNNER_USER)
            yield LabSite(self, root, disk)


@contextmanager
def _place(folder: Path, *, small: bool) -> Iterator[SmallDisk | None]:
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)]
    if not small or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
