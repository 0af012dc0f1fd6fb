"""The strict form of an event's data: every event that can be written has it, and nothing less."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.event_codec import TOPICS, UnknownTopicError, data_of, event_from
from ledger.domain.event_form import event_fault
from ledger.domain.ledger_events import AnyEvent
from ledger.errors import EvidenceError
from tests.domain.strategies import events, ledger_events
from tests.fakes.recording import CONTEXT, installed, registered, restarted

Path = tuple[str | int, ...]


@given(events | ledger_events)
def test_every_event_that_can_be_written_has_the_form(event: AnyEvent) -> None:
    assert event_fault(event.TOPIC, data_of(event)) is None


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the place of every value inside *value*."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from places(member, (*path, name))


def put(data: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    altered: Any = deepcopy(data)
    inner = altered
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return altered  # type: ignore[no-any-return] # the outermost object


@given(events | ledger_events, st.data())
def test_no_value_passes_for_one_of_another_kind(event: AnyEvent, drawn: st.DataObject) -> None:
    data = data_of(event)
    path = drawn.draw(st.sampled_from(list(places(data))))
    value: Any = data
    for name in path:
        value = value[name]
    other = drawn.draw(st.sampled_from(("x", 5, True, [1], {"x": 1}, None, 1.5)))
    same = type(other) is type(value) or (isinstance(value, dict) and isinstance(other, dict))

    assert same or event_fault(event.TOPIC, put(data, path, other)) is not None


@pytest.mark.parametrize("event", [registered(), installed(2), restarted(3)])
def test_a_member_that_is_always_there_is_missed(event: AnyEvent) -> None:
    data = data_of(event)

    for name in data.keys() - {"baseline", "reverted"}:
        rest = {key: value for key, value in data.items() if key != name}
        assert event_fault(event.TOPIC, rest) == f"data.{name} is missing"


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("to",), 5, "data.to is no text"),
        (("driver",), "hand", "data.driver is none of embedded, node, script"),
        (("driver",), ["node"], "data.driver is none of embedded, node, script"),
    ],
)
def test_what_an_installation_cannot_say_is_named(path: Path, value: object, fault: str) -> None:
    assert event_fault(installed(2).TOPIC, put(data_of(installed(2)), path, value)) == fault


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("tables",), {}, "data.tables is no table of releases"),
        (("tables", "memory"), "4.4.0", "data.tables.memory is no list"),
        (("tables", "memory", 0), ["4.4.0"], "data.tables.memory[0] is no release and status"),
        (("tables", "memory", 0, 1), "new", "data.tables.memory[0][1] is none of"),
        (("tables", "start_erl"), 1, "data.tables.start_erl is no text"),
        (("kind",), "note", "data.kind is none of live, rehearsal"),
        (("facts",), [], "data.facts is no object"),
        (("run", "os_pid"), True, "data.run.os_pid is no number"),
    ],
)
def test_what_a_registration_cannot_say_is_named(path: Path, value: object, fault: str) -> None:
    found = event_fault(registered().TOPIC, put(data_of(registered()), path, value))

    assert found is not None
    assert found.startswith(fault)


@pytest.mark.parametrize("data", [{}, [], None, "text", 5])
@pytest.mark.parametrize("topic", TOPICS)
def test_no_event_is_without_members(topic: str, data: object) -> None:
    assert event_fault(topic, data) is not None


def test_members_of_later_versions_are_left_alone() -> None:
    """evidence.md 1.2."""
    assert event_fault(installed(2).TOPIC, data_of(installed(2)) | {"zz": None}) is None


def test_a_topic_outside_the_table_is_refused() -> None:
    with pytest.raises(UnknownTopicError):
        event_fault("emqx.release.imagined.v1", {})


@given(events | ledger_events, st.data())
def test_what_has_the_form_can_be_read(event: AnyEvent, drawn: st.DataObject) -> None:
    """Whatever is altered: what passes here never fails in replay."""
    data = data_of(event)
    path = drawn.draw(st.sampled_from(list(places(data))))
    altered = put(data, path, drawn.draw(st.text() | st.integers() | st.lists(st.text()) | st.none()))

    if event_fault(event.TOPIC, altered) is None:
        try:
            event_from(
                event.TOPIC,
                altered,
                originator_id=event.originator_id,
                originator_version=event.originator_version,
                context=CONTEXT,
            )
        except (EvidenceError, ValueError, KeyError, TypeError) as exc:
            pytest.fail(f"{exc!r}")
