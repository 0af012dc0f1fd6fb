"""Between events and stored rows: the ``state`` of a row is the sealed envelope, byte for byte.

No transcoder, compressor or cipher touches it, and no topic is ever imported: what a stored row
names is looked up in the closed table of events (evidence.md 8). An event that was imported is
given back as the original at its place in the stream, so no fold knows of imports.
"""

from collections.abc import Sequence
from typing import cast

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, StoredEvent

from ledger.application.record_ports import LogMapper, Recording
from ledger.domain.envelope import Stamp, seal, unseal_event
from ledger.domain.ledger_events import AnyEvent, AnyImported


class EnvelopeMapper(LogMapper):
    """Seals and unseals the events of one ledger."""

    def __init__(self, recording: Recording) -> None:
        # The library wants a transcoder; this one is empty and never asked.
        super().__init__(JSONTranscoder())
        self._recording = recording

    def sealed(self, events: Sequence[DomainEventProtocol[str]], *, commit_id: str) -> list[StoredEvent]:
        """Return the rows of one commit.

        Raises: CanonicalError, EnvelopeSizeError.
        """
        return [self._sealed(cast("AnyEvent", event), commit_id) for event in events]

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Return the row of an event that is a commit of its own."""
        return self._sealed(cast("AnyEvent", domain_event), self._recording.new_id())

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """Return the event that a row holds.

        Raises: NotCanonicalError, UnknownEnvelopeError, UnknownTopicError, EnvelopeMemberError.
        """
        return self.event_from(stored_event.state)

    def event_from(self, state: bytes) -> DomainEventProtocol[str]:
        """Return the event that stored bytes hold; of an imported one the original.

        Raises: as to_domain_event; CarrierError.
        """
        event = unseal_event(state)
        if isinstance(event, AnyImported):
            from ledger.domain.imported import original_event  # noqa: PLC0415 # most ledgers hold no import

            return original_event(event)
        return event

    def _sealed(self, event: AnyEvent, commit_id: str) -> StoredEvent:
        recording = self._recording
        moment = recording.clock.read()
        stamp = Stamp(recording.origin, recording.new_id(), commit_id, moment.recorded_at, moment.clock)
        return StoredEvent(event.originator_id, event.originator_version, event.TOPIC, seal(event, stamp))
