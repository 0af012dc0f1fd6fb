"""Moments that a user names, and the event on which the answer rests.

=====================  ==========================================================
``12``                 event number 12, from 0
``last``, ``last~2``   the newest event, the second before it
``2026-11-24T03:42Z``  RFC 3339; without an offset it is local time, without a time
                       the first moment of that day
``2h ago``             s, m, h, d or w, or the word: ``90 minutes ago``
``yesterday 03:42``    also ``today``; local time
``now``                the newest event
``0193f2a4``           an id of an event or an attempt (its last event), or the start of one
=====================  ==========================================================

Order is the index, never the clock (PRODUCT section 7). A time T means the state after the
**last event by index whose recorded_at is T or before**. Where the clock was set back, events
before that one may carry a later time; they count, because the log has them first, and
``Position.stamped_later`` says so. So a later T never answers with less, and an event is never
left out at the time that it carries. Events that were imported count at a time by the same rule in
the log that they come from: ``projections/position.py``.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ledger.errors import UsageError
from projections.position import Position
from projections.timestamp import stored_time
from projections.view import View

# Patterns stay texts: most commands need one of them, and compiling all costs more than their answer.
_NUMBER = r"0|[1-9][0-9]{0,15}"
_LAST = r"last(?:~(0|[1-9][0-9]{0,15}))?"
_AGO = r"(0|[1-9][0-9]{0,8}) ?(s|m|h|d|w|seconds?|minutes?|hours?|days?|weeks?) ago"
_DAY = r"(today|yesterday)(?: +([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?))?"
_RFC3339 = (
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_ID = r"[0-9a-f][0-9a-f-]{3,35}"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = 64


class WhenError(UsageError):
    """A text names no moment."""

    def __init__(self, text: str, fact: str = "it is none of the forms below") -> None:
        super().__init__(
            f"{text[:_LONGEST]!a} is no moment",
            fact=fact,
            hint="name an event number, last, last~2, 2026-11-24T03:42:00Z, 2h ago, yesterday 03:42,"
            " or the first digits of an event's id, at least four",
        )
        self.text = text


class NoSuchEventError(UsageError):
    """The log has no event there."""

    def __init__(self, text: str, size: int, fact: str = "") -> None:
        span = f"the log has the events 0 to {size - 1}" if size else "the log has no events yet"
        super().__init__(
            f"there is no event at {text[:_LONGEST]!a}",
            fact=fact or span,
            hint="`release-ledger log` lists the events with their numbers and times",
        )
        self.text = text


class EventNumber(NamedTuple):
    """The event of this number."""

    number: int


class FromLast(NamedTuple):
    """The event that lies *back* events before the newest."""

    back: int


class Instant(NamedTuple):
    """A time, as events store it."""

    stored: str


class IdStart(NamedTuple):
    """An id of an event or an attempt, or its start."""

    prefix: str


When = EventNumber | FromLast | Instant | IdStart


def parse_when(text: str, *, now: datetime) -> When:
    """Return the moment that *text* names; *now* knows its offset.

    Raises: WhenError for anything else.
    """
    if text == "now":
        return FromLast(0)
    if _match(_NUMBER, text):
        return EventNumber(int(text))
    if last := _match(_LAST, text):
        return FromLast(int(last[1] or 0))
    if _match(_ID, text) and not _match(_RFC3339, text):
        return IdStart(text.lower())
    try:
        return Instant(stored_time(_time_of(text, now)))
    except (ValueError, OverflowError) as exc:
        raise WhenError(text, str(exc)) from exc


def resolve_when(view: View, text: str, *, now: datetime) -> Position:
    """Return the event on which an answer for *text* rests, and what counts for it.

    Raises: WhenError, NoSuchEventError.
    """
    when, size = parse_when(text, now=now), view.size()
    match when:
        case EventNumber(number):
            return _inside(text, number, size)
        case FromLast(back):
            return _inside(text, size - 1 - back, size)
        case IdStart(prefix):
            return _with_id(view, text, prefix)
        case Instant(stored):
            return _by_time(view, text, stored)


def bound_of(view: View, text: str, *, now: datetime) -> int | str:
    """Return what *text* means as ``since`` or ``until`` of a filter: a time stays a time.

    Raises: WhenError, NoSuchEventError.
    """
    when = parse_when(text, now=now)
    return when.stored if isinstance(when, Instant) else resolve_when(view, text, now=now).number


def _inside(text: str, number: int, size: int) -> Position:
    if not 0 <= number < size:
        raise NoSuchEventError(text, size)
    return Position(number)


def _with_id(view: View, text: str, prefix: str) -> Position:
    found = view.ids_starting(prefix)
    if not found:
        raise NoSuchEventError(text, view.size(), "no event and no attempt has an id with this start")
    if len(found) > 1:
        raise WhenError(text, f"it is the start of {found[0][0]} and of {found[1][0]}")
    return Position(found[0][1])


def _by_time(view: View, text: str, stored: str) -> Position:
    position = view.position_at(stored)
    if position is None:
        size = view.size()
        raise NoSuchEventError(text, size, f"the first event is of {view.first_time()}" if size else "")
    return position


def _time_of(text: str, now: datetime) -> datetime:
    if ago := _match(_AGO, text):
        return now.astimezone(UTC) - timedelta(**{_UNITS[ago[2][0].lower()]: int(ago[1])})
    if day := _match(_DAY, text):
        date = now.astimezone().date() - timedelta(days=day[1].lower() == "yesterday")
        time = day[2] or "00:00"
        return _local(datetime.fromisoformat(f"{date}T{time.zfill(len(time) + (time.index(':') == 1))}"))
    if named := _match(_RFC3339, text):
        date_text, time, fraction, offset = named.groups()
        moment = datetime.fromisoformat(f"{date_text}T{time or '00:00'}")
        # Cut, not rounded: nothing that happened later than was asked for may come in.
        moment += timedelta(microseconds=int((fraction or "0")[:6].ljust(6, "0")))
        return _local(moment) if offset is None else _with_offset(moment, offset)
    raise ValueError("it is none of the forms below")


def _match(pattern: str, text: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE)


def _with_offset(moment: datetime, offset: str) -> datetime:
    return datetime.fromisoformat(moment.isoformat() + ("+00:00" if offset in "Zz" else offset))


def _local(moment: datetime) -> datetime:
    # The zone of the system, with the summer time of that day.
    return moment.astimezone()
