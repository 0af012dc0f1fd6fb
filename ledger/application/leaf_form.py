"""Form of one leaf: the reader's checks of evidence.md 1.1 to 1.3 that need nothing but its bytes.

``read_leaf`` accepts a leaf of envelope version 1 and returns its facts, or says what is wrong:
strict JSON, the canonical bytes of the object, sizes, texts, numbers, the mandatory members and
the notation of ids, times and digests. No event class is involved, so a leaf of an event that
this version does not know reads as well.

Reading a million leaves this way takes ten times as long as hashing them. ``LeafReader`` learns
the *shape* of leaves that it read: names, punctuation and kinds of values, as one regular
expression that admits only plain printable ASCII, short integers and the notations above. Bytes
that match the shape of a leaf that was accepted are themselves accepted by every rule, with no
parse; whatever matches no shape takes the long way.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger.application.audit_form import Facts
from ledger.domain.canonical import CanonicalError, NotCanonicalError, check_value, parse_canonical
from ledger.errors import EvidenceError

ENVELOPE_VERSION = 1
SIZE_LIMIT = 65_535
_LEARN_AFTER = 50
_SHAPES = 8
_SHOWN = 60

_UUID7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_TIME = (
    "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)\.[0-9]{6}Z"
)
_TOPIC = r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*\.v[1-9][0-9]*"
_DIGEST = "[0-9a-f]{64}"
_TEXT = r"[ !#-\[\]-~]{1,4096}"
_NATURAL = "(?:0|[1-9][0-9]{0,14})"
_INTEGER = "(?:0|-?[1-9][0-9]{0,14})"
# Members whose text has a notation of its own; those of the data may have any name.
_NOTATIONS: Mapping[tuple[str, ...], str] = {
    ("event_id",): _UUID7,
    ("commit_id",): _UUID7,
    ("attempt",): _UUID7,
    ("causation_id",): _UUID7,
    ("corrects",): _UUID7,
    ("recorded_at",): _TIME,
    ("occurred_at",): _TIME,
    ("type",): _TOPIC,
    ("actor", "kind"): "(?:human|service|break_glass)",
    ("actor", "auth"): "(?:asserted|os|ssh_signature)",
    ("clock", "synced"): "(?:yes|no|unknown)",
}
_MANDATORY: Mapping[tuple[str, ...], type] = {
    ("ledger",): str,
    ("stream",): str,
    ("version",): int,
    ("type",): str,
    ("event_id",): str,
    ("commit_id",): str,
    ("recorded_at",): str,
    ("clock", "source"): str,
    ("clock", "synced"): str,
    ("clock", "boot_id"): str,
    ("clock", "monotonic_us"): int,
    ("actor", "id"): str,
    ("actor", "kind"): str,
    ("actor", "auth"): str,
    ("source", "host_id"): str,
    ("source", "tool"): str,
    ("data",): dict,
}
_LOWEST: Mapping[tuple[str, ...], int] = {("version",): 1, ("clock", "monotonic_us"): 0}
_NUMBERS: Mapping[tuple[str, ...], str] = {
    ("v",): "1",
    ("version",): "[1-9][0-9]{0,14}",
    ("clock", "monotonic_us"): _NATURAL,
}


_new = tuple.__new__  # Facts(*groups) takes as long as the hash of a leaf
_OF_CLOCK = frozenset({"boot_id", "monotonic_us"})
_FACTS = frozenset(("clock", name) if name in _OF_CLOCK else (name,) for name in Facts._fields)


class LeafFormError(EvidenceError):
    """A leaf breaks a rule of evidence.md 1.1 or 1.2."""

    def __init__(self, fault: str) -> None:
        super().__init__(
            "a stored entry is not of the form that is written",
            fact=fault,
            hint="keep the record as it is; find out which software wrote this entry",
        )
        self.fault = fault


class LeafVersionError(EvidenceError):
    """A leaf has an envelope version that is not read here: nothing can be said of its form."""

    kind = "undecided"

    def __init__(self, version: object) -> None:
        super().__init__(
            f"the entry has the envelope version {ascii(version)[:_SHOWN]}",
            fact=f"version {ENVELOPE_VERSION} is read here",
            hint="verify this record with the version of release-ledger that wrote it, or a later one",
        )


class LeafReader:
    """Reads leaves, and learns their shapes."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, list[re.Pattern[bytes]]] = {}
        self._misses: dict[bytes, int] = {}

    def __call__(self, leaf: bytes, topic: bytes) -> Facts:
        """Return what *leaf* says; *topic* is only a hint at its shape.

        Raises: LeafFormError, LeafVersionError.
        """
        for shape in self._shapes.get(topic, ()):
            match = shape.fullmatch(leaf)
            if match is not None and len(leaf) <= SIZE_LIMIT:
                return _new(Facts, match.groups())
        envelope = parse_leaf(leaf)
        self._learn(topic, envelope)
        return facts_of(envelope)

    def read_all(self, leaves: Sequence[bytes], topics: Sequence[bytes]) -> list[Facts]:
        """Return what each of *leaves* says, as one call for each would.

        Raises: LeafFormError, LeafVersionError.
        """
        if max(map(len, leaves)) > SIZE_LIMIT:
            return list(map(self, leaves, topics))
        found: list[Facts] = []
        keep, shapes_of = found.append, self._shapes.get
        for leaf, topic in zip(leaves, topics, strict=True):
            for shape in shapes_of(topic, ()):
                match = shape.fullmatch(leaf)
                if match is not None:
                    keep(_new(Facts, match.groups()))
                    break
            else:
                keep(self(leaf, topic))
        return found

    def _learn(self, topic: bytes, envelope: Mapping[str, Any]) -> None:
        # To compile a shape takes as long as to read a hundred leaves.
        misses = self._misses[topic] = self._misses.get(topic, 0) + 1
        shapes = self._shapes.setdefault(topic, [])
        if misses >= _LEARN_AFTER and len(shapes) < _SHAPES:
            self._misses[topic] = 0
            shapes.append(re.compile(_shape(envelope, ()).encode()))


