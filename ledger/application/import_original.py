"""A log that is to be imported: what it holds, read twice, and the same both times.

Its first reading gives the hash of each event and which streams there are; the tree over those
hashes must be the one that was verified. The second gives the events that are new, each held
against its hash again, with the checkpoint that ended a commit with it.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from ledger.application.audit_source import LogSource
from ledger.application.leaf_form import LeafReader
from ledger.application.record_ports import Disclosure
from ledger.dataclass import dataclass
from ledger.domain.imported import CarrierError, carried, commitments_in, note_lines
from ledger.domain.ledger_events import ImportForm
from ledger.errors import EvidenceError, RefusedError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.note import Note
from ledger.tlog.tree_builder import TreeBuilder

_ANCHOR_BYTES = 16_000
_HASH = 32
_LARGE = 20_000


class LeafTooLargeError(RefusedError):
    """An event of the source cannot be carried in another one."""

    def __init__(self, origin: str, index: int, fact: str) -> None:
        super().__init__(
            f"event {index} of {origin} is too large to be imported",
            fact=fact,
            hint="nothing was written; keep that ledger as it is, and its evidence as a bundle",
        )
        self.origin, self.index = origin, index


class SourceChangedError(EvidenceError):
    """The source is not what was verified a moment ago."""

    kind = "undecided"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"the source of {origin} changed while it was read",
            fact="its events are not those that were verified",
            hint="run the command again, on a source that nobody writes; what was recorded so far stays",
        )


@dataclass(frozen=True, kw_only=True)
class Original:
    """A log that was verified: *size* events with *root*, by *vkeys*; *note* is its newest checkpoint."""

    source: LogSource
    origin: str
    size: int
    root: bytes
    note: bytes
    vkeys: tuple[str, ...]
    form: ImportForm = ImportForm.IMPORT

    @property
    def disclosures(self) -> Mapping[str, Disclosure]:
        """The personal values that the source has, by commitment."""
        return {
            row.commitment: Disclosure(row.commitment, row.salt, row.value)
            for row in self.source.disclosures()
            if row.salt is not None and row.value is not None
        }


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the first reading of *original* told: the hash of each event, and the last index of each stream."""

    original: Original
    hashes: bytes
    streams: Mapping[str, int]

    def hash_at(self, index: int) -> bytes:
        """Return the hash of one event."""
        return self.hashes[index * _HASH : (index + 1) * _HASH]

    def leaves(self, first: int) -> Iterator[tuple[int, bytes, bytes | None]]:
        """Yield the leaves from *first* on, each with the checkpoint that ended a commit with it.

        Raises: SourceChangedError for a leaf that is not the one that was verified.
        """
        original = self.original
        notes = _notes(original.source, first)
        size, note = next(notes, (original.size, original.note))
        for rows in original.source.leaves(first, original.size):
            for index, _, leaf, *_ in rows:
                if leaf is None or hash_leaf(leaf) != self.hash_at(index):
                    raise SourceChangedError(original.origin)
                while size < index + 1:
                    size, note = next(notes, (original.size, original.note))
                yield index, leaf, note if size == index + 1 else None


def survey(original: Original) -> Survey:
    """Return what *original* holds; its tree must be the one that was verified.

    Raises: SourceChangedError, LeafTooLargeError.
    """
    read, hashes, streams = LeafReader(), bytearray(), dict[str, int]()
    for rows in original.source.leaves(0, original.size):
        for index, _, leaf, _, _, topic in rows:
            if leaf is None:
                raise SourceChangedError(original.origin)
            if len(leaf) > _LARGE:
                _require_room(original.origin, index, leaf)
            hashes += sha256(b"\0" + leaf).digest()
            streams[read(leaf, topic or b"").stream.decode()] = index
    builder = TreeBuilder()
    builder.extend([bytes(hashes[at : at + _HASH]) for at in range(0, len(hashes), _HASH)])
    if builder.root() != original.root or builder.size != original.size:
        raise SourceChangedError(original.origin)
    return Survey(original=original, hashes=bytes(hashes), streams=streams)


def spoken(leaves: Iterable[bytes], private: Mapping[str, Disclosure]) -> tuple[Disclosure, ...]:
    """Return the personal values that *leaves* speak of."""
    if not private:
        return ()
    found = (commitment for leaf in leaves for _, commitment in commitments_in(leaf))
    return tuple(private[commitment] for commitment in dict.fromkeys(found) if commitment in private)


def anchor_lines(original: Original) -> Iterator[str]:
    """Yield the lines of the newest note by each set of others, as far as they fit."""
    newest: dict[frozenset[tuple[str, bytes]], tuple[int, bytes]] = {}
    for held in original.source.anchors():
        try:
            note = Note.parse(held.data)
            found = Checkpoint.parse(note.text)
        except EvidenceError:
            continue  # a receipt of another kind, such as a line for syslog
        others = frozenset((line.name, line.key_id) for line in note.signatures if line.name != original.origin)
        if found.origin == original.origin and others and found.size <= original.size:
            newest[others] = max(newest.get(others, (0, b"")), (found.size, held.data))
    room = _ANCHOR_BYTES
    for _, data in sorted(newest.values(), reverse=True):
        room -= len(data)
        if room >= 0:
            yield from note_lines(data)


def _require_room(origin: str, index: int, leaf: bytes) -> None:
    try:
        carried(leaf)
    except CarrierError as exc:
        raise LeafTooLargeError(origin, index, exc.fact) from exc


def _notes(source: LogSource, first: int) -> Iterator[tuple[int, bytes]]:
    for size, note in source.checkpoints(first):
        yield Checkpoint.parse(Note.parse(note).text).size if size is None else size, note
