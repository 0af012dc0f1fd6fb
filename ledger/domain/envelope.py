"""Envelope version 1: what is stored of an event, and what its leaf in the tree is made of.

``seal`` writes the object of evidence.md 1.2 as canonical JSON, at most 65,535 bytes, because
an entry bundle of C2SP gives the length in two bytes. The bytes are written once and never
made again. ``unseal`` reads them back for replay: it parses, but leaves the proof that the
bytes are canonical and signed to the audit. ``unseal(seal(event, stamp)).event == event``.
"""

import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from ledger.dataclass import dataclass, field
from ledger.domain.canonical import NotCanonicalError, canonical_json
from ledger.domain.event_codec import data_of, event_from
from ledger.domain.ledger_events import AnyEvent
from ledger.domain.records import Actor, Context, Source
from ledger.errors import EvidenceError, UsageError

VERSION = 1
SIZE_LIMIT = 65_535
_READ = json.JSONDecoder()
_AROUND = ("node", "attempt", "reason", "ticket", "corrects")


class EnvelopeSizeError(UsageError):
    """An event is too large to be recorded; *largest* is the member that takes most."""

    def __init__(self, topic: str, size: int, largest: str) -> None:
        super().__init__(
            f"the event {topic} is too large to be recorded",
            fact=f"it takes {size} bytes of at most {SIZE_LIMIT}, most of them in the member {largest!a}",
            hint="give a shorter text; long output is recorded as a digest and an excerpt",
        )
        self.size = size
        self.largest = largest


class UnknownEnvelopeError(EvidenceError):
    """A stored entry has a version that this tool does not know: nothing can be said of it."""

    kind = "undecided"

    def __init__(self, version: object) -> None:
        super().__init__(
            f"a stored entry has the envelope version {ascii(version)[:20]}",
            fact=f"this tool reads version {VERSION}",
            hint="read this ledger with the version of release-ledger that wrote it, or a later one",
        )


class EnvelopeMemberError(EvidenceError):
    """A stored entry lacks what its event needs, or holds something else there."""

    def __init__(self, fault: str) -> None:
        super().__init__(
            "a stored entry does not hold the event that it names",
            fact=fault,
            hint="run `release-ledger verify`, which names the first entry that is not as it was signed",
        )


@dataclass(frozen=True)
class ClockReading:
    """The clock behind a time: *synced* is yes, no or unknown; *monotonic_us* counts since boot *boot_id*."""

    source: str
    synced: str
    boot_id: str
    monotonic_us: int

    def precedes(self, later: "ClockReading") -> bool:
        """Tell whether *later* was read later in the same boot, so that its time must not be lower."""
        return self.boot_id == later.boot_id and later.monotonic_us > self.monotonic_us


@dataclass(frozen=True)
class Stamp:
    """What recording adds to an event: ledger, ids, time and clock."""

    ledger: str
    event_id: str
    commit_id: str
    recorded_at: str
    clock: ClockReading

    def clock_went_back(self, earlier: "Stamp") -> bool:
        """Tell whether the clock was set back since *earlier*: flagged, never refused (RULINGS 10)."""
        return earlier.clock.precedes(self.clock) and self.recorded_at < earlier.recorded_at


@dataclass(frozen=True)
class Sealed:
    """A stored event: its envelope, and on demand the event and the stamp inside."""

    envelope: Mapping[str, Any]

    @cached_property
    def event(self) -> AnyEvent:
        """The event.

        Raises: UnknownTopicError, EnvelopeMemberError.
        """
        return _event_of(self.envelope)

    @cached_property
    def stamp(self) -> Stamp:
        """The stamp.

        Raises: EnvelopeMemberError.
        """
        sealed = self.envelope
        try:
            return Stamp(
                sealed["ledger"],
                sealed["event_id"],
                sealed["commit_id"],
                sealed["recorded_at"],
                ClockReading(**sealed["clock"]),
            )
        except (KeyError, TypeError) as exc:
            raise EnvelopeMemberError(f"{type(exc).__name__}: {exc}") from exc