def read_leaf(leaf: bytes) -> Facts:
    """Return what *leaf* says of its own place.

    Raises: LeafFormError, LeafVersionError.
    """
    return facts_of(parse_leaf(leaf))


def parse_leaf(leaf: bytes) -> Mapping[str, Any]:
    """Return the envelope in *leaf*, which keeps every rule of form.

    Raises: LeafFormError, LeafVersionError.
    """
    if len(leaf) > SIZE_LIMIT:
        raise LeafFormError(f"it has {len(leaf)} bytes of at most {SIZE_LIMIT}")
    try:
        envelope = parse_canonical(leaf)
        if "v" not in envelope:
            raise LeafFormError("the mandatory member v is missing")
        if type(envelope["v"]) is not int or envelope["v"] != ENVELOPE_VERSION:
            raise LeafVersionError(envelope["v"])
        check_value(envelope, reading=True)
    except NotCanonicalError as exc:
        raise LeafFormError(f"it is not canonical JSON: {exc.fault}") from exc
    except CanonicalError as exc:
        raise LeafFormError(f"{exc.path}: {exc.fault}") from exc
    for fault in _faults(envelope):
        raise LeafFormError(fault)
    return envelope


def facts_of(envelope: Mapping[str, Any]) -> Facts:
    """Return what an envelope that keeps the rules of form says of its own place."""
    clock = envelope["clock"]
    members = (clock if name in _OF_CLOCK else envelope for name in Facts._fields)
    return Facts(*(str(member[name]).encode() for member, name in zip(members, Facts._fields, strict=True)))


def _faults(envelope: Mapping[str, Any]) -> Iterator[str]:
    for path, kind in _MANDATORY.items():
        value: Any = envelope
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if type(value) is not kind:
            yield f"the mandatory member {'.'.join(path)} is missing or of another kind"
        elif isinstance(value, int) and value < _LOWEST.get(path, value):
            yield f"the member {'.'.join(path)} is below {_LOWEST[path]}"
    if "attempt" in envelope and "node" not in envelope:
        yield "it belongs to an attempt and names no node"
    yield from _notation_faults(envelope, ())


def _notation_faults(value: object, path: tuple[str, ...]) -> Iterator[str]:
    notation = _notation(path) if path else None
    if notation is not None and not (isinstance(value, str) and re.fullmatch(notation, value)):
        yield f"the member {'.'.join(path)} is not written as such a member is"
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _notation_faults(member, (*path, name))
    elif isinstance(value, list):
        for member in value:
            yield from _notation_faults(member, (*path, ""))


def _notation(path: tuple[str, ...]) -> str | None:
    if path in _NOTATIONS:
        return _NOTATIONS[path]
    return _DIGEST if path[-1].endswith(("sha256", "_commit")) else None


def _shape(value: object, path: tuple[str, ...]) -> str:
    """Return the expression for what has the names and kinds of *value*, which was accepted."""
    if isinstance(value, dict):
        members = (f'"{name}":{_shape(value[name], (*path, name))}' for name in sorted(value))
        return r"\{" + ",".join(members) + r"\}"
    if isinstance(value, list):
        return r"\[" + ",".join(_shape(member, (*path, "")) for member in value) + r"\]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        number = _NUMBERS.get(path, _INTEGER)
        return f"({number})" if path in _FACTS else number
    text = _notation(path) or _TEXT
    return f'"({text})"' if path in _FACTS else f'"{text}"'
