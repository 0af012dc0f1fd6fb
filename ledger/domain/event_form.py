"""Whether the ``data`` of an envelope is what an event of its topic holds, to the letter.

``event_codec`` reads for replay: it takes a missing member for an absent fact and any value for
one of the right kind. Here the rules stand that it passes over, taken from the fields of the
event classes: every member that ``docs/events.md`` calls *always* is there, each value has the
kind of its field, and closed choices hold one of theirs. Members that no field names belong to
later versions and are left alone (evidence.md 1.2).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from ledger.domain.event_codec import ENVELOPE_FIELDS, TOPICS, UnknownTopicError, member_of
from ledger.domain.events import InstallationRegistered, OperationRecovered, SpoolBegun
from ledger.domain.ledger_events import GuardFound, ImportForm, LedgerImported, TipAccepted
from ledger.domain.reason import Rule
from ledger.domain.records import Driver, Kind, Resolution, StepKind, Verb
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables

Faults = Callable[[object, str], Iterator[str]]

_CHOICES: Mapping[str, type[StrEnum]] = {
    "driver": Driver,
    "verb": Verb,
    "step": StepKind,
    "was": ReleaseStatus,
    "rule": Rule,
}
_CHOICES_OF: Mapping[tuple[type, str], type[StrEnum]] = {
    (InstallationRegistered, "kind"): Kind,
    (SpoolBegun, "kind"): Kind,
    (OperationRecovered, "result"): Resolution,
    (TipAccepted, "found"): GuardFound,
    (LedgerImported, "form"): ImportForm,
}
_ROW = 2


def event_fault(topic: str, data: object) -> str | None:
    """Return what in *data* no event of *topic* has; None where it is the data of one.

    Raises: UnknownTopicError.
    """
    if topic not in TOPICS:
        raise UnknownTopicError(topic)
    return next(_EVENTS[topic](data, "data"), None)


def _record_of(kind: type) -> Faults:
    """Return what finds the faults of an object with the fields of *kind*."""
    members = [
        (member_of(field.name), _is_always_there(field), _faults_of(kind, field))
        for field in fields(kind)
        if field.name not in ENVELOPE_FIELDS and field.compare
    ]

    def faults(value: object, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, always, check in members:
                if name in value:
                    yield from check(value[name], f"{path}.{name}")
                elif always:
                    yield f"{path}.{name} is missing"
        else:
            yield f"{path} is no object"

    return faults


def _is_always_there(field: "Field[Any]") -> bool:
    # As the codec writes: what is None or an empty list is left out.
    optional = NoneType in get_args(field.type) or get_origin(field.type) is tuple
    return not optional and field.default is MISSING


def _faults_of(kind: type, field: "Field[Any]") -> Faults:
    choice = _CHOICES_OF.get((kind, field.name), _CHOICES.get(field.name))
    return _kind_of(field.type) if choice is None else _choice_of(choice)


def _kind_of(kind: Any) -> Faults:  # noqa: ANN401 # a type as a field states it
    if isinstance(kind, UnionType):
        return _kind_of(next(each for each in get_args(kind) if each is not NoneType))
    if get_origin(kind) is tuple:
        return _list_of(_kind_of(get_args(kind)[0]))
    if kind is Tables:
        return _tables
    return _plain(kind) if kind in {str, int} else _record_of(kind)


def _plain(kind: type) -> Faults:
    word = "text" if kind is str else "number"

    def faults(value: object, path: str) -> Iterator[str]:
        if type(value) is not kind:
            yield f"{path} is no {word}"

    return faults


def _choice_of(choice: type[StrEnum]) -> Faults:
    known = frozenset(map(str, choice))

    def faults(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, str) or value not in known:
            yield f"{path} is none of {', '.join(sorted(known))}"

    return faults


def _list_of(check: Faults) -> Faults:
    def faults(value: object, path: str) -> Iterator[str]:
        if isinstance(value, list):
            for at, member in enumerate(value):
                yield from check(member, f"{path}[{at}]")
        else:
            yield f"{path} is no list"

    return faults


def _row(value: object, path: str) -> Iterator[str]:
    if isinstance(value, list) and len(value) == _ROW and isinstance(value[0], str):
        yield from _STATUS(value[1], f"{path}[1]")
    else:
        yield f"{path} is no release and status"


def _tables(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict) and "memory" in value:
        for name, check in (("memory", _ROWS), ("disk", _ROWS), ("start_erl", _TEXT), ("rel_vsn", _TEXT)):
            if name in value:
                yield from check(value[name], f"{path}.{name}")
    else:
        yield f"{path} is no table of releases"


_TEXT, _STATUS, _ROWS = _plain(str), _choice_of(ReleaseStatus), _list_of(_row)
_EVENTS: Mapping[str, Faults] = {topic: _record_of(kind) for topic, kind in TOPICS.items()}