@dataclass(frozen=True)
class Recorded:
    """One event of the log: *index* is its leaf index from 0, *state* the stored bytes."""

    index: int
    stream: str
    version: int
    topic: str
    state: bytes = field(repr=False)

    @cached_property
    def sealed(self) -> Sealed:
        """What the stored bytes hold."""
        return unseal(self.state)

    @property
    def event(self) -> AnyEvent:
        """The event."""
        return self.sealed.event

    @property
    def stamp(self) -> Stamp:
        """The stamp."""
        return self.sealed.stamp

    @property
    def envelope(self) -> Mapping[str, Any]:
        """The whole envelope, with members of later versions."""
        return self.sealed.envelope


def seal(event: AnyEvent, stamp: Stamp) -> bytes:
    """Return the bytes that are stored and hashed for *event*.

    Raises: CanonicalError, EnvelopeSizeError.
    """
    envelope = envelope_of(event, stamp)
    state = canonical_json(envelope)
    if len(state) > SIZE_LIMIT:
        largest = max(envelope, key=lambda name: len(canonical_json(envelope[name])))
        raise EnvelopeSizeError(event.TOPIC, len(state), largest)
    return state


def envelope_of(event: AnyEvent, stamp: Stamp) -> dict[str, object]:
    """Return the envelope of *event* as an object, absent facts left out."""
    context = event.context
    envelope: dict[str, object] = {
        "v": VERSION,
        "ledger": stamp.ledger,
        "stream": event.originator_id,
        "version": event.originator_version,
        "type": event.TOPIC,
        "event_id": stamp.event_id,
        "commit_id": stamp.commit_id,
        "recorded_at": stamp.recorded_at,
        "clock": vars(stamp.clock),
        "actor": context.actor.to_record(),
        "source": context.source.to_record(),
        "data": data_of(event),
    }
    for name in _AROUND:
        value = getattr(context, name)
        if value is not None:
            envelope[name] = value
    return envelope


def unseal(state: bytes) -> Sealed:
    """Return what stored bytes hold.

    Raises: NotCanonicalError where they are no JSON object, UnknownEnvelopeError.
    """
    return Sealed(_read(state))


def unseal_event(state: bytes) -> AnyEvent:
    """Return the event that stored bytes hold: as ``unseal(state).event``, and nothing else is made.

    Raises: NotCanonicalError, UnknownEnvelopeError, UnknownTopicError, EnvelopeMemberError.
    """
    return _event_of(_read(state))


def _read(state: bytes) -> Mapping[str, Any]:
    try:
        envelope, _ = _READ.raw_decode(state.decode())
    except (ValueError, RecursionError, AttributeError) as exc:  # a column may hold a text where bytes were written
        raise NotCanonicalError(str(exc)[:80]) from exc
    if not isinstance(envelope, dict):
        raise NotCanonicalError("it is no object")
    if envelope.get("v") != VERSION:
        raise UnknownEnvelopeError(envelope.get("v"))
    return envelope


@lru_cache(maxsize=64)  # the events of an attempt share theirs, and a replay meets few people and hosts
def _context(actor: tuple[tuple[str, Any], ...], source: tuple[tuple[str, Any], ...], *why: str | None) -> Context:
    around = dict(zip(_AROUND, why, strict=True))
    return Context(actor=Actor.from_record(dict(actor)), source=Source.from_record(dict(source)), **around)


def _event_of(envelope: Mapping[str, Any]) -> AnyEvent:
    member = envelope.get
    why = (member("node"), member("attempt"), member("reason"), member("ticket"), member("corrects"))
    try:
        return event_from(
            envelope["type"],
            envelope["data"],
            originator_id=envelope["stream"],
            originator_version=envelope["version"],
            context=_context(tuple(envelope["actor"].items()), tuple(envelope["source"].items()), *why),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise EnvelopeMemberError(f"{type(exc).__name__}: {exc}") from exc
