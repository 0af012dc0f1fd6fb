"""The fold of a node's events."""

import pytest
from hypothesis import given as with_any
from hypothesis import strategies as st

from ledger.domain.decisions import decide_completion, decide_failure, decide_make_permanent, decide_unpack
from ledger.domain.events import AnyReleaseEvent, SpoolBegun
from ledger.domain.outcomes import Failure, Unpacked
from ledger.domain.records import Kind, Output, PackageRecord, StepKind, Verb
from ledger.domain.releases import StreamStartError, evolve, stream_of, table_digest
from ledger.errors import EvidenceError
from tests.domain.nodes import BY, NEXT_RUN, given, registered, requested, seen, tables_of
from tests.domain.strategies import later_events

PACKAGE = PackageRecord(name="emqx-4.4.16.zip", size=9, sha256="b" * 64)


@with_any(st.lists(later_events, max_size=8))
def test_evolve_takes_every_recorded_event(events: list[AnyReleaseEvent]) -> None:
    """ARCHITECTURE section 1: decide may refuse, evolve never does."""
    node = given(registered(), *events)

    assert node.version == (events[-1].originator_version if events else 1)


@with_any(later_events.filter(lambda event: not isinstance(event, SpoolBegun)))
def test_a_stream_that_does_not_begin_with_a_registration_is_no_history(event: AnyReleaseEvent) -> None:
    with pytest.raises(StreamStartError) as caught:
        evolve(None, event)

    assert isinstance(caught.value, EvidenceError)
    assert caught.value.stream == event.originator_id


def test_a_registered_node_is_what_its_first_event_says() -> None:
    event = registered("4.4.1 unpacked", "4.4.0 permanent")

    node = given(event)

    assert (node.id, node.version, node.node, node.root) == (event.originator_id, 1, "emqx@10.0.0.7", "/usr/lib/emqx")
    assert (node.kind, node.facts, node.tables) == (Kind.REHEARSAL, event.facts, event.tables)
    assert (node.booted, node.run, node.open_attempt) == ("4.4.0", event.run, None)


def test_an_intent_opens_an_attempt_its_steps_count_and_its_completion_closes_it() -> None:
    first = registered()
    events: list[AnyReleaseEvent] = [first, requested(given(first), Verb.UNPACK)]

    opened = given(*events)
    unpacked = Unpacked(vsn="4.4.16", erts="12.1.5", files=9, files_sha256="a" * 64)
    events.append(decide_unpack(opened, unpacked, package=PACKAGE, set_aside=(), by=BY))
    stepped = given(*events)
    events.append(decide_completion(stepped, Verb.UNPACK, result="completed", by=BY))

    assert opened.open_attempt is not None
    assert (opened.open_attempt.verb, opened.open_attempt.done, len(opened.open_attempt.plan)) == (Verb.UNPACK, 0, 1)
    assert stepped.open_attempt is not None
    assert stepped.open_attempt.done == 1
    assert given(*events).open_attempt is None


def test_a_failure_closes_the_attempt_and_goes_on_from_what_was_seen() -> None:
    first = registered()
    opened = given(first, requested(given(first)))
    output = Output(output_sha256="c" * 64, output_bytes=0)
    failure = Failure(step=StepKind.UNPACK, vsn="4.4.16", code=4, cause="full", hint=None, output=output)
    found = seen(tables_of("4.4.16 unpacked", "4.4.0 permanent"), run=NEXT_RUN)

    node = evolve(opened, decide_failure(opened, Verb.UPGRADE, failure, seen=found, by=BY))

    assert (node.open_attempt, node.tables, node.run) == (None, found.tables, NEXT_RUN)


def test_a_step_outside_an_attempt_moves_the_tables_alone() -> None:
    node = given(registered("4.4.16 current", "4.4.0 permanent"))

    moved = evolve(node, decide_make_permanent(node, "4.4.16", by=BY))

    assert (moved.tables.permanent, moved.open_attempt) == ("4.4.16", None)


def test_a_rehearsal_never_shares_a_stream_with_production() -> None:
    """RULINGS 2."""
    digest = "0123456789abcdef" * 4

    assert stream_of("emqx@h", kind=Kind.LIVE, root_sha256=digest) == "release:emqx@h"
    assert stream_of("emqx@h", kind=Kind.REHEARSAL, root_sha256=digest) == "release:emqx@h:rehearsal:01234567"


def test_the_digest_of_tables_covers_memory_disk_and_pointers_in_their_order() -> None:
    """RULINGS 4; the digest of this canonical text was computed with sha256sum."""
    told = tables_of("4.4.16 current", "4.4.0 permanent")
    others = (
        tables_of("4.4.0 permanent", "4.4.16 current"),
        tables_of("4.4.16 unpacked", "4.4.0 permanent"),
        tables_of("4.4.16 current", "4.4.0 permanent", boots="4.4.16"),
    )

    assert table_digest(told) == "0364c9f8cfc6aa989fed1e4c26e3fde468b42ca3d96cc6787bce2e766249d719"
    assert table_digest(told) not in set(map(table_digest, others))
