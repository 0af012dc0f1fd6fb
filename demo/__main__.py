"""Make an installation and packages to try release-ledger on: ``python -m demo DIR``.

DIR gets ``emqx/`` (EMQX 4.4.0, as after its first start) and ``packages/`` with the releases 4.4.1
and 4.4.16 of the same line and 4.5.0 of the next.
"""

import argparse
import sys
from pathlib import Path

from demo.emqx_installation import make_installation
from demo.emqx_package import make_package
from demo.emqx_tree import ReleaseSpec

INSTALLED = ReleaseSpec(vsn="4.4.0")
OFFERED = (
    ReleaseSpec(vsn="4.4.1").between("4.4.0"),
    ReleaseSpec(vsn="4.4.16", otp="24.3.4.2-1", erts="12.3.2.2").between("4.4.0", "4.4.1"),
    ReleaseSpec(vsn="4.5.0", otp="24.3.4.2-1", erts="12.3.2.2").between("4.4.16"),
)


def make_demo(folder: Path) -> tuple[Path, ...]:
    """Write installation and packages into *folder*; return the root, then the packages.

    Raises: FileExistsError: one was made there before.
    """
    root = folder / "emqx"
    root.mkdir(parents=True)
    return (make_installation(root, INSTALLED), *(make_package(folder / "packages", spec) for spec in OFFERED))


def main(arguments: list[str] | None = None) -> int:
    """Make the demo in the folder that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="Make an EMQX installation and packages.")
    parser.add_argument("folder", type=Path, help="where emqx/ and packages/ are written")
    folder: Path = parser.parse_args(arguments).folder
    try:
        made = make_demo(folder)
    except FileExistsError as exc:
        sys.stderr.write(f"{exc.filename} exists: name another folder or delete it first\n")
        return 1
    sys.stdout.writelines(f"{path}\n" for path in made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
