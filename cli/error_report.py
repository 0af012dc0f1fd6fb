"""An error as it is reported: three parts for people, one JSON object for machines (PRODUCT section 10).

Every reason is told, not only the first. Text of others is shown with ``plain``.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from cli.exit_codes import exit_code
from cli.plain_text import plain
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.domain.reason import Reason

SCHEMA = "release-ledger/error/1"
_LONGEST = 4000


class Told(NamedTuple):
    """One reason as it is told; *rule* is None where no rule of a hot upgrade stands behind it."""

    rule: str | None
    message: str
    fact: str
    hint: str


def reasons_of(error: LedgerError) -> tuple[Told, ...]:
    """Return all reasons of *error*: those of the rules it broke, else its own three parts."""
    # Only errors of changes carry reasons, and a reading command must not load the rules to ask.
    reasons: tuple[Reason, ...] = getattr(error, "reasons", ()) or getattr(error, "problems", ())
    told = tuple(Told(str(r.rule), r.message, r.fact, r.hint) for r in reasons)
    return told or (Told(None, str(error), error.fact, error.hint),)


def as_text(error: LedgerError) -> str:
    """Return the lines of *error* for people, each ended."""
    return "".join(f"{line}\n" for told in reasons_of(error) for line in _lines(told))


def as_json(error: LedgerError) -> str:
    """Return *error* as one line of JSON."""
    reasons = [{name: value for name, value in told._asdict().items() if value} for told in reasons_of(error)]
    record = {"schema": SCHEMA, "code": exit_code(error), "kind": error.kind, "reasons": reasons}
    return json.dumps(record, separators=(",", ":")) + "\n"


def _lines(told: Told) -> Iterator[str]:
    yield f"error: {_cut(told.message)}"
    if told.fact:
        yield f"  {_cut(told.fact)}"
    if told.hint:
        yield f"hint: {_cut(told.hint)}"


def _cut(text: str) -> str:
    # What was typed may be a whole file; the start of it tells.
    return plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
