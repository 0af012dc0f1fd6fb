"""A fleet for the command line: several installations in one ledger, each a rehearsal on real files."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.cli.lab import STATED, Lab


def node_name(number: int) -> str:
    """Return the name of one node."""
    return f"emqx@10.0.0.{number}"


def make_fleet(lab: Lab, count: int = 3) -> Lab:
    """Register *count* installations on a bare host, nodes 1 to *count*, each with the packages of 4.4."""
    pattern = lab.root
    for number in range(1, count + 1):
        root = lab.folder / f"emqx{number}"
        shutil.copytree(pattern, root, symlinks=True)
        offer(lab, root, "4.4.1", "4.4.16")
        command = "init" if number == 1 else "register"
        made = lab.run(command, "--root", str(root), "--node", node_name(number), *STATED)
        assert made.code == 0, made.err
    return lab


def offer(lab: Lab, root: Path, *vsns: str) -> None:
    """Put the packages of *vsns* into one installation."""
    for package in lab.packages.iterdir():
        if any(f"-{vsn}-" in package.name for vsn in vsns):
            shutil.copy2(package, root / "releases" / package.name)


def objects(text: str) -> list[Any]:
    """Return the objects of JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]
