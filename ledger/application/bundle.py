"""An evidence bundle: which files it has, and what stands in them (evidence.md 6.3).

::

    README  VERIFY.md  verify.sh  SHA256SUMS  manifest.json  checkpoint  log.vkey  policy
    tile/…  tile/entries/…                       whole form: a log that any C2SP client reads
    entries/<N>.json  entries/<N>.tlog-proof     sample form: the leaf's bytes, and its proof
    anchors/<size>-<n>.note  disclosures.json  views/…

Files are yielded one at a time and never kept, so a bundle may be larger than memory. On the way
the tree is built anew from the leaves, or a root from the stored tiles, and held against the
signed checkpoint: a record that is not what was signed is not exported as evidence. The same
record and the same choice give the same bytes: no time and no chance gets in.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from ledger.application.bundle_tally import Tally
from ledger.errors import EvidenceError, UsageError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.entry_bundle import encode_bundle
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.notation import FormatError
from ledger.tlog.note import Note, Verifier, add_signatures
from ledger.tlog.proof import TlogProof
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.tiles import bundles_of_size
from ledger.tlog.tree_builder import TileRow, TreeBuilder
from ledger.tlog.vkey import Vkey

CHECKPOINT = "checkpoint"
DISCLOSURES = "disclosures.json"


class RecordDiffersError(EvidenceError):
    """The record is not what its own checkpoint signs."""

    kind = "failed"

    def __init__(self, what: str) -> None:
        super().__init__(
            "the record is not what was signed, so it is not exported as evidence",
            fact=what,
            hint="keep the ledger as it is and run `release-ledger verify`, which names the first difference",
        )


class NothingToExportError(UsageError):
    """No event is left to put into a bundle."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            "there is no event to export", fact=fact, hint="see `release-ledger log` with the same filters"
        )


@dataclass(frozen=True)
class BundleFile:
    """One file of a bundle; *derived* marks what is made from the events for reading."""

    path: str
    data: bytes
    executable: bool = False
    derived: bool = False


@dataclass(frozen=True)
class HeldCopy:
    """A note that *sink* holds of the tree of *size*, as the ledger keeps it."""

    size: int
    sink: str
    note: bytes
    at: str


@dataclass(frozen=True)
class KeptValue:
    """A personal value: ``sha256(salt + value)`` is the *commitment*, *value* canonical JSON (evidence.md 1.5)."""

    commitment: str
    salt: bytes
    value: bytes


