"""``docs/events.md`` says exactly what the classes store (RULINGS 4)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, get_args

import pytest

from ledger.domain.envelope import ClockReading, Stamp, envelope_of
from ledger.domain.events import AnyReleaseEvent, EventImported, OperationCompleted
from ledger.domain.ledger_events import LEDGER_CLASSES, AnyEvent
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import (
    Actor,
    Context,
    InstallationFacts,
    OpenAttempt,
    Output,
    PackageRecord,
    PlannedStep,
    Run,
    Source,
    StagedRecord,
    Verb,
)
from ledger.domain.tables import Tables

PAGE = Path(__file__).parents[1] / "docs/events.md"
EVENT_CLASSES: tuple[type[AnyEvent], ...] = (*get_args(AnyReleaseEvent), EventImported, *LEDGER_CLASSES)
RECORDS: Mapping[str, type] = {
    "actor": Actor,
    "source": Source,
    "facts": InstallationFacts,
    "run": Run,
    "package": PackageRecord,
    "staged": StagedRecord,
    "output": Output,
    "steps": PlannedStep,
    "attempt": OpenAttempt,
}
WORDS: Mapping[object, str] = {
    str: "text",
    Verb: "text",
    int: "number",
    tuple[str, ...]: "texts",
    tuple[Reason, ...]: "reasons",
    tuple[PlannedStep, ...]: "steps",
    Tables: "tables",
    Run: "run",
    Output: "output",
    InstallationFacts: "facts",
    PackageRecord: "package",
    StagedRecord: "staged",
    OpenAttempt: "attempt",
}
NOT_IN_DATA = {"originator_id", "originator_version", "context"}


class Member(NamedTuple):
    """One row of a table of the page, without its meaning."""

    name: str
    content: str
    always: str


def test_every_event_has_its_section_and_no_other_is_there() -> None:
    """A topic that the page does not know would be recorded without being described."""
    described = [name.strip("`") for name in sections() if name.startswith("`")]

    assert described == [event_class.TOPIC for event_class in EVENT_CLASSES]


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda event_class: event_class.__name__)
def test_the_members_of_an_event_are_those_of_its_class(event_class: type[AnyEvent]) -> None:
    """A field ``from_vsn`` is stored as ``from``; what is None or empty is left out."""
    stored = [member_of(field) for field in fields(event_class) if field.name not in NOT_IN_DATA]

    assert sorted(members(f"`{event_class.TOPIC}`")) == sorted(stored)


@pytest.mark.parametrize("name", RECORDS)
def test_the_members_of_a_record_are_those_of_its_class(name: str) -> None:
    stored = [member_of(field) for field in fields(RECORDS[name])]

    assert members(name) == stored


def test_the_members_of_a_reason_are_what_is_stored_of_it() -> None:
    """*words* are what a terminal shows, not part of the record."""
    stored = [Member(field.name, "text", "yes") for field in fields(Reason) if field.name != "words"]
    page = PAGE.read_text(encoding="utf-8")

    assert members("reasons") == stored
    assert f"`{' '.join(Rule)}`" in page


def test_the_members_of_the_tables_are_what_is_stored_of_them() -> None:
    full = Tables(memory=(), disk=(), start_erl="4.4.0", rel_vsn="4.4.0")
    least = Tables(memory=(), disk=None, start_erl=None, rel_vsn=None)

    assert {member.name for member in members("tables")} == set(full.to_record())
    assert {member.name for member in members("tables") if member.always == "yes"} == set(least.to_record())


def test_the_members_of_the_envelope_are_what_is_sealed() -> None:
    """The envelope of an event with all that can surround it, and of one with nothing."""
    rows = dict(two_columns("Envelope"))

    assert set(rows) == set(envelope_of(an_event(**AROUND), STAMP))
    assert {name for name, always in rows.items() if always == "yes"} == set(envelope_of(an_event(), STAMP))


AROUND = {"node": "emqx@h", "attempt": "a", "reason": "r", "ticket": "t", "corrects": "e"}
STAMP = Stamp("h/l", "e", "c", "2026-01-01T00:00:00.000000Z", ClockReading("system", "yes", "b", 1))


def an_event(**around: str) -> AnyReleaseEvent:
    """Return an event in the context that is given."""
    context = Context(actor=Actor(id="os:1"), source=Source(host_id="h", tool="t"), **around)
    return OperationCompleted(
        originator_id="release:emqx@h",
        originator_version=2,
        context=context,
        driver="embedded",
        verb="unpack",
        result="completed",
        table_sha256="0",
        boots_next=None,
    )


def member_of(field: Field[Any]) -> Member:
    """Return the row that the page must have for a field."""
    kinds = get_args(field.type)
    optional = NoneType in kinds
    kind = next(part for part in kinds if part is not NoneType) if optional else field.type
    always = "if any" if optional or str(kind).startswith("tuple") else "yes"
    assert not optional or field.default in {None, MISSING}
    return Member("from" if field.name == "from_vsn" else field.name, WORDS[kind], always)


def members(section: str) -> list[Member]:
    """Return the rows of a section with four columns."""
    return [Member(*row[:3]) for row in rows_of(section)]


def two_columns(section: str) -> Iterator[tuple[str, str]]:
    """Yield name and presence of the rows of a section with three columns."""
    return ((row[0], row[1]) for row in rows_of(section))


def rows_of(section: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a section's table."""
    for line in sections()[section].splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            yield [cells[0].strip("`"), *cells[1:]]


def sections() -> Mapping[str, str]:
    """Return the text below each heading of the page."""
    parts = re.split(r"^#+ (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
