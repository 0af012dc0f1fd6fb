"""How an event of another ledger is carried in this one, and got out again.

The leaf of the other log is canonical JSON, so it is text that a record may hold. It stands in
*leaf*, cut into pieces, since a text has at most 4,096 bytes (evidence.md 1.1); where the leaf
around it would grow too long, *leaf_deflated* holds pieces of the base64 of its zlib form.
``carried_leaf(carried(state)) == state`` for every leaf that this tool writes, and a carrier
that says both, none or anything else is refused.

A signed note is kept by its lines, without the empty one that divides it: a checkpoint has none
of its own, and its signature lines begin with a dash (C2SP signed-note).
"""

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger.dataclass import replace
from ledger.domain.canonical import STRING_LIMIT
from ledger.domain.envelope import SIZE_LIMIT, unseal, unseal_event
from ledger.domain.events import EventImported
from ledger.domain.ledger_events import AnyEvent, AnyImported, LedgerEventImported
from ledger.errors import EvidenceError

CARRIERS = frozenset({EventImported.TOPIC, LedgerEventImported.TOPIC})
"""Topics of the events that carry one of another ledger."""

_ROOM = 48_000  # leaves place for a note with three kinds of signatures, a reason, and the envelope
_COMMITMENT = re.compile(rb'"([a-z_]+_commit)":"([0-9a-f]{64})"')
_DASH = "\N{EM DASH} "
_CARRIERS = tuple(f'"type":"{topic}"'.encode() for topic in CARRIERS)


class CarrierError(EvidenceError):
    """An imported event does not hold the leaf that it says that it carries."""

    def __init__(self, fault: str) -> None:
        super().__init__(
            "an imported event does not carry the event of another ledger",
            fact=fault,
            hint="run `release-ledger verify`, which names the first entry that is not as it was signed",
        )
        self.fault = fault


def carried(state: bytes) -> dict[str, tuple[str, ...]]:
    """Return the member of a carrier that holds the leaf *state*: ``leaf``, or ``leaf_deflated`` for a long one.

    Raises: CarrierError for bytes that are no text, or that stay too long.
    """
    try:
        text = state.decode()
    except UnicodeDecodeError as exc:
        raise CarrierError("its bytes are no text") from exc
    if len(json.dumps(text, ensure_ascii=False).encode()) <= _ROOM:
        return {"leaf": tuple(_pieces(text))}
    from zlib import compress  # noqa: PLC0415 # few leaves are that long

    packed = b2a_base64(compress(state, 9), newline=False).decode()
    if len(packed) > _ROOM:
        raise CarrierError(f"its {len(state)} bytes do not deflate into the {_ROOM} that an event has room for")
    return {"leaf_deflated": tuple(_pieces(packed))}


def carried_leaf(data: Mapping[str, Any]) -> bytes:
    """Return the leaf that the ``data`` of a carrier holds.

    Raises: CarrierError.
    """
    plain, deflated = data.get("leaf", ()), data.get("leaf_deflated", ())
    if bool(plain) == bool(deflated):
        raise CarrierError("it holds the leaf twice, or not at all")
    try:
        state = "".join(plain).encode() if plain else _inflated("".join(deflated))
    except (TypeError, ValueError) as exc:
        raise CarrierError(str(exc)[:80]) from exc
    if not 0 < len(state) <= SIZE_LIMIT:
        raise CarrierError(f"its leaf would have {len(state)} bytes")
    return state


def original_event(event: AnyEvent) -> AnyEvent:
    """Return the event that *event* carries, through any number of imports; any other as it is.

    Raises: as carried_event.
    """
    while isinstance(event, EventImported | LedgerEventImported):
        event = carried_event(event)
    return event


def carried_event(event: AnyImported) -> AnyEvent:
    """Return the event that *event* carries, at the carrier's place in the stream.

    Raises: CarrierError, and what reading a stored event raises.
    """
    original = unseal_event(carried_leaf(vars(event)))
    if original.originator_id != event.originator_id:
        raise CarrierError(f"it stands in another stream than the {original.originator_id!a} of its leaf")
    return replace(original, originator_version=event.originator_version)


def with_carried(leaf: bytes) -> Iterator[bytes]:
    """Yield *leaf* and the leaves that lie in it, one in the other; a carrier that cannot be read ends them."""
    yield leaf
    while any(topic in leaf for topic in _CARRIERS):
        try:
            leaf = carried_leaf(unseal(leaf).envelope["data"])
        except (EvidenceError, KeyError, AttributeError):
            return
        yield leaf


def commitments_in(leaf: bytes) -> Iterator[tuple[str, str]]:
    """Yield each commitment that *leaf*, or a leaf that it carries, holds: its member and its digest.

    They are looked for by their exact bytes. In canonical JSON a quote inside a text is escaped, so
    ``"name_commit":"…"`` is a member wherever it stands, and never part of a text.
    """
    for each in with_carried(leaf):
        for member, commitment in _COMMITMENT.findall(each):
            yield member.decode(), commitment.decode()


def note_lines(note: bytes) -> tuple[str, ...]:
    """Return the lines by which a record keeps a signed checkpoint.

    Raises: CarrierError for bytes that are no such note.
    """
    try:
        lines = tuple(line for line in note.decode().split("\n") if line)
    except UnicodeDecodeError as exc:
        raise CarrierError("a note is no text") from exc
    if list(notes_of(lines)) != [note] or not lines[-1].startswith(_DASH):
        raise CarrierError("a note is no signed checkpoint")
    return lines


def notes_of(lines: Sequence[str]) -> Iterator[bytes]:
    """Yield the notes that a record keeps, one after the other, byte for byte."""
    text: list[str] = []
    signatures: list[str] = []
    for line in lines:
        if line.startswith(_DASH):
            signatures.append(line)
            continue
        if signatures:
            yield _note(text, signatures)
            text, signatures = [], []
        text.append(line)
    if text or signatures:
        yield _note(text, signatures)


def _note(text: Sequence[str], signatures: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in (*text, "", *signatures)).encode()


def _pieces(text: str) -> Iterator[str]:
    """Cut *text* into pieces that a record may hold; a part of a composed text is composed itself."""
    at = 0
    while at < len(text):
        piece = text[at : at + STRING_LIMIT]
        if not piece.isascii():
            piece = piece.encode()[:STRING_LIMIT].decode("utf-8", "ignore")
        yield piece
        at += len(piece)


def _inflated(packed: str) -> bytes:
    from zlib import decompressobj, error  # noqa: PLC0415 # as above

    raw = a2b_base64(packed, strict_mode=True)
    if b2a_base64(raw, newline=False).decode() != packed:
        raise ValueError("its base64 has stray bits")
    stream = decompressobj()
    try:
        state = stream.decompress(raw, SIZE_LIMIT + 1)
    except error as exc:
        raise ValueError(f"it cannot be inflated: {exc}") from exc
    if not stream.eof or stream.unused_data:
        raise ValueError("it inflates to more or less than one leaf")
    return state
