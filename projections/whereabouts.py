"""Where each installation of a record is, read from the few events that say it (``ledger/domain/whereabouts.py``)."""

import sqlite3

from ledger.domain.whereabouts import PLACING, Whereabouts, follow
from projections.read import read_events
from projections.versions import folded


def whereabouts(ledger: sqlite3.Connection) -> tuple[Whereabouts, ...]:
    """Return where each installation is, in the order of their first event.

    Raises: EntryError for an event that does not read; as ``versions.fold``.
    """
    known: dict[str, Whereabouts] = {}
    for stored in read_events(ledger, topics=PLACING):
        known[stored.stream] = folded(follow, known.get(stored.stream), stored)
    return tuple(known.values())
