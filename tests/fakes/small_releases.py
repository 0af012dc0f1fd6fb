"""Small releases in EMQX's layout, for tests that make many: a node of 4.4.0 and packages for it."""

import shutil
from dataclasses import replace
from pathlib import Path

from demo.emqx_installation import make_installation
from demo.emqx_package import make_package
from demo.emqx_tree import ReleaseSpec

INSTALLED = "4.4.0"

_PLAIN = ReleaseSpec(vsn="", extra_bytes=300)
_SPECS = (
    replace(_PLAIN, vsn=INSTALLED),
    replace(_PLAIN, vsn="4.4.1").between("4.4.0"),
    replace(_PLAIN, vsn="4.4.2").between("4.4.0", "4.4.1"),
    replace(_PLAIN, vsn="4.4.3").between("4.4.0", "4.4.1", "4.4.2"),
    replace(_PLAIN, vsn="4.4.16").between("4.4.0", "4.4.1", "4.4.2", "4.4.3"),
    replace(_PLAIN, vsn="4.4.17").between("4.4.16"),
    replace(_PLAIN, vsn="4.4.18", erts="12.3.2.2").between("4.4.0"),
    replace(_PLAIN, vsn="4.4.24"),
    replace(_PLAIN, vsn="4.5.0").between("4.4.0"),
)
RELEASES = {
    spec.vsn: replace(spec, libs=(("kernel", "8.5.3"), ("stdlib", "4.2"), ("emqx", spec.vsn))) for spec in _SPECS
}


def package_of(folder: Path, vsn: str) -> Path:
    """Return the package of *vsn* in *folder*, written when it is first asked for."""
    path = folder / RELEASES[vsn].package_name
    return path if path.exists() else make_package(folder, RELEASES[vsn], checksum=False)


def small_installation(folder: Path, root: Path) -> Path:
    """Copy the installation that *folder* keeps to *root* and return it."""
    original = folder / "emqx"
    if not original.exists():
        make_installation(original, RELEASES[INSTALLED])
    shutil.copytree(original, root)
    return root
