"""Extraction of a 100 MB package, against ``unzip`` and ``sha256sum`` of the same file.

Ours: the package is inspected (names, layout, digest of the file) and laid out beside an
installation with every CRC checked and a digest of each file, all of it flushed to the disk once.
Theirs: ``unzip -q`` into a folder and ``sha256sum`` of the package, nothing flushed. PRODUCT
section 13 allows 1.2 times their time. The memory that ours takes is told as well.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path

from benchmarks.table import Ratio, compare, report
from demo.emqx_installation import make_installation
from demo.emqx_package import make_package
from demo.emqx_tree import ReleaseSpec
from ledger.adapters.package_files import inspect_package
from ledger.adapters.staging import discard, stage
from ledger.domain.version import Vsn

_BYTES = 130_000_000
_LIMIT = 1 / 1.2
_ROUNDS = 3
_VSN = "4.4.16"
_ALONE = f"""
import sys
from pathlib import Path
from ledger.adapters.package_files import inspect_package
from ledger.adapters.staging import discard, stage
from ledger.domain.version import Vsn
root, package = map(Path, sys.argv[1:])
stage(inspect_package(package, vsn=Vsn.parse("{_VSN}")), root=root, progress=lambda done, total: None)
discard(root, "{_VSN}")
# Not getrusage: its maximum is inherited from the process that started this one.
(peak,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(peak)
"""


def measure(folder: Path) -> tuple[Ratio, ...]:
    """Return the ratio of one extraction, with the files in *folder*."""
    root = make_installation(folder / "emqx", ReleaseSpec(vsn="4.4.0", extra_bytes=1_000))
    package = make_package(folder, ReleaseSpec(vsn=_VSN, extra_bytes=_BYTES).between("4.4.0"))
    number = count()

    def ours() -> None:
        facts = inspect_package(package, vsn=Vsn.parse(_VSN))
        stage(facts, root=root, progress=lambda _done, _total: None)
        discard(root, _VSN)

    def theirs() -> None:
        target = folder / f"unzipped{next(number)}"
        subprocess.run(["unzip", "-q", str(package), "-d", str(target)], check=True)
        subprocess.run(["sha256sum", str(package)], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(target)

    what = f"extraction of {package.stat().st_size // 1_000_000} MB"
    value = compare(ours, theirs, rounds=_ROUNDS)
    return (Ratio(what, f"unzip and sha256sum (memory {_peak(root, package)} MiB at most)", value, _LIMIT),)


def _peak(root: Path, package: Path) -> int:
    """Return the most memory that a process of its own takes for it, in MiB."""
    done = subprocess.run([sys.executable, "-c", _ALONE, root, package], check=True, capture_output=True, text=True)
    return int(done.stdout) // 1024


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
