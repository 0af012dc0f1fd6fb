"""The evidence inside a page: lines that the script of the page reads and nothing else does.

The first line is the head, an object; then come, a line each, as many as *counts* says::

    {"origin", "size", "vkey", "whole", "counts",
     "sample":      [number, seed], or null
     "attempts":    {attempt: [verb, version, outcome, first event]}
     "fell":        [index, …]                   clocks set back
     "streams":     [[stream, node, rehearsal], …]}
    [index, leaf hash, envelope]                 events
    text                                         texts that envelopes share
    [level, index, hash]                         subtrees without an event of the page
    [size, root, key id and signature]           checkpoints, the oldest first; a whole note where it has more
    [index, since, stream, kept, ending, [[version, status], …], node if another then]   states

*attempts*, *fell*, *streams* and the states are what events outside the page would tell; a whole
page has none of them, because its script makes them from its events. Hashes and signatures are
base64. An envelope stands as an object: written again by ``JSON.stringify`` it gives the bytes
of the leaf, because these are canonical and its members keep their order; one for which that
does not hold stands as text. So does the leaf in one that carries an event of another log: in
``leaf`` an object stands for the one text that writing it gives. In an envelope ``~n`` is the
n-th of the shared texts, n in base 36, and a text that begins with ``~`` has one more in front.
Whatever could end a script element or a line of one is escaped. A line stands exactly as
``safe_json`` writes its value.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from cli.report.model import Report
from cli.report.states import changes_of
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import print_base64
from ledger.tlog.note import Note
from projections.read import StoredEvent

_WORTH = 8  # shorter texts gain nothing
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def embedded(report: Report) -> str:
    """Return the evidence of *report* as lines that may stand in a script element."""
    forms = [_form(stored) for _, stored in report.events]
    strings = _shared(form for form in forms if not isinstance(form, str))
    parts: Sequence[Sequence[object]] = (
        [
            [line.number, _base64(stored.leaf_hash), form if isinstance(form, str) else _packed(form, strings)]
            for (line, stored), form in zip(report.events, forms, strict=True)
        ],
        list(strings),
        [[piece.level, piece.index, _base64(piece.digest)] for piece in report.pieces],
        [_note(note, report.checkpoint.origin) for note in reversed(report.notes)],
        list(_states(report)),
    )
    return "\n".join(safe_json(value) for value in (_head(report, parts), *chain.from_iterable(parts)))


def safe_json(value: object) -> str:
    """Return *value* as JSON that no parser of HTML or of scripts ends early."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)


def streams_of(report: Report) -> list[tuple[str, str, bool]]:
    """Return the streams that have a state, each with the last name of its node and whether it is a rehearsal."""
    return list({state.stream: (state.stream, state.node, state.rehearsal) for state in report.states or ()}.values())


def _head(report: Report, parts: Sequence[Sequence[object]]) -> Mapping[str, object]:
    population = report.population
    return {
        "origin": report.checkpoint.origin,
        "size": report.checkpoint.size,
        "vkey": None if report.origin.vkey is None else str(report.origin.vkey),
        "whole": report.whole,
        "counts": [len(part) for part in parts],
        "sample": None if population.seed is None else [report.wanted.sample, population.seed],
        "attempts": _attempts(report),
        "fell": [] if report.whole else [line.number for line in report.lines if line.clock_fell],
        "streams": streams_of(report),
    }


def _form(stored: StoredEvent) -> object:
    """Return the envelope of an entry as an object, its text where that does not give the bytes again."""
    entry = stored.entry
    if _written(entry).encode(errors="replace") != stored.state:
        return stored.state.decode(errors="replace")
    if stored.imported is None or len(entry["data"].get("leaf", ())) != 1:
        return entry
    (leaf,) = entry["data"]["leaf"]
    carried = json.loads(leaf)
    return {**entry, "data": {**entry["data"], "leaf": carried}} if _written(carried) == leaf else entry


def _written(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _shared(values: Iterable[object]) -> Mapping[str, str]:
    """Return the texts that stand in *values* more than once and are worth it, each with what stands for it."""
    counts = Counter(text for value in values for text in _texts(value) if len(text) >= _WORTH)
    often = [text for text, number in counts.most_common() if number > 1]
    return {text: f"~{_base36(place)}" for place, text in enumerate(often)}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _packed(value: object, strings: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return strings.get(value, f"~{value}" if value.startswith("~") else value)
    if isinstance(value, Mapping):
        return {name: _packed(member, strings) for name, member in value.items()}
    return [_packed(member, strings) for member in value] if isinstance(value, list) else value


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _note(note: bytes, origin: str) -> object:
    parsed = Note.parse(note)
    checkpoint = Checkpoint.parse(parsed.text)
    (line, *others) = parsed.signatures
    if others or checkpoint.extensions or (line.name, checkpoint.origin) != (origin, origin):
        return note.decode()
    return [checkpoint.size, _base64(checkpoint.root), _base64(line.key_id + line.payload)]


def _attempts(report: Report) -> Mapping[str, tuple[str | int | None, ...]]:
    rows = {} if report.whole else report.attempts
    return {name: (row.verb, row.vsn, row.outcome, row.first_event) for name, row in rows.items()}


def _states(report: Report) -> Iterator[Sequence[object]]:
    places = {stream: (place, node) for place, (stream, node, _) in enumerate(streams_of(report))}
    for state, change in changes_of(report.states or ()):
        place, node = places[state.stream]
        row = (state.number, state.since, place, *(change or (None,)))
        yield row if state.node == node or change is None else (*row, state.node)


def _base64(data: bytes) -> str:
    return print_base64(data).decode()
