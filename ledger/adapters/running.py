"""Which programs run from an installation."""

import os
from pathlib import Path

_DELETED = " (deleted)"  # what Linux adds to the name of a program whose file is gone


def running_under(root: Path, *, beside: frozenset[str] = frozenset()) -> tuple[int, ...]:
    """Return the processes whose program lies under *root* (RULINGS 2), but for programs of the names *beside*."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 # a host has hundreds of processes, and each would be a Path
        if name.isdigit():
            try:
                program = os.readlink(f"/proc/{name}/exe")  # noqa: PTH115 # as above
            except OSError:
                continue
            is_under = program == str(root) or program.startswith(f"{str(root).rstrip('/')}/")
            if is_under and program.rpartition("/")[2].removesuffix(_DELETED) not in beside:
                found.append(int(name))
    return tuple(sorted(found))
