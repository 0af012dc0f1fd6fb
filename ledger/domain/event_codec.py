"""Between events and the ``data`` of their envelope, through a closed table of topics.

``event_from(topic_of(e), data_of(e), …) == e`` for every event. A field named ``from_vsn`` is
stored as ``from``, which is no name in Python; an absent fact is a missing member, an empty
list too. A topic that the table does not know is refused and never imported (evidence.md 8).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol, get_args

from ledger.dataclass import MISSING, fields
from ledger.domain.events import AnyReleaseEvent, EventImported, InstallationEvent
from ledger.domain.ledger_events import LEDGER_CLASSES, AnyEvent, LedgerEvent
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import (
    Context,
    InstallationFacts,
    OpenAttempt,
    Output,
    PackageRecord,
    PlannedStep,
    Run,
    StagedRecord,
)
from ledger.domain.tables import Tables
from ledger.errors import EvidenceError

Encode = Callable[[Any], object]
Decode = Callable[[Any], object]


class UnknownTopicError(EvidenceError):
    """A stored event has a topic that this version does not know."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"the topic {topic!a} is not known",
            fact="events are read through a closed table of topics",
            hint="read this ledger with the version of release-ledger that wrote it, or a later one",
        )
        self.topic = topic


def data_of(event: InstallationEvent | LedgerEvent) -> dict[str, object]:
    """Return the ``data`` member of an event's envelope."""
    data: dict[str, object] = {}
    for field in _fields_of(event.TOPIC):
        value = getattr(event, field.name)
        if value is not None and value != ():
            data[field.member] = field.encode(value)
    return data


def event_from(
    topic: str, data: Mapping[str, Any], *, originator_id: str, originator_version: int, context: Context
) -> AnyEvent:
    """Return the event that an envelope holds.

    Raises: UnknownTopicError for a topic outside the table.
    """
    event_class = TOPICS.get(topic)
    if event_class is None:
        raise UnknownTopicError(topic)
    # The constructor of a frozen dataclass sets each field through object.__setattr__: too slow for replay.
    event = object.__new__(event_class)
    values = event.__dict__
    values["originator_id"] = originator_id
    values["originator_version"] = originator_version
    values["context"] = context
    for name, member, _, decode, default in _fields_of(topic):
        value = data.get(member, default)
        values[name] = value if decode is _same or value is default else decode(value)
    return event


class _Record(Protocol):
    def to_record(self) -> dict[str, object]: ...


class _Field(NamedTuple):
    name: str
    member: str
    encode: Encode
    decode: Decode
    default: object


def _same(value: object) -> object:
    return value


def _rows(encode: Encode) -> Encode:
    return lambda values: [encode(value) for value in values]


def _tuple_of(decode: Decode) -> Decode:
    return lambda values: tuple(decode(value) for value in values)


def _reason_to(reason: Reason) -> object:
    return {"rule": str(reason.rule), "message": reason.message, "fact": reason.fact, "hint": reason.hint}


def _reason_from(record: Mapping[str, str]) -> Reason:
    return Reason(Rule(record["rule"]), record["message"], record["fact"], record["hint"])


def _record_to(value: _Record) -> object:
    return value.to_record()


_CODECS: Mapping[object, tuple[Encode, Decode]] = {
    str: (_same, _same),
    str | None: (_same, _same),
    int: (_same, _same),
    int | None: (_same, _same),
    tuple[str, ...]: (list, tuple),
    tuple[Reason, ...]: (_rows(_reason_to), _tuple_of(_reason_from)),
    tuple[PlannedStep, ...]: (_rows(_record_to), _tuple_of(PlannedStep.from_record)),
    Tables: (_record_to, Tables.from_record),
    Run: (_record_to, Run.from_record),
    Output: (_record_to, Output.from_record),
    Output | None: (_record_to, Output.from_record),
    InstallationFacts: (_record_to, InstallationFacts.from_record),
    PackageRecord: (_record_to, PackageRecord.from_record),
    PackageRecord | None: (_record_to, PackageRecord.from_record),
    StagedRecord | None: (_record_to, StagedRecord.from_record),
    OpenAttempt | None: (_record_to, OpenAttempt.from_record),
}
ENVELOPE_FIELDS = frozenset({"originator_id", "originator_version", "context"})
"""The fields of every event that stand in the envelope around its data."""


def member_of(field_name: str) -> str:
    """Return the member of the data that holds a field of an event."""
    return "from" if field_name == "from_vsn" else field_name


@cache  # few of the classes occur in one command
def _fields_of(topic: str) -> tuple[_Field, ...]:
    return tuple(
        _Field(
            field.name,
            member_of(field.name),
            *_CODECS[field.type],
            # A list that is absent is empty: lists of facts are never None.
            field.default if field.default is not MISSING else () if str(field.type).startswith("tuple") else None,
        )
        for field in fields(TOPICS[topic])
        if field.name not in ENVELOPE_FIELDS
    )


_CLASSES: tuple[type[AnyEvent], ...] = (*get_args(AnyReleaseEvent), EventImported, *LEDGER_CLASSES)
TOPICS: Mapping[str, type[AnyEvent]] = {event_class.TOPIC: event_class for event_class in _CLASSES}
