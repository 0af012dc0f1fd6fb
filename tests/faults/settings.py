"""How much is tried: a part in ``make test``, everything in ``make faults``."""

import os

from tests.faults.disk_calls import Kind

EVERY = bool(os.environ.get("RELEASE_LEDGER_ALL_FAULTS"))
"""Whether every write of every command is broken in every kind."""

_WHOLE = frozenset({"permanent", "uninstall"})
_SAMPLE = 12
_NO_LIMIT = 10_000


def sampled_most(deed: str, kind: Kind) -> int | None:
    """Return at how many writes *deed* is broken, None for all of them.

    After a write is, for the disk, before the next one: in the part only a sample is broken there.
    """
    if EVERY:
        return None
    return _NO_LIMIT if deed in _WHOLE and kind is not Kind.KILL_AFTER else _SAMPLE
