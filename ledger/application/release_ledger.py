"""The ledger as an event-sourced application: record a commit, replay a stream, read the log.

One call of ``record`` is one commit and one append. A stream is replayed by the fold of
``ledger.domain.releases``, or by any other; the log is read in the order of its leaf indexes,
from 0. Configuration is what the bootstrap gives and nothing else: the library would let
variables of the shell beat it, silently (RULINGS 1).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import EventStore, IntegrityError, Notification
from eventsourcing.persistence import Recording as StoredRecording
from eventsourcing.utils import Environment, EnvType

from ledger.application.record_ports import Disclosure, LogMapper, LogRecorder, LogStore, Recording
from ledger.domain.envelope import Recorded, unseal_event
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.ledger_events import AnyEvent
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.whereabouts import PLACING, Whereabouts, follow
from ledger.errors import LockedError, UsageError

_Folded = TypeVar("_Folded")
Turn = Callable[[], AbstractContextManager[None]]
Fold = Callable[[_Folded | None, AnyReleaseEvent], _Folded]
_INSTALLATION = "release:"
_PAGE = 1000
_FOUND = 10
_PREFIX = r"[0-9a-f][0-9a-f-]{3,35}"


class StreamConflictError(LockedError):
    """Another command recorded into the same stream since this one read it."""

    def __init__(self, streams: Sequence[str]) -> None:
        super().__init__(
            f"another command recorded into {', '.join(streams)} in between",
            fact="a version of the stream that this command wanted to write exists already",
            hint="run the command again; it starts from the new state",
        )
        self.streams = tuple(streams)


class UnknownStreamError(UsageError):
    """The ledger has no such stream, or not yet at that version."""

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"the ledger does not know {stream!a}",
            fact="no event was recorded for it",
            hint="see `release-ledger versions` for the nodes that it knows; `register` adds an installation",
        )
        self.stream = stream


class EventIdError(UsageError):
    """A text is no beginning of an event's id."""

    def __init__(self, prefix: str) -> None:
        super().__init__(
            f"{prefix[:40]!a} is not the beginning of an event's id",
            fact="an id is made of the digits 0-9 and a-f and hyphens; at least four characters are needed",
            hint="copy it from `release-ledger log --json`, or name the event by its number",
        )


