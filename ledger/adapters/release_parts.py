"""The parts of a release on disk: which it needs, which removal deletes, which stay (otp.md section 7)."""

import os
from collections.abc import Iterable
from pathlib import Path

from ledger.adapters.package_files import find_packages
from ledger.adapters.package_layout import SCRIPTS
from ledger.adapters.releases_file import ReleaseEntry
from ledger.domain.version import Vsn


def parts_needed(entry: ReleaseEntry) -> tuple[str, ...]:
    """Return what must be there to install *entry* and to make it permanent."""
    vsn = entry.vsn
    return (
        f"releases/{vsn}/start.boot",
        f"releases/{vsn}/no_dot_erlang.boot",
        *(f"bin/{script}-{vsn}" for script in SCRIPTS),
        *_libs(entry),
        f"erts-{entry.erts}",
    )


def parts_to_remove(entry: ReleaseEntry, rest: Iterable[ReleaseEntry]) -> tuple[str, ...]:
    """Return what ``remove_release`` deletes: what no release of *rest* uses, by app and version."""
    others = tuple(rest)
    used = {part for other in others for part in _libs(other)} | {f"erts-{other.erts}" for other in others}
    parts = (*_libs(entry), f"releases/{entry.vsn}", f"erts-{entry.erts}")
    return tuple(part for part in parts if part not in used)


def what_stays(root: Path, vsn: str) -> tuple[str, ...]:
    """Return what a removal leaves by rule: packages, versioned scripts, ``releases/emqx.rel``."""
    packages = find_packages(root, Vsn.parse(vsn)).packages
    left = [str(Path(path).relative_to(root)) for path in packages]
    left += [f"bin/{script}-{vsn}" for script in SCRIPTS]
    left += ["releases/emqx.rel", f"releases/emqx-{vsn}.tar.gz"]
    return tuple(path for path in dict.fromkeys(left) if os.path.lexists(root / path))


def _libs(entry: ReleaseEntry) -> tuple[str, ...]:
    return tuple(f"lib/{lib.app}-{lib.vsn}" for lib in entry.libs)