class BundleSource(Protocol):
    """The record that is exported, read only."""

    def leaves(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the leaves from *start* up to but without *stop*.

        Raises: EvidenceError for one that is missing.
        """
        ...

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """Return the first *width* hashes of a tile, joined."""
        ...

    def held_copies(self, size: int) -> Sequence[HeldCopy]:
        """Return what others hold of trees up to *size*, by size and sink."""
        ...

    def kept_values(self) -> Iterator[KeptValue]:
        """Yield every personal value that is kept, by its commitment."""
        ...


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is exported: all events of the tree that *note* signs, or those at *indexes*, chosen by *filters*."""

    note: bytes
    checkpoint: Checkpoint
    vkey: Vkey | None
    indexes: tuple[int, ...] | None = None
    filters: tuple[str, ...] = ()
    disclose: bool = False

    @property
    def form(self) -> str:
        """The form of the bundle."""
        return "whole" if self.indexes is None else "sample"


@dataclass
class Contents:
    """The files of a bundle about the record itself; *tally* has counted them once they are all yielded."""

    source: BundleSource
    scope: Scope
    tally: Tally = field(default_factory=Tally)
    held: tuple[HeldCopy, ...] = ()

    def files(self) -> Iterator[BundleFile]:
        """Yield the files.

        Raises: RecordDiffersError, NothingToExportError; what the source raises.
        """
        scope = self.scope
        self.held = tuple(self.source.held_copies(scope.checkpoint.size))
        note = with_cosignatures(scope.note, self.held)
        yield BundleFile(CHECKPOINT, note)
        if scope.vkey is not None:
            yield BundleFile("log.vkey", f"{scope.vkey}\n".encode())
            yield BundleFile("policy", _policy(scope.vkey))
        for copy, path in held_paths(self.held):
            yield BundleFile(path, copy.note)
        yield from self._whole() if scope.indexes is None else self._sample(scope.indexes, note)
        if scope.disclose:
            yield BundleFile(DISCLOSURES, self._disclosures())

    def _whole(self) -> Iterator[BundleFile]:
        checkpoint, builder = self.scope.checkpoint, TreeBuilder()
        for place in bundles_of_size(checkpoint.size):
            start = builder.size
            leaves = tuple(self.source.leaves(start, start + place.width))
            if len(leaves) != place.width:
                raise RecordDiffersError(f"event {start + len(leaves)} is missing")
            for index, leaf in enumerate(leaves, start):
                self.tally.take(index, leaf)
            yield BundleFile(str(place), encode_bundle(leaves))
            yield from _tiles(builder.extend(tuple(map(hash_leaf, leaves))))
        yield from _tiles(builder.partial_tiles())
        if builder.root() != checkpoint.root:
            raise RecordDiffersError(f"the events up to {checkpoint.size - 1} do not give the signed root")

    def _sample(self, indexes: tuple[int, ...], note: bytes) -> Iterator[BundleFile]:
        if not indexes:
            raise NothingToExportError("no event is what was asked for")
        tree = tree_of(self.scope.checkpoint, self.source)
        for index in indexes:
            leaf = next(self.source.leaves(index, index + 1), None)
            if leaf is None or tree.read_hash(0, index) != hash_leaf(leaf):
                raise RecordDiffersError(f"event {index} is not the one that stands in the tree")
            self.tally.take(index, leaf)
            yield BundleFile(f"entries/{index}.json", leaf)
            yield BundleFile(
                f"entries/{index}.tlog-proof", TlogProof(index, tree.prove_inclusion(index), note).encode()
            )

    def _disclosures(self) -> bytes:
        rows = []
        for kept in self.source.kept_values():
            if not self.tally.disclose(kept.commitment):
                continue
            if sha256(kept.salt + kept.value).hexdigest() != kept.commitment:
                raise RecordDiffersError(f"the personal value kept for {kept.commitment} is another one")
            try:
                form = kept.value.decode()
            except UnicodeDecodeError as exc:
                raise RecordDiffersError(f"the personal value kept for {kept.commitment} is no text") from exc
            rows.append({"commitment": kept.commitment, "salt": kept.salt.hex(), "json": form})
        return readable_json(rows)


def checked_checkpoint(note: bytes, *, log: Verifier | None) -> Checkpoint:
    """Return the checkpoint that *note* signs; without the key of the *log* nobody can tell by whom.

    Raises: RecordDiffersError; SignatureError.
    """
    try:
        return Checkpoint.parse(Note.parse(note).text) if log is None else open_checkpoint(note, logs=(log,)).checkpoint
    except FormatError as exc:
        raise RecordDiffersError(f"the newest checkpoint cannot be read: {exc.fact}") from exc


def tree_of(checkpoint: Checkpoint, source: BundleSource) -> TiledTree:
    """Return the tree of *checkpoint* from the tiles of *source*.

    Raises: RecordDiffersError where they do not give its root.
    """
    tree = TiledTree(checkpoint.size, reader=source)
    try:
        root = tree.root()
    except FormatError as exc:
        raise RecordDiffersError(f"a tile of the tree is damaged: {exc.fact}") from exc
    if root != checkpoint.root:
        raise RecordDiffersError("the stored tiles do not give the signed root")
    return tree


def with_cosignatures(note: bytes, held: Sequence[HeldCopy]) -> bytes:
    """Return *note* with the lines that witnesses added to copies of the same text."""
    text = Note.parse(note).text
    for copy in held:
        try:
            parsed = Note.parse(copy.note)
        except FormatError:
            continue
        if parsed.text == text:
            note = add_signatures(note, signatures=parsed.signatures)
    return note


def held_paths(held: Sequence[HeldCopy]) -> Iterator[tuple[HeldCopy, str]]:
    """Yield each copy with its path: sinks have names that are no file names."""
    counts: dict[int, int] = {}
    for copy in held:
        counts[copy.size] = counts.get(copy.size, 0) + 1
        yield copy, f"anchors/{copy.size}-{counts[copy.size]}.note"


def choose_sample(indexes: Sequence[int], *, count: int, seed: str) -> tuple[int, ...]:
    """Return *count* of *indexes*: those with the lowest SHA-256 of ``<seed>:<index>``, so anybody can choose again."""
    ranked = sorted(indexes, key=lambda index: sha256(f"{seed}:{index}".encode()).digest())
    return tuple(sorted(ranked[:count]))


def readable_json(value: Sequence[object] | Mapping[str, object]) -> bytes:
    """Return *value* as JSON for people and machines, the same bytes for the same value."""
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def _tiles(rows: Sequence[TileRow]) -> Iterator[BundleFile]:
    return (BundleFile(str(row.tile), row.hashes) for row in rows)


def _policy(vkey: Vkey) -> bytes:
    return f"# As the exporter states it: information, never trust.\nlog {vkey}\nquorum none\n".encode()
