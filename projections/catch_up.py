"""Catching up: a view takes what the log has and it has not, in batches, in the order of the log.

Each batch is one transaction that begins by reading how far the view is, so two processes that
catch up at once take turns and fold every event once. A view whose last event is not the one
that the log has there (another ledger, a restored one) is folded afresh. So is a damaged one,
silently: nothing in it is evidence. A reader who may not write reads a view that is up to date where
it lies, else folds what is missing in one of his own. A ledger in PostgreSQL has its view in the
database; a host falls back on a file of its own where that one cannot be read.

Folding needs the domain; a view that is up to date is read without importing it.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from ledger.errors import CheckFailedError
from projections.attempts import Attempt, evolve_attempt, outcome_of
from projections.history import Clock, Line, clock_of, line_of
from projections.read import EntryError, StoredEvent, leaf_hash_at, log_size, open_ledger, read_events
from projections.sqlite import SqliteView
from projections.sqlite_store import (
    VIEWS_NAME,
    DamagedViewError,
    OriginRow,
    Tracking,
    attempt_of,
    clear_views,
    create_views,
    fold_of,
    origin_of,
    remove_views,
    store_attempts,
    store_falls,
    store_lines,
    store_nodes,
    store_origins,
    store_states,
    store_stretches,
    store_tracking,
    stored_views,
    tracking_of,
    views_in_memory,
)

if TYPE_CHECKING:
    from ledger.domain.releases import NodeReleases
    from projections.nodes import NodeTable
    from projections.postgres import ServedLedger

BATCH = 1000
Answer = TypeVar("Answer")
Ask = Callable[[SqliteView, sqlite3.Connection], Answer]
_RELEASE_TOPICS = "emqx.release."
_NO_RIGHTS = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
_DAMAGE = (sqlite3.Error, DamagedViewError, ValueError, LookupError, TypeError, AttributeError)


class ListBrokenOffError(CheckFailedError):
    """The view was damaged, or folded afresh by another command, while a list was read from it."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            "the list is not whole: it broke off",
            fact=f"{path}: {cause or 'folded afresh meanwhile'}",
            hint="run it again; the view is made from the record, and nothing recorded is lost",
        )
        self.path = path


def read_folder(folder: Path, ask: Ask[Answer], *, shared: bool = True) -> Answer:
    """Return what *ask* answers, given the view of the ledger in *folder*, caught up, and the ledger.

    *ask* may run again: a view that turns out damaged is folded afresh and asked once more. Without *shared*
    it is a view that other hosts cannot write.
    Raises: whatever ``open_ledger``, ``read_events`` and *ask* raise.
    """
    with streamed_folder(folder, ask, shared=shared) as answer:
        return answer


@contextmanager
def streamed_folder(folder: Path, ask: Ask[Answer], *, shared: bool = True) -> Iterator[Answer]:
    """Give what *ask* answers, as ``read_folder``; lines in the answer can be read for as long as this is open.

    Raises: as ``read_folder``; ListBrokenOffError.
    """
    path = folder / VIEWS_NAME
    with open_ledger(folder) as ledger:
        served = shared and type(ledger) is not sqlite3.Connection
        found = _served_with_answer(ledger, ask) if served else None
        views, answer = found or _view_with_answer(path, ledger, ask)
        with closing(views):
            try:
                yield answer
            except (sqlite3.Error, DamagedViewError) as exc:
                if not _may_not_write(exc):
                    with suppress(OSError):
                        remove_views(path)
                raise ListBrokenOffError(path, str(exc)) from exc


def catch_up(
    views: sqlite3.Connection,
    ledger: sqlite3.Connection,
    *,
    batch: int = BATCH,
    told: Callable[[int], object] = bool,
) -> None:
    """Fold what the log has and the view has not; *told* hears how far it is after each batch.

    Raises: EntryError, UnknownTopicError and their like for an event that cannot be folded; what *told* raises.
    """
    while not _is_current(tracking_of(views), ledger):
        _take(views, ledger, batch)
        told(tracking_of(views).size)


