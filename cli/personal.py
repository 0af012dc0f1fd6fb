"""Personal fields beside the events: login name, terminal and address, where the ledger still holds them.

An event holds a commitment, ``H(salt || JCS(value))``; salt and value are in ``disclosure``, from
where they can be erased (evidence.md 1.5). A value is shown only after it was hashed again: one that
is not what the event committed to is said to be so, and its text is not shown. Without the row, or
without the table, the commitment is all there is.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from projections.read import StoredEvent

_FIELDS = (("actor", "name"), ("source", "tty"), ("source", "address"))
_WORDS = {"name": "name", "tty": "terminal", "address": "address"}
_DEVICES = "/dev/"
# The events of one command share their commitments, and they stand side by side.
_REMEMBERED = 64


class Personal(NamedTuple):
    """One personal field: *value* is None where none is held, or where it does not *match* the commitment."""

    field: str
    commitment: str
    value: str | None
    matches: bool = True


PersonalOf = Callable[[StoredEvent], tuple[Personal, ...]]


def personal_in(ledger: sqlite3.Connection) -> PersonalOf:
    """Return what tells the personal fields of an event, given what *ledger* holds."""

    @lru_cache(maxsize=_REMEMBERED)
    def told(field: str, commitment: str) -> Personal:
        row = _row(ledger, commitment)
        if row is None:
            return Personal(field, commitment, None)
        value = _value(commitment, *row)
        return Personal(field, commitment, value, matches=value is not None)

    def personal(event: StoredEvent) -> tuple[Personal, ...]:
        found = ((field, event.envelope.get(part, {}).get(f"{field}_commit")) for part, field in _FIELDS)
        return tuple(told(field, commitment) for field, commitment in found if isinstance(commitment, str))

    return personal


def who(actor: str, personal: Sequence[Personal]) -> str:
    """Return the actor with the login name, in full."""
    return ", ".join((actor, *(_name(one) for one in personal if one.field == "name")))


def who_in_brief(actor: str, personal: Sequence[Personal]) -> str:
    """Return the actor with the login name; a name that is not held is left away."""
    return who(actor, [one for one in personal if one.value is not None or not one.matches])


def where_from(personal: Sequence[Personal]) -> str:
    """Return the terminal and the address, in full; empty where the event names neither."""
    return ", ".join(f"{_WORDS[one.field]} {_told(one)}" for one in personal if one.field != "name")


def personal_records(personal: Sequence[Personal]) -> list[dict[str, str]] | None:
    """Return the values that are held, for machines; None where there is none."""
    return [{"field": one.field, "value": one.value} for one in personal if one.value is not None] or None


def _name(one: Personal) -> str:
    return one.value if one.value is not None else f"name {_told(one)}"


def _told(one: Personal) -> str:
    if one.value is not None:
        return one.value.removeprefix(_DEVICES) if one.field == "tty" else one.value
    return f"commitment {one.commitment}" if one.matches else "does not match its commitment"


def _row(ledger: sqlite3.Connection, commitment: str) -> tuple[object, object] | None:
    try:
        row: tuple[object, object] | None = ledger.execute(
            "SELECT salt, value FROM disclosure WHERE commitment = ?", (commitment,)
        ).fetchone()
    except (sqlite3.Error, UnicodeError):  # no such table; no text that a row could have
        return None
    return row


def _value(commitment: str, salt: object, form: object) -> str | None:
    """Return the text that was committed to, None where it is another one."""
    if not isinstance(salt, bytes) or not isinstance(form, bytes) or sha256(salt + form).hexdigest() != commitment:
        return None
    try:
        value = json.loads(form)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, str) else None
