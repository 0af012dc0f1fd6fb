"""Bringing the history of another ledger into this one, with its proofs (docs/decisions/0024).

A log that was verified before is read twice: once to hold it against what was imported of it
earlier and to see what is new, once to record that. Each new event is carried byte for byte in
the stream that it belongs to; behind which event the other log signed a checkpoint, it is carried
too. A ``LedgerImported`` stands before the first of them.

Nothing is kept beside the record about how far an import got: the carriers that are there tell.
So one that was broken off goes on when it is run again, one that is run twice has nothing to do,
and one whose source has grown records what is new. A source that is no extension of what was
imported before is a fork, and is never written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from ledger.application.import_original import Original, anchor_lines, spoken, survey
from ledger.application.record_ports import Disclosure
from ledger.application.release_ledger import StreamConflictError
from ledger.dataclass import dataclass
from ledger.domain.envelope import unseal
from ledger.domain.events import EventImported
from ledger.domain.imported import carried, carried_leaf, note_lines
from ledger.domain.ledger_events import (
    LEDGER_STREAM,
    AnyEvent,
    AnyImported,
    ImportForm,
    LedgerEventImported,
    LedgerImported,
)
from ledger.domain.records import Context
from ledger.errors import EvidenceError, RefusedError
from ledger.tlog.merkle import hash_leaf

BATCH = 200
_TRIES = 25
_SHOWN = 5
Progress = Callable[[int, int], None]
ContextOf = Callable[[str | None], Context]


class OwnLedgerError(RefusedError):
    """A ledger would be imported into itself."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"{origin} is the ledger that it would be imported into",
            fact="its events are there already, under the same name",
            hint="name another source, or the other ledger with --ledger",
        )
        self.origin = origin


class StreamTakenError(RefusedError):
    """Streams of the source have another history in the receiving ledger."""

    def __init__(self, taken: Mapping[str, str]) -> None:
        rows = [f"{stream} {why}" for stream, why in sorted(taken.items())]
        count = "1 installation" if len(rows) == 1 else f"{len(rows)} installations"
        super().__init__(
            f"the ledger has another history of {count}",
            fact="; ".join((*rows[:_SHOWN], *(["…"] if len(rows) > _SHOWN else []))),
            hint="two histories of one installation cannot become one; import into a ledger that does not have it",
        )
        self.taken = dict(taken)


class ImportForkError(EvidenceError):
    """The source is not an extension of what was imported of it before."""

    kind = "failed"

    def __init__(self, origin: str, index: int) -> None:
        super().__init__(
            f"event {index} of {origin} is another one than was imported before",
            fact="both are signed under one name: that log was rewritten after it was imported, or it went two ways",
            hint="nothing was written; keep the source and this ledger as they are, and find out which one others hold",
        )
        self.origin, self.index = origin, index


class ImportBrokenError(EvidenceError):
    """What was imported before is not whole."""

    kind = "failed"

    def __init__(self, origin: str, index: int) -> None:
        super().__init__(
            f"event {index} of {origin} is missing among those that were imported",
            fact="an import records them in their order, without a gap",
            hint="nothing was written; run `release-ledger verify`",
        )


class Receiver(Protocol):
    """The ledger that receives."""

    def stored(self, stream: str) -> Iterator[AnyEvent]:
        """Yield the events of one stream as they are stored: an imported one as its carrier."""
        ...

    def record(self, events: Sequence[AnyEvent], *, private: Sequence[Disclosure] = ()) -> tuple[int, ...]:
        """Append *events* in one commit, keep *private* with it, and return their leaf indexes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import came to: the events from *first* up to the tree of *size* are new; *events* are where they stand.

    *streams* are those of the source.
    """

    origin: str
    first: int
    size: int
    root: bytes
    streams: tuple[str, ...]
    disclosed: int
    events: tuple[int, ...]


class _Standing:
    """What the receiving ledger has of one origin, and where the streams stand that it concerns."""

    def __init__(self) -> None:
        self.hashes: dict[int, bytes] = {}
        self.versions: dict[str, int] = {}
        self.others: dict[str, str] = {}
        self.promised = 0

    def place(self, stream: str) -> int:
        """Return the next version of *stream*, and count it."""
        self.versions[stream] = self.versions.get(stream, 0) + 1
        return self.versions[stream]


