"""What a report says, gathered from one state of a record.

The record is a ledger, or a bundle read into the same tables. What the page recomputes (events,
hashes, checkpoints) is taken as it is stored: a record that was altered gives a page that says
so. Everything else is derived here from the same events, and numbers them.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from cli.report.exceptions import Exceptional, exceptions_of
from cli.report.population import Population, population_of
from cli.report.states import State, states_of
from ledger.application.bundle import HeldCopy, tree_of
from ledger.dataclass import dataclass
from ledger.errors import UsageError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError
from ledger.tlog.note import Note
from ledger.tlog.vkey import Vkey
from projections.attempts import Attempt
from projections.evidence import EvidenceReader, EvidenceReadError, UnsignedRecordError
from projections.history import HistoryFilter, Line
from projections.read import StoredEvent, read_events
from projections.view import View

MOST_EVENTS = 5_000


class TooManyEventsError(UsageError):
    """More events are wanted than a page can check without making its reader wait."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} events are too many for one page",
            fact=f"a page holds and checks {MOST_EVENTS} events at most",
            hint="narrow it: --since and --until for a period, --node, -n 5000 for the newest; "
            "`release-ledger verify` checks a record of any size",
        )
        self.count = count


class NothingToReportError(UsageError):
    """No event is what was asked for."""

    def __init__(self) -> None:
        super().__init__(
            "there is no event to report", fact="no event is what was asked for", hint="see `release-ledger log`"
        )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the report is of: *filters* with the *words* in which they were typed, and a sample."""

    filters: HistoryFilter
    words: tuple[str, ...] = ()
    sample: int | None = None
    seed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the record came from and what made the page; *key_from* says who gave the key."""

    source: str
    vkey: Vkey | None
    key_from: str
    tool: str
    made_at: str


@dataclass(frozen=True)
class Piece:
    """The *digest* over the 2^*level* events from *index* * 2^*level* on, none of which is in the page."""

    level: int
    index: int
    digest: bytes


