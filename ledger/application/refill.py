"""Refill: the exact leaves that a restored ledger lost, taken from who still has them (evidence.md 5.5, point 1).

The tip guard, and the checkpoint that comes with the leaves, say up to which tree this log has
signed. Every lost leaf is checked as a verifier would, and all of them must lead to exactly
those roots, before the first is written: a log never signs a tree that is inconsistent with one
it signed before. Commits come back as they were, so the sizes between are signed again with the
same notes (Ed25519 is deterministic).
"""

from collections.abc import Iterator, Mapping, Sequence

from ledger.application.audit_form import FormCheck
from ledger.application.audit_source import LogSource, StoredLeaf
from ledger.application.leaf_form import LeafReader
from ledger.dataclass import dataclass
from ledger.errors import EvidenceError, RefusedError, UsageError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.tree_builder import TreeBuilder


class NothingLostError(UsageError):
    """The ledger has every event that is known to have been signed."""

    def __init__(self, size: int) -> None:
        super().__init__(
            "no event of this ledger is missing",
            fact=f"it has {size} events, and no newer checkpoint is known",
            hint="leave --refill away",
        )
        self.size = size


class RefillShortError(RefusedError):
    """Who has leaves does not have all that were lost."""

    def __init__(self, size: int, *, guarded: int) -> None:
        super().__init__(
            "the lost events are not all there",
            fact=f"the tip guard holds a signed checkpoint of {guarded} events, this has {size}",
            hint="find a later bundle or copy; nothing was written",
        )
        self.size, self.guarded = size, guarded


class RefillDiffersError(EvidenceError):
    """The leaves are not those that this ledger signed."""

    kind = "failed"

    def __init__(self, where: str, fact: str) -> None:
        super().__init__(
            f"these are not the events that this ledger has lost: {where}",
            fact=fact,
            hint="nothing was written; keep the ledger, its tip guard and this record as they are",
        )


class RefillOvertakenError(RefusedError):
    """Another host records in the ledger that is refilled."""

    def __init__(self) -> None:
        super().__init__(
            "another host has recorded in the ledger while it was refilled",
            fact="behind its events the lost ones have no place; of these nothing more was written",
            hint="stop all hosts, keep their tip guards, and restore the database once more",
        )


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a ledger lost: it ends at *size*; *signed* are newer checkpoints of its own key.

    *versions* say where each stream stands.
    """

    origin: str
    size: int
    signed: tuple[Checkpoint, ...]
    versions: Mapping[bytes, int]

    @property
    def end(self) -> int:
        """The newest size that was signed."""
        return max((checkpoint.size for checkpoint in self.signed), default=0)


@dataclass(frozen=True, kw_only=True)
class Refilled:
    """What came back: the events from *first* on, up to the tree of *size* with *root*."""

    first: int
    size: int
    root: bytes


@dataclass(frozen=True)
class LostRow:
    """One event as it was stored."""

    stream: str
    version: int
    topic: str
    state: bytes


@dataclass(frozen=True)
class LostCommit:
    """The events that were appended together."""

    commit_id: str
    rows: tuple[LostRow, ...]


def lost_commits(source: LogSource, loss: Loss, builder: TreeBuilder) -> tuple[LostCommit, ...]:
    """Return the commits that *loss* is about, from *source*; *builder* holds the tree that is left, and is spent.

    Raises: NothingLostError, RefillShortError, RefillDiffersError; PartMissingError, PartWrongError.
    """
    if loss.end <= loss.size:
        raise NothingLostError(loss.size)
    roots: dict[int, set[bytes]] = {}
    for checkpoint in loss.signed:
        roots.setdefault(checkpoint.size, set()).add(checkpoint.root)
    form = FormCheck(LeafReader(), origin=loss.origin, first=loss.size, versions=loss.versions)
    leaves: list[bytes] = []
    for rows in source.leaves(loss.size, loss.end):
        _extend(builder, form, rows, roots)
        leaves += [row[2] for row in rows if row[2] is not None]
    if builder.size != loss.end or len(leaves) != loss.end - loss.size:
        raise RefillShortError(loss.size + len(leaves), guarded=loss.end)
    if form.suspects():
        raise RefillDiffersError("their identifiers", "one of them may stand there twice")
    return tuple(_commits(leaves))


def _extend(builder: TreeBuilder, form: FormCheck, rows: Sequence[StoredLeaf], roots: dict[int, set[bytes]]) -> None:
    hashes, fault = form.take(rows)
    if fault is not None:
        raise RefillDiffersError(f"event {fault.index}", fault.what)
    for leaf_hash in hashes:
        builder.extend([leaf_hash])
        signed = roots.get(builder.size)
        if signed is not None and signed != {builder.root()}:
            raise RefillDiffersError(f"checkpoint {builder.size}", "they lead to another tree than was signed")


def _commits(leaves: Sequence[bytes]) -> Iterator[LostCommit]:
    read, rows, last = LeafReader(), list[LostRow](), ""
    for leaf in leaves:
        facts = read(leaf, b"")
        commit_id = facts.commit_id.decode()
        if rows and commit_id != last:
            yield LostCommit(last, tuple(rows))
            rows = []
        rows.append(LostRow(facts.stream.decode(), int(facts.version), facts.type.decode(), leaf))
        last = commit_id
    yield LostCommit(last, tuple(rows))