class CommitStore(EventStore[str]):
    """Seals and stores the events of one commit, in this writer's turn (RULINGS 10)."""

    def __init__(
        self, mapper: LogMapper, recorder: LogRecorder, turn: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(mapper, recorder)
        self._log_mapper = mapper
        self._turn = turn

    def put(
        self,
        domain_events: Sequence[DomainEventProtocol[str]],
        *,
        commit_id: str = "",
        **kwargs: Any,  # noqa: ANN401 # what save() is given goes on to the recorder
    ) -> list[StoredRecording[str]]:
        """Store the events as one commit; a *commit_id* that is known is answered with what was stored."""
        with self._turn():
            rows = self._log_mapper.sealed(domain_events, commit_id=commit_id)
            ids = self.recorder.insert_events(rows, commit_id=commit_id, **kwargs) or ()
        return [
            StoredRecording(
                event, Notification(row.originator_id, row.originator_version, row.topic, row.state, id=id_)
            )
            for event, row, id_ in zip(domain_events, rows, ids, strict=True)
        ]


class ReleaseLedger(Application[str]):
    """One ledger: its streams and its log."""

    name = "ledger"  # names the variables and the tables, so it outlives every rename of the class

    def __init__(self, env: Mapping[str, str], *, recording: Recording) -> None:
        self._recording = recording
        super().__init__(env)

    @property
    def origin(self) -> str:
        """The name of the ledger."""
        return self._recording.origin

    def record(
        self, events: Sequence[AnyEvent], *, disclosures: Sequence[Disclosure] = (), commit_id: str | None = None
    ) -> tuple[int, ...]:
        """Record *events* as one commit and return their leaf indexes.

        A *commit_id* is given only by a caller that may try again: a commit that is known is answered.
        Raises: StreamConflictError, CanonicalError, EnvelopeSizeError, and the errors of the store.
        """
        if not events:
            return ()
        try:
            # Not through save(): it asks each event for a protocol, which takes as long as sealing it.
            commit_id = commit_id or self._recording.new_id()
            private = (*self._recording.disclosures, *disclosures)
            recordings = self._commits.put(events, commit_id=commit_id, disclosures=private)
        except IntegrityError as exc:
            raise StreamConflictError(sorted({event.originator_id for event in events})) from exc
        return tuple(recording.notification.id - 1 for recording in recordings)

    def releases(self, stream: str, *, version: int | None = None) -> NodeReleases:
        """Return the releases of one node, now or at *version* of its stream.

        Raises: UnknownStreamError.
        """
        return self.fold(stream, evolve, version=version)

    def fold(self, stream: str, fold: Fold[_Folded], *, version: int | None = None) -> _Folded:
        """Return what *fold* makes of the events of one stream.

        Raises: UnknownStreamError; what reading a stored event raises.
        """

        def project(state: _Folded | None, events: Iterable[AnyReleaseEvent]) -> _Folded | None:
            for event in events:
                state = fold(state, event)
            return state

        try:
            # The library's own projector asks each event for a protocol, at two thirds of the time.
            folded = self.repository.get(stream, version=version, projector_func=cast("Any", project))
        except AggregateNotFoundError as exc:
            raise UnknownStreamError(stream) from exc
        return cast("_Folded", folded)

    def stored(self, stream: str) -> Iterator[AnyEvent]:
        """Yield the events of one stream as they are stored: an imported one as what carries it.

        Raises: what reading a stored event raises.
        """
        return map(unseal_event, self._log.select_states(stream, gt=None, lte=None, desc=False, limit=None))

    def verify_tail(self) -> None:
        """Hold the newest events against what was signed, in this writer's turn.

        Raises: an EvidenceError for what differs.
        """
        with self._recording.turn():
            self._log.verify_tail()

    def version(self, stream: str) -> int:
        """Return the version of the last event of *stream*, 0 where it has none."""
        newest = self._log.select_events(stream, desc=True, limit=1)
        return newest[0].originator_version if newest else 0

    def streams(self) -> Iterator[str]:
        """Return the streams of installations, in the order of their first event."""
        return (stream for stream in self._log.streams() if stream.startswith(_INSTALLATION))

    def whereabouts(self) -> tuple[Whereabouts, ...]:
        """Return where each installation is, in the order of their first event; no stream is read whole.

        Raises: StreamStartError; what reading a stored event raises.
        """
        known: dict[str, Whereabouts] = {}
        read, start = cast("LogMapper", self.mapper).event_from, 0
        while True:
            page = self._log.select_notifications(start + 1, _PAGE, topics=PLACING)
            for row in page:
                stream = str(row.originator_id)
                known[stream] = follow(known.get(stream), cast("AnyReleaseEvent", read(row.state)))
            if len(page) < _PAGE:
                return tuple(known.values())
            start = page[-1].id

    def tree_size(self) -> int:
        """Return the number of events in the log."""
        return self._log.max_notification_id() or 0

    def history(self, start: int = 0, stop: int | None = None) -> Iterator[Recorded]:
        """Yield the events from leaf index *start* on, up to but without *stop*."""
        while stop is None or start < stop:
            page = self._log.select_notifications(start + 1, _PAGE, stop)
            yield from map(_recorded, page)
            if len(page) < _PAGE:
                return
            start = page[-1].id

    def find(self, prefix: str) -> tuple[Recorded, ...]:
        """Return the events, ten at most, whose id begins with *prefix*.

        Raises: EventIdError.
        """
        if re.fullmatch(_PREFIX, prefix) is None:
            raise EventIdError(prefix)
        found = map(_recorded, self._log.holding(f'"event_id":"{prefix}'.encode(), limit=_FOUND))
        return tuple(event for event in found if event.stamp.event_id.startswith(prefix))

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Return the configuration given, without the variables of the shell (RULINGS 1)."""
        return Environment(name, dict(env or {}))

    def construct_mapper(self) -> LogMapper:
        """Return the store's mapper."""
        return cast("LogStore", self.factory).ledger_mapper(self._recording)

    def construct_recorder(self) -> LogRecorder:
        """Return the store's recorder."""
        self._log = cast("LogStore", self.factory).ledger_recorder(self._recording)
        return self._log

    def construct_event_store(self) -> CommitStore:
        """Return the store of commits."""
        self._commits = CommitStore(cast("LogMapper", self.mapper), self._log, self._recording.turn)
        return self._commits


def _recorded(row: Notification) -> Recorded:
    return Recorded(row.id - 1, str(row.originator_id), row.originator_version, row.topic, row.state)