class _Batch:
    """What one batch of events adds to a view."""

    def __init__(self, views: sqlite3.Connection) -> None:
        self._views = views
        self._tracking = tracking_of(views)
        self._nodes: dict[str, tuple[NodeReleases, NodeTable, int, str | None]] = {}
        self._attempts: dict[str, Attempt] = {}
        self._lines: list[tuple[Line, bool | None]] = []
        self._states: list[NodeTable] = []
        self._origins: dict[str, OriginRow] = {}
        self._falls: list[Line] = []
        self._stretches: list[tuple[str, int, str | None]] = []

    def take(self, stored: StoredEvent) -> None:
        """Fold one event."""
        size = self._tracking.size
        if stored.number != size:
            raise EntryError(size, f"the log goes on with event {stored.number}")
        try:
            clock = clock_of(stored)
            self._take_line(stored, clock)
        except (KeyError, TypeError, AttributeError) as exc:
            raise EntryError(stored.number, f"its envelope lacks a member or holds something else: {exc!r}") from exc
        self._tracking = self._tracking._replace(size=size + 1, leaf_hash=stored.leaf_hash)
        if stored.topic.startswith(_RELEASE_TOPICS):
            self._fold(stored)

    def store(self) -> None:
        """Write what was folded."""
        from projections.versions import suspended  # noqa: PLC0415 # as in _fold

        nodes = self._nodes.values()
        store_nodes(self._views, [(table, suspended(node), last, comes) for node, table, last, comes in nodes])
        store_states(self._views, self._states)
        store_lines(self._views, self._lines)
        store_attempts(self._views, self._attempts.values())
        if self._origins:
            store_origins(self._views, self._origins.values())
            store_falls(self._views, self._falls)
        if self._stretches:
            store_stretches(self._views, self._stretches)
        store_tracking(self._views, self._tracking)

    def _take_line(self, stored: StoredEvent, clock: Clock) -> None:
        if stored.imported is None:
            tracking, line = self._tracking, self._line(stored, before=self._tracking.clock)
            self._lines.append((line, line.recorded_at < tracking.latest_at))
            self._tracking = tracking._replace(clock=clock, latest_at=max(tracking.latest_at, line.recorded_at))
            return
        # What was imported has an order of times of its own: that of the log it comes from.
        origin, number = stored.imported.origin, stored.imported.number
        known = self._origins.get(origin) or origin_of(self._views, origin)
        _, first, _, last_index, before = known or (origin, stored.number, None, None, None)
        line = self._line(stored, before=before if last_index == number - 1 else None)
        self._lines.append((line, None))
        if before is not None and line.recorded_at < before.recorded_at:
            self._falls.append(line)
        self._origins[origin] = (origin, first, stored.number, number, clock)

    def _line(self, stored: StoredEvent, *, before: Clock | None) -> Line:
        name = stored.envelope.get("attempt")
        attempt = None
        if name is not None:
            attempt = self._attempts.get(name) or attempt_of(self._views, name)
        if attempt is not None and attempt.stream != stored.stream:
            # Whoever writes a ledger that is imported chooses its ids: it has no say in an attempt of another node.
            return line_of(stored, intent=None, before=before)._replace(attempt=None)
        intent = None if attempt is None else attempt.intent
        line = line_of(stored, intent=intent, before=before)
        if name is not None:
            self._attempts[name] = evolve_attempt(attempt, line, outcome=outcome_of(line.type, stored.data))
        return line

    def _fold(self, stored: StoredEvent) -> None:
        from projections.versions import fold, resume, table_of  # noqa: PLC0415 # the domain costs more than the whole read of a current view

        known = self._nodes.get(stored.stream)
        if known is None:
            row = fold_of(self._views, stored.stream)
            before, table, came = (None, None, None) if row is None else (resume(row[1]), row[0], row[3])
        else:
            before, table, _, came = known
        node = fold(before, stored)
        now = table_of(node, last_change=stored.number)
        if table is not None and now == table._replace(last_change=stored.number):
            now = table
        else:
            self._states.append(now)
        comes = None if stored.imported is None else stored.imported.origin
        if comes != came:
            self._stretches.append((stored.stream, stored.number, comes))
        self._nodes[stored.stream] = (node, now, stored.number, comes)


