"""``python -m tests.faults [MOST]``: break every command in every kind and print the table of what came of it.

MOST limits how many writes of each command are broken, evenly spread.
"""

import sys
import tempfile
from pathlib import Path

from tests.faults.disk_calls import Kind
from tests.faults.host import DEEDS
from tests.faults.sweep import Sweep, sweep

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 # it is looked at only


def main(arguments: list[str]) -> None:
    """Print one row for each command and kind."""
    most = int(arguments[0]) if arguments else None
    names = arguments[1:] or list(DEEDS)
    print(f"{'command':<10} {'writes':>6}  {'kind':<13} {'tried':>5}  ended")  # noqa: T201 # this is what it is for
    for name in names:
        with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
            for row in _rows(sweep(DEEDS[name], Path(folder), Kind, most=most)):
                print(row, flush=True)  # noqa: T201 # as above


def _rows(done: Sweep) -> list[str]:
    rows = []
    for kind in Kind:
        ended = {result: count for (of, result), count in done.results.items() if of is kind}
        told = ", ".join(f"{result}: {count}" for result, count in sorted(ended.items()))
        rows.append(f"{done.deed:<10} {len(done.calls):>6}  {kind:<13} {sum(ended.values()):>5}  {told}")
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
