"""All budgets in one run: ``python -m benchmarks``; exit 1 where one is broken.

A module of this folder with a function ``measure(folder) -> tuple[Ratio, ...]`` takes part by
its name in *MODULES*. ``BENCHMARK_FOLDER`` names a folder on the disk to measure.
"""

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.table import report

MODULES = (
    "startup",
    "scale",
    "fleet",
    "append",
    "replay",
    "extraction",
    "verify",
    "proof",
    "live_node",
    "postgres",
    "postgres_growth",
)


def main() -> int:
    """Measure everything and print the table."""
    code = 0
    for name in MODULES:
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as folder:
            code |= report(import_module(f"benchmarks.{name}").measure(Path(folder)))
    return code


if __name__ == "__main__":
    sys.exit(main())
