"""Large ledgers of a fleet in PostgreSQL for the benchmarks, by COPY.

The rows are those that the recorder would have written, one event in a commit, as commands do:
sealed envelopes, leaf hashes, commits, the entries of tiles, a signed checkpoint for each commit,
and the newest note in the guard of the host. ``benchmarks.postgres_growth`` verifies what was
made, appends to it, and reads from its view.
"""

from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path

from benchmarks.scale import fleet_history
from ledger.adapters.identity import new_id
from ledger.adapters.mapper import EnvelopeMapper
from ledger.adapters.postgres_schema import OWNER
from ledger.adapters.postgres_server import Connection, connect, create_ledger
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.notation import HASH_SIZE
from ledger.tlog.note import sign_note
from ledger.tlog.tiles import WIDTH
from ledger.tlog.tree_builder import TileRow, TreeBuilder
from projections.catch_up import read_folder
from projections.postgres_views import make_views
from tests.fakes.recording import ORIGIN, recording
from tests.postgres.hosts import Host, host_at

_BATCH = 5_000


def build_fleet(base: Path, address: str, *, events: int, nodes: int) -> Host:
    """Make the database at *address* a ledger of so many *events* of so many *nodes*, with a view that is current.

    Returns the host that wrote it all, whose files lie in *base*.
    """
    create_ledger(address, origin=ORIGIN)
    make_views(address)
    host = host_at(base, address)
    with closing(connect(address, role=OWNER)) as connection:
        note = _fill(connection, host, events=events, nodes=nodes)
    host.place.guard.swap(note)
    assert read_folder(host.place.path, lambda view, _: view.size()) == events
    with closing(connect(address, role=OWNER)) as connection:
        connection.execute("VACUUM ANALYZE")  # as the server does by itself, sooner or later
    return host


def _fill(connection: Connection, host: Host, *, events: int, nodes: int) -> bytes:
    mapper, builder, note = EnvelopeMapper(recording()), TreeBuilder(), b""
    history = islice(fleet_history(nodes), events)
    while batch := tuple(islice(history, _BATCH)):
        first, ids = builder.size, [new_id() for _ in batch]
        rows = [mapper.sealed([event], commit_id=ids[at])[0] for at, event in enumerate(batch)]
        hashes = [hash_leaf(row.state) for row in rows]
        notes, filled = list[tuple[int, bytes]](), list[TileRow]()
        for leaf_hash in hashes:
            filled += builder.extend([leaf_hash])
            text = Checkpoint(ORIGIN, builder.size, builder.root()).encode()
            notes.append((builder.size, note := sign_note(text, signers=[host.signer.key])))
        places = [(str(row.originator_id), row.originator_version) for row in rows]
        _copy(
            connection,
            "stored_events",
            [(*place, row.topic, row.state) for place, row in zip(places, rows, strict=True)],
        )
        _copy(connection, "log_leaf", [(first + at, *places[at], leaf) for at, leaf in enumerate(hashes)])
        _copy(connection, "log_commit", [(name, first + at, first + at) for at, name in enumerate(ids)])
        _copy(connection, "log_checkpoint", notes)
        _copy(connection, "log_node", _entries(filled))
    _copy(connection, "log_node", _entries(builder.partial_tiles()))
    return note


def _entries(tiles: Iterable[TileRow]) -> list[tuple[int, int, bytes]]:
    """Return the entries of tiles above the leaves."""
    return [
        (row.tile.level, row.tile.n * WIDTH + at, row.hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE])
        for row in tiles
        if row.tile.level
        for at in range(len(row.hashes) // HASH_SIZE)
    ]


def _copy(connection: Connection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
