"""Refilling a ledger in SQLite from a bundle or from another copy of its database.

It goes on where a refill broke off: each commit comes back in a transaction of its own, and its
note is the one that was signed before, so nothing that a break leaves contradicts anything.
"""

from collections import deque
from collections.abc import Callable, Iterator
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
from ledger.application.refill import (
    Loss,
    LostCommit,
    RefillDiffersError,
    Refilled,
    RefillOvertakenError,
    RefillShortError,
    lost_commits,
)
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.note import SignatureError
from ledger.tlog.tree_builder import TreeBuilder

Opened = Callable[[bytes], Checkpoint]
"""What opens a note that the ledger signed."""


class HeldBack:
    """A tip guard for the time of a refill: the real one is ahead of the database (a ``record_ports.Guard``)."""

    def __init__(self, note: bytes | None) -> None:
        self._note = note

    def read(self) -> bytes | None:
        """Return the note up to which it came back."""
        return self._note

    def swap(self, note: bytes) -> None:
        """Take the note of what came back."""
        self._note = note

    advance = swap

    def pass_over(self, note: bytes) -> None:  # noqa: ARG002 # whatever it is
        """Refuse commits of other hosts: behind them the lost events have no place.

        Raises: RefillOvertakenError.
        """
        raise RefillOvertakenError


def refill(places: LedgerFolder, bundle: Path, *, wait: float) -> Refilled:
    """Put back into the ledger in *places* what it lost, from *bundle*.

    Raises: LockedError, TipLostError, NothingLostError, RefillShortError, RefillDiffersError; PartMissingError,
    PartWrongError; the errors of the store, of the key and of the guard.
    """
    key = places.read_key()

    def opened(note: bytes) -> Checkpoint:
        return open_checkpoint(note, logs=(key,)).checkpoint

    with places.turn.hold("recover --refill", wait=wait), record_at(bundle) as source:
        with open_source(places.database) as own:
            newest = newest_note(own)
            guarded = places.guard.read()
            if guarded is None:
                raise TipLostError(own.size())
            note = newest_note(source) or b""
            loss = loss_of(own, key.origin, opened=opened, notes=(guarded, note))
            builder = TreeBuilder.resume(loss.size, reader=SourceTiles(own))
        require_left(newest, opened, builder)
        commits = lost_commits(source, loss, builder)
        _write(places, key, commits, newest=newest)
        if opened(guarded).size < loss.end:
            places.guard.swap(note)
    return Refilled(first=loss.size, size=loss.end, root=builder.root())


@contextmanager
def record_at(path: Path) -> Iterator[LogSource]:
    """Give the record at *path*, a bundle or another copy of the database.

    Raises: PartMissingError, PartWrongError.
    """
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


def newest_note(source: LogSource) -> bytes | None:
    """Return the newest note of a record."""
    return next(iter(deque((note for _, note in source.checkpoints(-1)), maxlen=1)), None)


def loss_of(own: LogSource, origin: str, *, opened: Opened, notes: tuple[bytes, bytes]) -> Loss:
    """Return what the ledger *own* lost by what its guard and the record that is offered say, *notes* in this order.

    Raises: RefillDiffersError, RefillShortError; FormatError.
    """
    size = own.size() or 0
    try:
        signed = tuple(map(opened, notes))
    except SignatureError as exc:
        raise RefillDiffersError("its checkpoint", f"{exc}: {exc.fact}") from exc
    guarded, offered = signed
    if offered.size < guarded.size > size:
        raise RefillShortError(offered.size, guarded=guarded.size)
    return Loss(origin=origin, size=size, signed=signed, versions=own.versions_before(size) or {})


def require_left(newest: bytes | None, opened: Opened, builder: TreeBuilder) -> None:
    """Require that what is left is the tree that was signed for it.

    Raises: RefillDiffersError; SignatureError, FormatError.
    """
    left = opened(newest) if newest is not None else None
    if (left.size, left.root) != (builder.size, builder.root()) if left else builder.size:
        raise RefillDiffersError("what is left", "its tree is not that of its newest checkpoint; run `verify`")


def _write(places: LedgerFolder, key: LogKey, commits: tuple[LostCommit, ...], *, newest: bytes | None) -> None:
    datastore = LedgerDatastore(places.database)
    try:
        recorder = LedgerRecorder(datastore, signer=key, guard=HeldBack(newest))
        for commit in commits:
            events = [StoredEvent(row.stream, row.version, row.topic, row.state) for row in commit.rows]
            recorder.insert_events(events, commit_id=commit.commit_id)
    finally:
        datastore.close()
