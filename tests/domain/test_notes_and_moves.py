"""Notes, corrections, moves and leaving: they append to a history and change no table."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.domain.decisions import (
    AttemptOpenError,
    decide_move,
    decide_note,
    decide_register,
    decide_unregister,
)
from ledger.domain.observation import Observation
from ledger.domain.records import Kind
from ledger.domain.releases import NodeReleases, evolve, table_digest
from tests.domain.nodes import BY, FACTS, RUN, after, node_with, requested, tables_of
from tests.fakes.recording import CONTEXT

NODE = node_with("4.4.16 current", "4.4.0 permanent")
EVENT_ID = "0190d1ab-1234-7abc-8def-000000000007"


def test_a_note_changes_nothing_but_the_version() -> None:
    note = decide_note(NODE, EVENT_ID, text=("the pager was silent",), corrects=False, context=CONTEXT)

    assert (note.kind, note.context.corrects) == ("note", None)
    assert evolve(NODE, note) == replace(NODE, version=2)


def test_a_correction_names_in_the_envelope_what_it_corrects() -> None:
    """evidence.md 1.2, member ``corrects``."""
    note = decide_note(NODE, EVENT_ID, text=("it was CHG-7",), corrects=True, context=CONTEXT)

    assert (note.kind, note.context.corrects, note.event_id) == ("correction", EVENT_ID, EVENT_ID)


def test_a_note_can_be_written_while_an_attempt_is_open() -> None:
    opened = after(NODE, [requested(NODE)])

    note = decide_note(opened, EVENT_ID, text=("waiting for the supplier",), corrects=False, context=CONTEXT)

    assert evolve(opened, note).open_attempt == opened.open_attempt


def test_a_moved_installation_keeps_its_stream_and_its_tables() -> None:
    by = replace(BY, context=replace(CONTEXT, node="emqx@10.0.0.9"))

    moved = decide_move(NODE, root="/opt/emqx", by=by)

    assert (moved.former_node, moved.former_root) == (NODE.node, NODE.root)
    assert evolve(NODE, moved) == replace(NODE, version=2, node="emqx@10.0.0.9", root="/opt/emqx")


def test_an_installation_that_left_can_be_registered_again() -> None:
    left = after(NODE, [decide_unregister(NODE, context=CONTEXT)])
    seen = Observation(tables=tables_of("4.4.1 permanent"), booted="4.4.1", run=RUN)

    again = decide_register(
        NODE.id,
        root="/opt/emqx",
        kind=Kind.REHEARSAL,
        source="disk",
        facts=FACTS,
        seen=seen,
        by=BY,
        version=left.version + 1,
    )

    assert not left.registered
    assert (evolve(left, again).registered, evolve(left, again).tables, again.originator_version) == (
        True,
        seen.tables,
        3,
    )


def test_leaving_names_the_tables_at_the_end() -> None:
    assert decide_unregister(NODE, context=CONTEXT).table_sha256 == table_digest(NODE.tables)


@pytest.mark.parametrize(
    "decide", [lambda n: decide_move(n, root="/x", by=BY), lambda n: decide_unregister(n, context=CONTEXT)]
)
def test_an_open_attempt_forbids_moving_and_leaving(decide: Callable[[NodeReleases], object]) -> None:
    opened = after(NODE, [requested(NODE)])

    with pytest.raises(AttemptOpenError):
        decide(opened)
