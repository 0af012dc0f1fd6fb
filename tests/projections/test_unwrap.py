"""The event that an imported entry carries, and what carries none."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from zlib import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.imported import carried
from projections.read import EntryError, open_ledger, read_events
from projections.unwrap import LARGEST, NoEventCarriedError, carried_by
from tests.projections.histories import Leaf
from tests.projections.imports import LOG, ORIGIN, received
from tests.projections.ledgers import forge, make_ledger

TOPIC = "emqx.release.event_imported.v1"
INNER = json.loads(LOG[0].state)


def carrier(**data: Any) -> dict[str, Any]:  # noqa: ANN401 # what JSON holds
    """Return an entry that carries the first event of the other log, with other data where they are given."""
    held = {"origin": ORIGIN, "index": 4, "leaf": [LOG[0].state.decode()], **data}
    return {"type": TOPIC, "stream": LOG[0].stream, "node": INNER["node"], "version": 1, "data": held}


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), size=st.sampled_from((1, 5_000, 60_000)))
def test_a_leaf_of_any_length_comes_out_as_it_went_in(text: str, size: int) -> None:
    """However ``ledger/domain/imported.py`` packs it."""
    inner = {**INNER, "data": {"text": text * (size // len(json.dumps(text, ensure_ascii=False).encode()) or 1)}}
    member = carried(json.dumps(inner, separators=(",", ":"), ensure_ascii=False).encode())

    found = carried_by(carrier(**({"leaf": []} | {name: list(pieces) for name, pieces in member.items()})))

    assert (dict(found.envelope), found.origin, found.number) == (inner, ORIGIN, 4)


def test_what_was_imported_twice_over_is_told_as_it_was_first_recorded() -> None:
    between = {**carrier(), "v": 1}
    outer = carrier(origin="example.com/between", index=9, leaf=[json.dumps(between)])

    found = carried_by(outer)

    assert (dict(found.envelope), found.origin, found.number) == (INNER, ORIGIN, 4)
    assert found.through == ("example.com/between", ORIGIN)


def packed(state: bytes) -> dict[str, Any]:
    return {"leaf": [], "leaf_deflated": [b64encode(compress(state)).decode()]}


def other(**members: object) -> dict[str, Any]:
    return {"leaf": [json.dumps({**INNER, **members})]}


@pytest.mark.parametrize(
    "data",
    [
        {"origin": ""},
        {"origin": None},
        {"index": -1},
        {"index": True},
        {"index": "4"},
        {"leaf": []},
        {"leaf": "text"},
        {"leaf": [4]},
        {"leaf": ["{"]},
        {"leaf": ["[]"]},
        {"leaf": ["[" * 9_000]},
        {"leaf_deflated": ["AAAA"]},
        {"leaf": [], "leaf_deflated": ["AAAA"]},
        {"leaf": [], "leaf_deflated": ["\u00e9"]},
        packed(b" " * (LARGEST + 1)),
        {"leaf": [], "leaf_deflated": [b64encode(compress(LOG[0].state)[:-1]).decode()]},
        {"leaf": [], "leaf_deflated": [b64encode(compress(LOG[0].state) + b"0").decode()]},
        other(v=2),
        other(data=[]),
        other(stream="release:emqx@elsewhere"),
        other(node="emqx@elsewhere"),
        other(type="emqx.ledger.tip_accepted.v1"),
        other(type=None),
        other(version=0),
        other(version="1"),
    ],
)
def test_an_entry_that_carries_no_event_of_its_stream_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(NoEventCarriedError):
        carried_by(carrier(**data))


def test_the_reader_names_the_entry(tmp_path: Path) -> None:
    """STYLE: no ValueError leaks out of a parser of untrusted text."""
    log = received([], [], (ORIGIN, LOG[:3], 0))
    folder = make_ledger(tmp_path / "ledger", log)
    state = json.loads(log[2].state)
    state["data"]["index"] = -1
    forge(folder, "UPDATE stored_events SET state = ? WHERE state = ?", json.dumps(state).encode(), log[2].state)

    with open_ledger(folder) as ledger, pytest.raises(EntryError) as caught:
        tuple(read_events(ledger))

    assert caught.value.number == 2
    assert "does not say from where" in caught.value.fact


def test_an_imported_event_is_read_in_its_place(tmp_path: Path) -> None:
    log = received([], [], (ORIGIN, LOG[:3], 0))

    with open_ledger(make_ledger(tmp_path / "ledger", log)) as ledger:
        head, *events = read_events(ledger)

    assert (head.imported, head.entry) == (None, head.envelope)
    assert [
        Leaf(e.stream, e.version, e.topic, json.dumps(e.envelope, separators=(",", ":")).encode()) for e in events
    ] == [leaf._replace(state=json.dumps(json.loads(leaf.state), separators=(",", ":")).encode()) for leaf in LOG[:3]]
    assert [e.imported and (e.imported.origin, e.imported.number, e.imported.by) for e in events] == [
        (ORIGIN, number, "os:9") for number in range(3)
    ]
    assert [(e.state, e.leaf_hash, e.entry["type"]) for e in events] == [
        (leaf.state, leaf.leaf_hash, leaf.topic) for leaf in log[1:]
    ]
