"""A follower of a fleet's log: it keeps the view in the database up to date, whoever records and whoever reads.

It is a ``ProjectionRunner`` of the library over the recorder's own subscription, which LISTEN wakes.
The runner hands over one event at a time. The first that is not folded yet has the view fold it and
all that the log has by then, a thousand in each transaction, with the tracking row; the events that
the view then has are passed by. What was recorded before the follower came is folded before the
runner is made, so it is not handed over at all.

Events go by as they are stored: a view is folded from bytes, and reads what it needs of them itself.
A second follower is harmless: each batch begins under the lock of the tracking row. A server that
is away is waited for, also at the start: a host that boots before its server has a follower all the
same, and no supervisor gives up on it. A view that is damaged is folded afresh.
"""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from enum import StrEnum
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, StoredEvent, Tracking, TrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import Environment, EnvType
from psycopg import errors

from ledger.adapters.postgres import LedgerFactory, LedgerRecorder
from ledger.adapters.postgres_errors import (
    ConnectionLostError,
    ServerFullError,
    ServerLostError,
    ServerSpaceError,
    error_of,
    server_lost,
)
from ledger.adapters.sqlite_errors import LedgerBusyError
from ledger.errors import LedgerError, UsageError
from projections.catch_up import catch_up
from projections.postgres import ServedLedger, served_at
from projections.postgres_views import NotServedError, ServedViews, served_views
from projections.sqlite_store import DamagedViewError, clear_views, tracking_of

if TYPE_CHECKING:
    import sqlite3

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds to wait before each further try of a server that went away; the last is repeated."""

_LOOK_SECONDS = 0.25
_WAITED_FOR = (ServerLostError, ServerFullError, ConnectionLostError, LedgerBusyError, ServerSpaceError)
_UNREADABLE = (DamagedViewError, ValueError, LookupError, TypeError, AttributeError)
_BROKEN_ROWS = (errors.IntegrityError, errors.DataError, errors.UndefinedColumn)


class NoViewsError(UsageError):
    """The database has no views that this program keeps."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"{place} has no views to keep up to date",
            fact="the schema `views` is missing there, or was made by another version of this program",
            hint="run `release-ledger init` with this version, as a user in the role ledger_owner",
        )
        self.place = place


class ViewsReadOnlyError(UsageError):
    """The views may not be written there."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"the views of {place} cannot be written",
            fact="the login is not in the role ledger_writer, or the server is a standby",
            hint="follow with a login in ledger_writer, and name the primary: target_session_attrs=read-write",
        )
        self.place = place


class State(StrEnum):
    """What a follower tells of itself."""

    FOLDED = "folded"
    FOLLOWING = "following"
    LOST = "lost"
    ENDED = "ended"


class Told(NamedTuple):
    """What a follower does, how many events the view has, and *fact* of what went wrong."""

    state: State
    size: int
    fact: str = ""


class _StoppedError(Exception):
    """The follower is to end between two batches; never shown."""


class FleetViews(TrackingRecorder):
    """The view in the database, as the library tracks one: its tracking row goes with the rows it speaks of."""

    def __init__(self, address: str) -> None:
        self._place = address
        self.stopping = Event()
        self._ledger = served_at(self._place)
        try:
            # It takes the same statements and gives the same rows.
            self._views = cast("sqlite3.Connection", _written_views(self._ledger, address))
            self.size = tracking_of(self._views).size
        except BaseException:
            self._ledger.close()
            raise

    def max_tracking_id(self, application_name: str) -> int | None:  # noqa: ARG002 # one log, whatever its name
        """Return the id of the last event that is folded, None for an empty view."""
        return self.size or None

    def insert_tracking(self, tracking: Tracking) -> None:
        """Fold up to the event of *tracking* and on to the end of the log.

        Raises: as ``catch_up``.
        """
        if tracking.notification_id > self.size:
            self.catch_up(self._note)

    def catch_up(self, told: Callable[[int], object]) -> None:
        """Fold what the log has and the view has not; *told* hears how far it is after each batch.

        Raises: ServerLostError, ServerFullError, LedgerBusyError, ServerSpaceError; EntryError and its like.
        """

        def hear(size: int) -> None:
            self._note(size)
            told(size)

        try:
            self._catch_up(hear)
        except NotServedError as exc:
            cause = exc.__cause__
            raise (error_of(self._place, cause) if isinstance(cause, psycopg.Error) else exc) from exc

    def close(self) -> None:
        """Close the connection."""
        self._ledger.close()

    def _catch_up(self, told: Callable[[int], object]) -> None:
        ledger = cast("sqlite3.Connection", self._ledger)
        try:
            catch_up(self._views, ledger, told=told)
        except _UNREADABLE as exc:
            if isinstance(exc, NotServedError) and not isinstance(exc.__cause__, _BROKEN_ROWS):
                raise
            # Nothing in a view is evidence, so what cannot be read is made anew.
            self._views.execute("BEGIN IMMEDIATE")
            clear_views(self._views)
            self._views.execute("COMMIT")
            catch_up(self._views, ledger, told=told)
        self._note(tracking_of(self._views).size)

    def _note(self, size: int) -> None:
        self.size = size
        if self.stopping.is_set():
            raise _StoppedError


def _written_views(ledger: ServedLedger, place: str) -> ServedViews:
    views = served_views(ledger)
    if views is None:
        raise NoViewsError(place)
    if not views.may_write:
        raise ViewsReadOnlyError(place)
    return views


class FleetProjection(Projection[FleetViews]):
    """The library's projection of the log into the view."""

    name = "views"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:  # noqa: ANN401, ARG002 # the library's own signature
        """Have the view hold the event of *tracking*, with all that came behind it by now."""
        if not self.view.has_tracking_id(tracking.application_name, tracking.notification_id):
            self.view.insert_tracking(tracking)


