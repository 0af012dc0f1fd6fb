"""Programs that a test needs and Python does not bring: missing in CI they fail it, elsewhere they skip it."""

import os
import shutil

import pytest


def need(*programs: str, packages: str) -> None:
    """Go on where all *programs* are there; *packages* are Debian's that bring them."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}; install {packages}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}; install {packages}")
