"""Every durable write of every command, broken: killed before and after it, and refused by the system.

Without `RELEASE_LEDGER_ALL_FAULTS` the commands `permanent` and `uninstall` are broken at every
write and the others at a sample of them; with it, and in ``make faults``, all are, in every kind.
"""

from pathlib import Path

import pytest

from tests.faults.disk_calls import Kind
from tests.faults.host import DEEDS, Deed
from tests.faults.settings import EVERY, sampled_most
from tests.faults.sweep import sweep

KINDS = tuple(Kind) if EVERY else (Kind.KILL_BEFORE, Kind.KILL_AFTER, Kind.ENOSPC)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_nothing_is_lost_whatever_write_breaks(fast_folder: Path, deed: Deed, kind: Kind) -> None:
    """RULINGS 16, PRODUCT sections 6 and 10: bootable, recovered to agreement, nothing doubled, told honestly."""
    done = sweep(deed, fast_folder, (kind,), most=sampled_most(deed.name, kind))

    assert done.calls
    assert sum(done.results.values()) > 0
