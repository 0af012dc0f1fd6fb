"""Unwrapping: the event that an imported entry carries.

An entry ``….event_imported.v1`` carries the leaf of another ledger byte for byte, as pieces of
text in ``leaf``, or of its zlib form in base64 in ``leaf_deflated`` (``ledger/domain/imported.py``).
A reader of the record meets that event as it was recorded, in the place of the entry that carries
it. Whether the leaf stood in the log that the entry names is for ``verify`` to say; here an entry
is only refused that carries no event, or one of another stream. This needs the standard library
alone, as all reading does.

An event that was imported twice over, from a ledger which had imported it, is unwrapped to the
last: what is told is the ledger in which it was recorded.
"""

import json
import zlib
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

WRAPPERS = {"emqx.release.event_imported.v1": "emqx.release.", "emqx.ledger.event_imported.v1": "emqx.ledger."}
"""The topics of entries that carry another ledger's event, and with what the topics of such events begin."""

LARGEST = 65_535
"""The most bytes that a leaf has (evidence.md 1.2)."""


class Carried(NamedTuple):
    """An event as it was recorded: its envelope, in the log *origin* as event *number*.

    *through* are the logs that it came through, the last importer's source first, *origin* last.
    """

    envelope: Mapping[str, Any]
    origin: str
    number: int
    through: tuple[str, ...]


class Imported(NamedTuple):
    """Where an imported event was recorded: the log *origin*, its *number* there; imported *at* a time *by* someone.

    *through* is as ``Carried`` has it.
    """

    origin: str
    number: int
    at: str
    by: str
    through: tuple[str, ...]


class NoEventCarriedError(ValueError):
    """An entry carries no event; the reader that met it says which entry."""


def carried_by(envelope: Mapping[str, Any]) -> Carried:
    """Return the event that the entry with *envelope* carries, whose topic is one of ``WRAPPERS``.

    Raises: NoEventCarriedError.
    """
    through: tuple[str, ...] = ()
    while True:
        data = envelope["data"]
        origin, index = data.get("origin"), data.get("index")
        if not isinstance(origin, str) or not origin or type(index) is not int or index < 0:
            raise NoEventCarriedError("it does not say from where it was imported")
        inner, through = _envelope_in(data), (*through, origin)
        _check_same(envelope, inner)
        if inner["type"] not in WRAPPERS:
            return Carried(inner, origin, index, through)
        envelope = inner


def _envelope_in(data: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        envelope = json.loads(_leaf_in(data))
    except NoEventCarriedError:
        raise
    except (ValueError, RecursionError, zlib.error) as exc:
        raise NoEventCarriedError(f"the leaf in it does not read: {exc}") from exc
    if not isinstance(envelope, dict) or not isinstance(envelope.get("data"), dict) or envelope.get("v") != 1:
        raise NoEventCarriedError("the leaf in it is no envelope of version 1 with data")
    return envelope


def _leaf_in(data: Mapping[str, Any]) -> bytes:
    leaf, deflated = (data.get(name, []) for name in ("leaf", "leaf_deflated"))
    if not all(
        isinstance(found, list) and all(isinstance(piece, str) for piece in found) for found in (leaf, deflated)
    ):
        raise NoEventCarriedError("the leaf in it is no text")
    if bool(leaf) == bool(deflated):
        raise NoEventCarriedError("it holds no leaf, or two")
    return "".join(leaf).encode() if leaf else _inflated("".join(deflated))


def _inflated(text: str) -> bytes:
    inflating = zlib.decompressobj()
    inflated = inflating.decompress(b64decode(text, validate=True), LARGEST + 1)
    if not inflating.eof or inflating.unused_data or len(inflated) > LARGEST:
        raise NoEventCarriedError("the leaf in it is too long, cut off, or has more behind it")
    return inflated


def _check_same(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> None:
    topic, stream = inner.get("type"), inner.get("stream")
    if not isinstance(topic, str) or not topic.startswith(WRAPPERS[outer["type"]]):
        raise NoEventCarriedError(f"it carries an event of the type {ascii(topic)[:80]}")
    if stream != outer["stream"] or inner.get("node") != outer.get("node"):
        raise NoEventCarriedError(f"it carries an event of {ascii(stream)[:80]}, or of another node than it says")
    version = inner.get("version")
    if type(version) is not int or version < 1:
        raise NoEventCarriedError("the event in it has no version")
