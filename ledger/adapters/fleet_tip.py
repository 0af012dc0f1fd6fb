"""Mending the tip of a ledger in PostgreSQL, by one of the hosts that record in it (evidence.md 5.4 and 5.5).

What is in doubt is this host's own guard: those of the others speak for themselves. What other hosts
record behind the tip that was verified is followed as in any append.

A database that was put back from a backup is refilled from a bundle, or from a replica that still has
the end. All of it is checked before the first event is written. A note comes back as it was signed where
the source has it: a replica has all of them, a bundle the one of its end, the guard of this host its
own. The sizes between are signed by this host, which has no other key (docs/decisions/0027).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from eventsourcing.persistence import StoredEvent

from ledger.adapters.audit_postgres import open_served
from ledger.adapters.postgres import LedgerDatastore, LedgerRecorder
from ledger.adapters.postgres_head import asked_head, head_in
from ledger.adapters.postgres_place import HostPlace, HostSigner
from ledger.adapters.postgres_server import reached
from ledger.adapters.postgres_tree import FleetTree
from ledger.adapters.refill import HeldBack, loss_of, newest_note, record_at, require_left
from ledger.adapters.signatures import PRIMITIVES
from ledger.adapters.tip_desk import TipDesk
from ledger.adapters.tip_guard import (
    TipDoubtedError,
    TipGuard,
    TipLostError,
)
from ledger.application.audit_source import LogSource
from ledger.application.audit_walk import SourceTiles
from ledger.application.doubtful_tip import DoubtfulTip
from ledger.application.refill import (
    Loss,
    LostCommit,
    RefillDiffersError,
    Refilled,
    RefillOvertakenError,
    lost_commits,
)
from ledger.tlog.checkpoint import Checkpoint, OpenedCheckpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.note import Note, SignatureError
from ledger.tlog.policy import Log, Policy
from ledger.tlog.tree_builder import TreeBuilder

_SERVERS = ("postgresql://", "postgres://")


class FleetTipDesk(TipDesk):
    """The tip of the ledger in PostgreSQL as the host with *places* sees it."""

    def __init__(self, places: HostPlace) -> None:
        super().__init__(places)
        self._host = places

    def doubt(self) -> DoubtfulTip | None:
        """Return what is in doubt about the tip; None where the guard vouches for it, or nothing is recorded.

        Raises: TipRollbackError, TipRewrittenError, TipKeyError, CheckpointDiffersError; GuardAccessError; the errors
        of the key and of reaching the server; SignatureError, FormatError.
        """
        places = self._host
        held = places.guard.read()
        with reached(places.address) as connection, connection.transaction(), connection.cursor() as c:
            c.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            head = head_in(asked_head(connection))
            if not head.size and not head.signed:
                return None
            tree = FleetTree(places.read_signer(), _Looked(places.tip))
            tip = tree.open(head.note, c)
            try:
                tree.check(head, c)
            except TipDoubtedError as exc:
                return exc.about(tip, newest=head.note, held=held, place=places.tip / "tip")
        return None

    def refill(self, source: str, *, wait: float) -> Refilled:
        """Put back what was lost, from the bundle at *source* or the replica whose address it is.

        Raises: as ``ledger.adapters.refill.refill``; RefillOvertakenError; the errors of reaching a server.
        """
        places = self._host
        with places.turn.hold("recover --refill", wait=wait), _record(source) as record:
            return _Refill(places, record).run()


class _Looked(TipGuard):
    """The guard of this host, to be looked at only."""

    def advance(self, note: bytes) -> None:
        """Do nothing: the next commit does it."""


@contextmanager
def _record(source: str) -> Iterator[LogSource]:
    with open_served(source) if source.startswith(_SERVERS) else record_at(Path(source)) as record:
        yield record


class _Refill:
    """One refill of the ledger of *places* from *record*."""

    def __init__(self, places: HostPlace, record: LogSource) -> None:
        self._places = places
        self._record = record
        self._signer = places.read_signer()
        self._hosts = Policy(tuple(map(Log, (self._signer.key.vkey, *places.fleet_keys()))), (), (), None)

    def run(self) -> Refilled:
        """Check all of it, write it, and let the guard follow."""
        places, offered = self._places, newest_note(self._record) or b""
        with open_served(places.address) as own:
            newest, guarded = newest_note(own), places.guard.read()
            if guarded is None:
                raise TipLostError(own.size())
            loss = loss_of(own, self._signer.name, opened=self._checkpoint, notes=(guarded, offered))
            builder, left = (TreeBuilder.resume(loss.size, reader=SourceTiles(own)) for _ in range(2))
        require_left(newest, self._checkpoint, builder)
        commits = lost_commits(self._record, loss, builder)
        roots = _roots(commits, left)
        notes = self._notes(loss, roots, (guarded, offered))
        guard = HeldBack(newest)
        self._write(commits, guard, _RefilledTree(self._signer, guard, notes=notes, roots=roots))
        if self._checkpoint(guarded).size < loss.end:
            places.guard.swap(notes[loss.end])
        return Refilled(first=loss.size, size=loss.end, root=builder.root())

    def _opened(self, note: bytes) -> OpenedCheckpoint:
        return self._hosts.open_checkpoint(note, primitives=PRIMITIVES).opened

    def _checkpoint(self, note: bytes) -> Checkpoint:
        return self._opened(note).checkpoint

    def _notes(self, loss: Loss, roots: Mapping[int, bytes], known: tuple[bytes, bytes]) -> Mapping[int, bytes]:
        """Return the notes of lost sizes that are there, each with those lines only that a host signed.

        Raises: RefillDiffersError.
        """
        kept: dict[int, bytes] = {}
        for note in (*(note for _, note in self._record.checkpoints(loss.size)), *known):
            try:
                opened = self._opened(note)
            except SignatureError as exc:
                raise RefillDiffersError("one of its checkpoints", f"{exc}: {exc.fact}") from exc
            found = opened.checkpoint
            if not loss.size < found.size <= loss.end:
                continue
            if roots.get(found.size) != found.root:
                raise RefillDiffersError(f"checkpoint {found.size}", "no commit ends there in that tree")
            kept[found.size] = Note(opened.text, opened.log_signatures).encode()
        return kept

    def _write(self, commits: Sequence[LostCommit], guard: HeldBack, tree: FleetTree) -> None:
        datastore = LedgerDatastore(self._places.address)
        try:
            recorder = LedgerRecorder(datastore, guard=guard, tree=tree)
            for commit in commits:
                events = [StoredEvent(row.stream, row.version, row.topic, row.state) for row in commit.rows]
                recorder.insert_events(events, commit_id=commit.commit_id)
        finally:
            datastore.close()


class _RefilledTree(FleetTree):
    """A tree that reaches the *roots* which were signed before, with the *notes* that are there, or not at all."""

    def __init__(
        self, signer: HostSigner, guard: HeldBack, *, notes: Mapping[int, bytes], roots: Mapping[int, bytes]
    ) -> None:
        super().__init__(signer, guard)
        self._notes = notes
        self._roots = roots

    def signed(self, checkpoint: Checkpoint) -> bytes:
        """Return the note that was signed before, or one by this host.

        Raises: RefillOvertakenError where the tree is another: then nothing of the commit is stored.
        """
        if self._roots.get(checkpoint.size) != checkpoint.root:
            raise RefillOvertakenError
        return self._notes.get(checkpoint.size) or super().signed(checkpoint)


def _roots(commits: Sequence[LostCommit], builder: TreeBuilder) -> Mapping[int, bytes]:
    """Return the root at the end of each commit; *builder* holds the tree before, and is spent."""
    roots: dict[int, bytes] = {}
    for commit in commits:
        builder.extend([hash_leaf(row.state) for row in commit.rows])
        roots[builder.size] = builder.root()
    return roots