class Package(NamedTuple):
    """A package that was read, and the events that name it."""

    name: str
    size: int
    sha256: str
    signature: str
    events: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a page shows; *events* are oldest first, each with its line."""

    origin: Origin
    wanted: Wanted
    checkpoint: Checkpoint
    notes: tuple[bytes, ...]
    events: tuple[tuple[Line, StoredEvent], ...]
    pieces: tuple[Piece, ...]
    attempts: Mapping[str, Attempt]
    held: tuple[HeldCopy, ...]
    states: tuple[State, ...] | None
    exceptions: tuple[Exceptional, ...]
    population: Population
    packages: tuple[Package, ...]

    @property
    def whole(self) -> bool:
        """Tell whether every event of the signed tree is in the page."""
        return len(self.events) == self.checkpoint.size

    @property
    def lines(self) -> tuple[Line, ...]:
        """The line of every event."""
        return tuple(line for line, _ in self.events)

    @property
    def held_size(self) -> int:
        """How many events the newest note covers of which others hold a copy."""
        return max((copy.size for copy in self.held), default=0)


def gather(view: View, ledger: sqlite3.Connection, *, wanted: Wanted, origin: Origin) -> Report:
    """Return the report on what is *wanted* of a record.

    Raises: TooManyEventsError, NothingToReportError; the errors of reading a record and of its tree.
    """
    reader = EvidenceReader(ledger)
    checkpoint = checkpoint_of(reader.note(view.size()))
    chosen = (line for line in view.lines(wanted.filters, oldest_first=True) if line.number < checkpoint.size)
    lines = tuple(islice(chosen, MOST_EVENTS))
    if not lines:
        raise NothingToReportError
    if more := sum(1 for _ in chosen):
        raise TooManyEventsError(MOST_EVENTS + more)
    events = tuple(zip(lines, _events(ledger, lines), strict=True))
    whole = len(lines) == checkpoint.size
    attempts = {line.attempt: row for line in lines if line.attempt and (row := view.attempt(line.attempt))}
    return Report(
        origin=origin,
        wanted=wanted,
        checkpoint=checkpoint,
        notes=tuple(_notes(reader, checkpoint.size)) if whole else (reader.note(checkpoint.size),),
        events=events,
        pieces=() if whole else tuple(_pieces(reader, checkpoint, [line.number for line in lines])),
        attempts=attempts,
        held=tuple(_held(reader, checkpoint)),
        states=() if whole else _states(view, lines, wanted),
        exceptions=exceptions_of(
            events, open_attempts=[name for name, row in attempts.items() if row.outcome == "open"]
        ),
        population=population_of(lines, attempts=attempts, sample=wanted.sample, seed=wanted.seed),
        packages=tuple(_packages(events)),
    )


def _held(reader: EvidenceReader, checkpoint: Checkpoint) -> Iterator[HeldCopy]:
    """Yield the copies of notes on this tree: any other says nothing of who holds it."""
    copies = reader.held_copies(checkpoint.size)
    tree = tree_of(checkpoint, reader) if copies else None
    for copy in copies:
        with suppress(FormatError):
            found = Checkpoint.parse(Note.parse(copy.note).text)
            place = (found.origin, found.size)
            if tree is not None and place == (checkpoint.origin, copy.size) and found.root == tree.root(copy.size):
                yield copy


def _states(view: View, lines: Sequence[Line], wanted: Wanted) -> tuple[State, ...] | None:
    """Return what the script of a page of some events cannot fold from them."""
    return states_of(view, first=lines[0].number, last=lines[-1].number, node=wanted.filters.node)


def _events(ledger: sqlite3.Connection, lines: Sequence[Line]) -> Iterator[StoredEvent]:
    """Yield the events of *lines*, those that follow each other in one reading."""
    start = 0
    while start < len(lines):
        stop = start + 1
        while stop < len(lines) and lines[stop].number == lines[stop - 1].number + 1:
            stop += 1
        yield from read_events(ledger, start=lines[start].number, stop=lines[stop - 1].number + 1)
        start = stop


def checkpoint_of(note: bytes) -> Checkpoint:
    """Return what a stored note says.

    Raises: EvidenceReadError.
    """
    try:
        return Checkpoint.parse(Note.parse(note).text)
    except FormatError as exc:
        raise EvidenceReadError(exc.fact) from exc


def _notes(reader: EvidenceReader, size: int) -> Iterator[bytes]:
    """Yield every stored note up to *size*, the newest first."""
    while size:
        try:
            note = reader.note(size)
        except UnsignedRecordError:
            return
        yield note
        size = min(size, checkpoint_of(note).size) - 1


def _pieces(reader: EvidenceReader, checkpoint: Checkpoint, numbers: Sequence[int]) -> Iterator[Piece]:
    tree = tree_of(checkpoint, reader)
    for start, stop in zip((0, *(n + 1 for n in numbers)), (*numbers, checkpoint.size), strict=True):
        for level, index in subtrees(start, stop):
            yield Piece(level, index, tree.read_hash(level, index))


def subtrees(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield level and index of the largest complete subtrees that cover the leaves *start* to *stop* - 1."""
    while start < stop:
        level = (stop - start).bit_length() - 1
        if start:  # a subtree of 2^level leaves begins at a multiple of that
            level = min(level, (start & -start).bit_length() - 1)
        yield level, start >> level
        start += 1 << level


def _packages(events: Sequence[tuple[Line, StoredEvent]]) -> Iterator[Package]:
    found: dict[tuple[str, str], tuple[Mapping[str, object], list[int]]] = {}
    for line, stored in events:
        package = stored.data.get("package")
        if isinstance(package, Mapping):
            key = (str(package["name"]), str(package["sha256"]))
            found.setdefault(key, (package, []))[1].append(line.number)
    for (name, digest), (package, numbers) in sorted(found.items()):
        size = package["size"]
        yield Package(name, int(str(size)), digest, str(package["signature"]), tuple(numbers))
