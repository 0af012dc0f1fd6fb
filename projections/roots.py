"""Roots of the tree at every size, also where no commit ended: then from the tiles (C2SP tlog-tiles).

A root from the tiles is computed, not signed; ``verify`` compares both with the events.
"""

import sqlite3

from ledger.errors import LedgerError
from projections.read import root_at


def root_of(ledger: sqlite3.Connection, size: int) -> str | None:
    """Return the root of the first *size* events, None where the tiles do not tell it."""
    signed = root_at(ledger, size)
    if signed is not None or size < 1:
        return signed
    from ledger.tlog.notation import print_base64  # noqa: PLC0415 # most answers end where a commit did
    from ledger.tlog.tiled_tree import TiledTree  # noqa: PLC0415 # as above
    from projections.evidence import EvidenceReader  # noqa: PLC0415 # as above

    try:
        return print_base64(TiledTree(size, reader=EvidenceReader(ledger)).root()).decode()
    except (LedgerError, ValueError):
        return None
