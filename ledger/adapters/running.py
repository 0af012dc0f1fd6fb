"""Which programs run from an installation."""

from pathlib import Path


def running_under(root: Path) -> tuple[int, ...]:
    """Return the processes whose program lies under *root* (RULINGS 2)."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                program = (process / "exe").readlink()
            except OSError:
                continue
            if program.is_relative_to(root):
                found.append(int(process.name))
    return tuple(sorted(found))
