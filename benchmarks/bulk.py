"""Ledgers of a million events for the benchmarks, made in seconds.

The rows are those that the recorder would have written: sealed envelopes of upgrades without
end, leaf hashes, commits, tiles, signed checkpoints, and the newest note in the tip guard. Only
the way is shorter: each kind of event is sealed once, and what differs from one event to the
next is put into its bytes. ``benchmarks.verify`` verifies what was made, so a wrong shortcut
would be found.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path

from ledger.adapters.ledger_folder import LedgerFolder, create_folder
from ledger.domain.envelope import ClockReading, Stamp, seal
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import sign_note
from ledger.tlog.tree_builder import TileRow, TreeBuilder
from tests.evidence.ledgers import repeated
from tests.fakes.recording import ORIGIN, STREAM

_BATCH = 10_000
_KINDS = 6
_BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Each stands in the bytes of an event once, and nowhere else.
_VERSION, _MONOTONIC = 987_654_321, 777_777_777_777
_EVENT, _COMMIT = "0190d1ab-1234-7abc-8def-00000000000e", "0190d1ab-1234-7abc-8def-00000000000c"
_TIME = "2026-03-01T12:34:56.789012Z"
_STAMP = Stamp(ORIGIN, _EVENT, _COMMIT, _TIME, ClockReading("system", "yes", "7d1b5f2e-0000-4000-8000-01", _MONOTONIC))


def build_ledger(path: Path, *, events: int, commit: int) -> LedgerFolder:
    """Return a ledger of *events*, *commit* of them in each commit."""
    places = create_folder(path, origin=ORIGIN)
    with closing(sqlite3.connect(places.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -100000")
        connection.execute("BEGIN")
        note = _fill(connection, places, events=events, commit=commit)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    places.guard.swap(note)
    return places


def _fill(connection: sqlite3.Connection, places: LedgerFolder, *, events: int, commit: int) -> bytes:
    key, builder, note = places.read_key(), TreeBuilder(), b""
    rows = islice(_rows(commit), events)
    while batch := list(islice(rows, max(commit, _BATCH // commit * commit))):
        first = builder.size
        hashes = [sha256(b"\0" + state).digest() for *_, state in batch]
        connection.executemany("INSERT INTO stored_events VALUES (?,?,?,?)", batch)
        leaves = [(first + at, row[0], row[1], hashes[at]) for at, row in enumerate(batch)]
        connection.executemany("INSERT INTO log_leaf VALUES (?,?,?,?)", leaves)
        for at in range(0, len(batch), commit):
            _store(connection, builder.extend(hashes[at : at + commit]))
            note = sign_note(Checkpoint(ORIGIN, builder.size, builder.root()).encode(), signers=[key])
            connection.execute("INSERT INTO log_checkpoint VALUES (?,?)", (builder.size, note))
            last = builder.size - 1
            connection.execute("INSERT INTO log_commit VALUES (?,?,?)", (_id(first + at, "8"), first + at, last))
    _store(connection, builder.partial_tiles())
    return note


def _store(connection: sqlite3.Connection, rows: Sequence[TileRow]) -> None:
    values = [(row.tile.level, row.tile.n, row.hashes) for row in rows]
    connection.executemany("INSERT INTO log_tile VALUES (?,?,?)", values)


def _rows(commit: int) -> Iterator[tuple[str, int, str, bytes]]:
    """Yield rows of events without end, each with its place in the log as its version."""
    first, *others = (
        (event.TOPIC, _template(seal(replace(event, originator_version=_VERSION), _STAMP)))
        for event in islice(repeated(), _KINDS)
    )
    index = 0
    while True:
        topic, template = others[index % len(others)] if index else first
        at = (_BEGAN + timedelta(milliseconds=index)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        commit_id, event_id = _id(index // commit * commit, "8"), _id(index, "9")
        parts = (index * 1000, commit_id.encode(), event_id.encode(), at.encode(), index + 1)
        yield STREAM, index + 1, topic, template % parts
        index += 1


def _template(state: bytes) -> bytes:
    """Return *state* with a place for monotonic time, commit, event, time and version, in their order."""
    assert b"%" not in state
    for found, place in ((_MONOTONIC, b"%d"), (_COMMIT, b"%s"), (_EVENT, b"%s"), (_TIME, b"%s"), (_VERSION, b"%d")):
        text = str(found).encode()
        assert state.count(text) == 1
        state = state.replace(text, place)
    return state


def _id(number: int, variant: str) -> str:
    """Return a UUIDv7 whose time rises with *number*."""
    time = 0x0190D1AB0000 + number
    return f"{time >> 16:08x}-{time & 0xFFFF:04x}-7abc-{variant}def-{number:012x}"
