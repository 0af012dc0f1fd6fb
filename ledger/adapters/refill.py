"""Refilling a ledger in SQLite from a bundle or from another copy of its database.

It goes on where a refill broke off: each commit comes back in a transaction of its own, and its
note is the one that was signed before, so nothing that a break leaves contradicts anything.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eventsourcing.persistence import StoredEvent

from ledger.adapters.audit_bundle import BundleSample, bundle_source
from ledger.adapters.audit_files import open_files
from ledger.adapters.audit_place import database_of
from ledger.adapters.audit_sqlite import open_source
from ledger.adapters.keys import LogKey
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.adapters.sqlite import LedgerDatastore, LedgerRecorder
from ledger.adapters.tip_guard import TipLostError
from ledger.application.audit_source import LogSource, PartMissingError
from ledger.application.audit_walk import SourceTiles
from ledger.application.refill import Loss, LostCommit, RefillDiffersError, RefillShortError, lost_commits
from ledger.dataclass import dataclass
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.note import SignatureError
from ledger.tlog.tree_builder import TreeBuilder


@dataclass(frozen=True, kw_only=True)
class Refilled:
    """What came back: the events from *first* on, up to the tree of *size* with *root*."""

    first: int
    size: int
    root: bytes


class _HeldBack:
    """A tip guard for the time of a refill: the real one is ahead of the database (a ``record_ports.Guard``)."""

    def __init__(self, note: bytes | None) -> None:
        self._note = note

    def read(self) -> bytes | None:
        return self._note

    def swap(self, note: bytes) -> None:
        self._note = note

    advance = swap


def refill(places: LedgerFolder, bundle: Path, *, wait: float) -> Refilled:
    """Put back into the ledger in *places* what it lost, from *bundle*.

    Raises: LockedError, TipLostError, NothingLostError, RefillShortError, RefillDiffersError; PartMissingError,
    PartWrongError; the errors of the store, of the key and of the guard.
    """
    key = places.read_key()
    with places.turn.hold("recover --refill", wait=wait), _record(bundle) as source:
        with open_source(places.database) as own:
            newest = _newest(own)
            guarded = places.guard.read()
            if guarded is None:
                raise TipLostError(own.size())
            note = _newest(source) or b""
            loss = _loss(own, key, (guarded, note))
            builder = TreeBuilder.resume(loss.size, reader=SourceTiles(own))
        _require_left(newest, key, builder)
        commits = lost_commits(source, loss, builder)
        _write(places, key, commits, newest=newest)
        if open_checkpoint(guarded, logs=(key,)).checkpoint.size < loss.end:
            places.guard.swap(note)
    return Refilled(first=loss.size, size=loss.end, root=builder.root())


@contextmanager
def _record(path: Path) -> Iterator[LogSource]:
    database = database_of(path)
    if database is not None:
        with open_source(database) as source:
            yield source
        return
    with open_files(path) as files:
        found = bundle_source(files)
        if isinstance(found, BundleSample):
            raise PartMissingError(str(path), fact="it is a sample, which does not have all events")
        yield found


def _newest(source: LogSource) -> bytes | None:
    return next(iter(deque((note for _, note in source.checkpoints(-1)), maxlen=1)), None)


def _loss(own: LogSource, key: LogKey, notes: tuple[bytes, bytes]) -> Loss:
    size = own.size() or 0
    try:
        signed = tuple(open_checkpoint(note, logs=(key,)).checkpoint for note in notes)
    except SignatureError as exc:
        raise RefillDiffersError("its checkpoint", f"{exc}: {exc.fact}") from exc
    guarded, offered = signed
    if offered.size < guarded.size > size:
        raise RefillShortError(offered.size, guarded=guarded.size)
    return Loss(origin=key.origin, size=size, signed=signed, versions=own.versions_before(size) or {})


def _require_left(newest: bytes | None, key: LogKey, builder: TreeBuilder) -> None:
    """Require that what is left is the tree that was signed for it."""
    left: Checkpoint | None = open_checkpoint(newest, logs=(key,)).checkpoint if newest is not None else None
    if (left.size, left.root) != (builder.size, builder.root()) if left else builder.size:
        raise RefillDiffersError("what is left", "its tree is not that of its newest checkpoint; run `verify`")


def _write(places: LedgerFolder, key: LogKey, commits: tuple[LostCommit, ...], *, newest: bytes | None) -> None:
    datastore = LedgerDatastore(places.database)
    try:
        recorder = LedgerRecorder(datastore, signer=key, guard=_HeldBack(newest))
        for commit in commits:
            events = [StoredEvent(row.stream, row.version, row.topic, row.state) for row in commit.rows]
            recorder.insert_events(events, commit_id=commit.commit_id)
    finally:
        datastore.close()