class Import:
    """One import of *original* into *receiver*, whose own origin is *into*."""

    def __init__(self, original: Original, receiver: Receiver, *, into: str) -> None:
        if original.origin == into:
            raise OwnLedgerError(into)
        self._original, self._receiver = original, receiver
        self._survey = survey(original)

    def check(self) -> int:
        """Return the number of events that are new.

        Raises: StreamTakenError, ImportForkError, ImportBrokenError.
        """
        return self._original.size - self._planned()[1]

    def run(self, *, context: ContextOf, progress: Progress) -> Imported:
        """Record what is new, batch by batch; what another writer was quicker with is looked at anew.

        Raises: as ``check``; SourceChangedError; StreamConflictError where others write all the time; the errors of
        recording.
        """
        original, recorded = self._original, list[int]()
        standing, begun = self._planned()
        first, tries, disclosed = begun, 0, 0
        while first < original.size:
            try:
                for indexes, private in self._recorded(standing, first, context):
                    recorded += indexes
                    disclosed, tries = disclosed + private, 0
                    progress(len(standing.hashes), original.size)
            except StreamConflictError:
                tries += 1
                if tries > _TRIES:
                    raise
            standing, first = self._planned()  # what is there now, whoever wrote it
        return Imported(
            origin=original.origin,
            first=begun,
            size=original.size,
            root=original.root,
            streams=tuple(stream for stream in self._survey.streams if stream != LEDGER_STREAM),
            disclosed=disclosed,
            events=tuple(recorded),
        )

    def _planned(self) -> tuple[_Standing, int]:
        """Return how the receiver stands, and the first event that it does not have."""
        original, known = self._original, self._survey
        standing = _standing(self._receiver, original.origin, known.streams)
        first = len(standing.hashes)
        for index in range(first):
            if index not in standing.hashes:
                raise ImportBrokenError(original.origin, index)
            if index < original.size and standing.hashes[index] != known.hash_at(index):
                raise ImportForkError(original.origin, index)
        first = min(first, original.size)
        if original.form is not ImportForm.SPOOL:
            new = {stream for stream, last in known.streams.items() if last >= first}
            taken = {stream: why for stream, why in standing.others.items() if stream in new}
            if taken:
                raise StreamTakenError(taken)
        return standing, first

    def _recorded(self, standing: _Standing, first: int, context: ContextOf) -> Iterator[tuple[tuple[int, ...], int]]:
        """Record the events from *first* on; yield, for each commit, where they stand and the personal values in it."""
        original = self._original
        private = original.disclosures
        head: list[AnyEvent] = []
        if standing.promised != original.size:
            head.append(self._announced(standing, first, private, context))
        leaves = self._survey.leaves(first)
        while batch := tuple(islice(leaves, BATCH)):
            events = [*head, *(self._carrier(standing, index, leaf, note, context) for index, leaf, note in batch)]
            told = spoken((leaf for _, leaf, _ in batch), private)
            indexes = self._receiver.record(events, private=told)
            standing.hashes.update((index, hash_leaf(leaf)) for index, leaf, _ in batch)
            head = []
            yield indexes, len(told)

    def _announced(
        self, standing: _Standing, first: int, private: Mapping[str, Disclosure], context: ContextOf
    ) -> LedgerImported:
        original = self._original
        leaves = (leaf for _, leaf, _ in self._survey.leaves(first))
        return LedgerImported(
            originator_version=standing.place(LEDGER_STREAM),
            context=context(None),
            origin=original.origin,
            vkeys=original.vkeys,
            form=str(original.form),
            first=first,
            tree_size=original.size,
            root_sha256=original.root.hex(),
            checkpoint=note_lines(original.note),
            anchors=tuple(anchor_lines(original)),
            disclosed=len(spoken(leaves, private)),
        )

    def _carrier(
        self, standing: _Standing, index: int, leaf: bytes, note: bytes | None, context: ContextOf
    ) -> AnyImported:
        envelope = unseal(leaf).envelope
        stream, node = envelope["stream"], envelope.get("node")
        kind: type[AnyImported] = LedgerEventImported if stream == LEDGER_STREAM else EventImported
        member = carried(leaf)
        return kind(
            originator_id=stream,
            originator_version=standing.place(stream),
            context=context(node),
            origin=self._original.origin,
            index=index,
            leaf=member.get("leaf", ()),
            leaf_deflated=member.get("leaf_deflated", ()),
            checkpoint=note_lines(note) if note is not None else (),
        )


def _standing(receiver: Receiver, origin: str, streams: Iterable[str]) -> _Standing:
    standing = _Standing()
    for stream in dict.fromkeys((LEDGER_STREAM, *streams)):
        for event in receiver.stored(stream):
            standing.versions[stream] = event.originator_version
            if isinstance(event, AnyImported) and event.origin == origin:
                standing.hashes[event.index] = hash_leaf(carried_leaf(vars(event)))
            elif isinstance(event, LedgerImported) and event.origin == origin:
                standing.promised = event.tree_size
            elif stream != LEDGER_STREAM and stream not in standing.others:
                standing.others[stream] = _why(event)
    return standing


def _why(event: AnyEvent) -> str:
    if isinstance(event, AnyImported):
        return f"was imported from {event.origin}"
    return "has events of this ledger's own"