def _served_with_answer(ledger: sqlite3.Connection, ask: Ask[Answer]) -> tuple[sqlite3.Connection, Answer] | None:
    """Return what the view in the database answers, None where it cannot be read or is another program's."""
    from projections.postgres_overlay import MOST, OverlaidViews  # noqa: PLC0415 # a ledger in a folder needs no libpq
    from projections.postgres_views import copied, served_views  # noqa: PLC0415 # as above

    served = served_views(cast("ServedLedger", ledger))
    if served is None:
        return None
    with suppress(*_DAMAGE):
        # It takes the same statements and gives the same rows, as the ledger does.
        return _asked(cast("sqlite3.Connection", served), ledger, ask)
    # Who may not write it, or could not, goes on where it ends.
    with suppress(*_DAMAGE):
        return _asked(cast("sqlite3.Connection", OverlaidViews(served, ledger)), ledger, ask, batch=MOST)
    with suppress(*_DAMAGE):
        return _asked(copied(served), ledger, ask)
    return None


def _view_with_answer(path: Path, ledger: sqlite3.Connection, ask: Ask[Answer]) -> tuple[sqlite3.Connection, Answer]:
    try:
        return _asked(create_views(path), ledger, ask)
    except (OSError, *_DAMAGE) as exc:
        if _may_not_write(exc):
            return _without_rights(path, ledger, ask)
    try:
        remove_views(path)
        return _asked(create_views(path), ledger, ask)
    except (OSError, *_DAMAGE):
        return _asked(views_in_memory(), ledger, ask)


def _without_rights(path: Path, ledger: sqlite3.Connection, ask: Ask[Answer]) -> tuple[sqlite3.Connection, Answer]:
    # A current view needs no right to write, and no copy; catching up in any other fails here.
    with suppress(OSError, *_DAMAGE):
        return _asked(stored_views(path), ledger, ask)
    return _asked(views_in_memory(path), ledger, ask)


def _asked(
    views: sqlite3.Connection, ledger: sqlite3.Connection, ask: Ask[Answer], *, batch: int = BATCH
) -> tuple[sqlite3.Connection, Answer]:
    try:
        catch_up(views, ledger, batch=batch)
        # All that is asked rests on one state of the view, however far others move it meanwhile.
        views.execute("BEGIN")
        answer = ask(SqliteView(views), ledger)
        views.execute("COMMIT")
    except BaseException:
        views.close()
        raise
    return views, answer


def _may_not_write(exc: BaseException) -> bool:
    if isinstance(exc, sqlite3.Error):
        return getattr(exc, "sqlite_errorcode", 0) & 0xFF in _NO_RIGHTS
    return isinstance(exc, OSError)


def _is_current(tracking: Tracking, ledger: sqlite3.Connection) -> bool:
    # The view was read before the log, so a log of the same history is not behind it.
    return _is_of(tracking, ledger) and tracking.size == log_size(ledger)


def _is_of(tracking: Tracking, ledger: sqlite3.Connection) -> bool:
    return tracking.size == 0 or leaf_hash_at(ledger, tracking.size - 1) == tracking.leaf_hash


def _take(views: sqlite3.Connection, ledger: sqlite3.Connection, batch: int) -> None:
    # IMMEDIATE: the place from which to go on is read under the lock under which it moves.
    views.execute("BEGIN IMMEDIATE")
    try:
        if not _is_of(tracking_of(views), ledger):
            clear_views(views)
        start = tracking_of(views).size
        events = tuple(read_events(ledger, start=start, stop=start + batch))
        # None are left where another process took them first; else the log has a hole.
        if not events and start < log_size(ledger):
            raise EntryError(start, f"the log goes on behind event {start + batch - 1}")
        _store(views, events)
        views.execute("COMMIT")
    finally:
        if views.in_transaction:
            views.execute("ROLLBACK")


def _store(views: sqlite3.Connection, events: Sequence[StoredEvent]) -> None:
    if not events:
        return
    folded = _Batch(views)
    for event in events:
        folded.take(event)
    try:
        folded.store()
    except (UnicodeError, OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as exc:
        span = f"a value in it, or in one up to {events[-1].number}, cannot be kept: {exc}"
        raise EntryError(events[0].number, span) from exc
