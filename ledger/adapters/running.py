"""Which programs run from an installation."""

import os
from pathlib import Path


def running_under(root: Path) -> tuple[int, ...]:
    """Return the processes whose program lies under *root* (RULINGS 2)."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 # a host has hundreds of processes, and each would be a Path
        if name.isdigit():
            try:
                program = os.readlink(f"/proc/{name}/exe")  # noqa: PTH115 # as above
            except OSError:
                continue
            if program == str(root) or program.startswith(f"{str(root).rstrip('/')}/"):
                found.append(int(name))
    return tuple(sorted(found))