class _AsStored(Mapper[str]):
    """Gives events as they are stored: nobody asks for more."""

    def __init__(self) -> None:
        """Do without the library's transcoder: nothing is decoded."""

    def to_domain_event(self, stored_event: StoredEvent) -> Any:  # noqa: ANN401 # as above
        """Return *stored_event*."""
        return stored_event


class LedgerFeed(Application[str]):
    """The log of a fleet as an application that is followed; it records nothing."""

    name = "ledger"

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Return the configuration given, without the variables of the shell."""
        return Environment(name, env)

    def construct_mapper(self) -> Mapper[str]:
        """Return a mapper that gives events as they are stored."""
        return _AsStored()


class FeedFactory(LedgerFactory):
    """Builds what the runner of the library asks for."""

    def application_recorder(self) -> LedgerRecorder:
        """Return a recorder that tries nothing twice: the follower waits for a server, and ends when it is told to."""
        return LedgerRecorder(self.datastore, pauses=())

    def tracking_recorder(self, tracking_recorder_class: object = None) -> Any:  # noqa: ANN401, ARG002 # as above
        """Return the view in the database."""
        return FleetViews(self.datastore.address)


class _Runner(ProjectionRunner[LedgerFeed, FleetViews]):
    @staticmethod
    def _construct_env(name: str, env: EnvType | None = None) -> Environment:
        return Environment(name, env)


class Follower:
    """Keeps the view of the ledger at *address* up to date until *stopping* is set; *told* hears how far it is."""

    def __init__(
        self,
        address: str,
        *,
        told: Callable[[Told], object],
        stopping: Event,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._address, self._told, self._stopping, self._pauses = address, told, stopping, pauses
        self._size = 0

    def catch_up(self) -> None:
        """Fold what the log has now.

        Raises: NoViewsError, ViewsReadOnlyError; the errors of reaching the server, and of folding.
        """
        with suppress(_StoppedError):
            self._catch_up()
        self._tell(State.ENDED)

    def follow(self) -> None:
        """Fold what the log has, and from then on what is recorded; a server that is away is waited for.

        Raises: as ``catch_up``, but for a server that is away, also when it is asked for the first time.
        """
        failures, begun = 0, False
        with suppress(_StoppedError):
            while not self._stopping.is_set():
                try:
                    if failures or not begun:
                        self._catch_up()
                    failures, begun = 0, True
                    self._follow()
                except _WAITED_FOR as exc:
                    lost = exc if isinstance(exc, LedgerError) else server_lost(self._address, str(exc))
                    self._tell(State.LOST, fact=f"{lost}: {lost.fact}")
                    self._stopping.wait(self._pauses[min(failures, len(self._pauses) - 1)])
                    failures += 1
        self._tell(State.ENDED)

    def _catch_up(self) -> None:
        with closing(FleetViews(self._address)) as views:
            views.stopping = self._stopping
            views.catch_up(self._hear)
            self._size = views.size

    def _follow(self) -> None:
        env = {"PERSISTENCE_MODULE": "projections.follower:FeedFactory", "POSTGRES_LEDGER_ADDRESS": self._address}
        runner = _Runner(application_class=LedgerFeed, projection_class=FleetProjection, view_class=FleetViews, env=env)
        with closing(runner.view), runner:
            runner.view.stopping = self._stopping
            self._tell(State.FOLLOWING)
            while not self._stopping.is_set():
                runner.run_forever(_LOOK_SECONDS)
                if runner.view.size != self._size:
                    self._hear(runner.view.size)

    def _hear(self, size: int) -> None:
        self._size = size
        self._tell(State.FOLDED)

    def _tell(self, state: State, *, fact: str = "") -> None:
        self._told(Told(state, self._size, fact))
