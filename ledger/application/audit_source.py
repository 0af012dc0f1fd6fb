"""What a verifier reads: one port for ledgers, bundles and folders of tiles.

A source gives what is stored and vouches for nothing. It writes nothing, and it holds no trust:
keys, policies and earlier notes come from elsewhere. Two errors tell the verdicts apart: what
is missing leaves a check undecided, what is there and wrong has failed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError, EvidenceError
from ledger.tlog.tiles import Tile

StoredLeaf = tuple[int, bytes, bytes | None, bytes | None, int | None, bytes | None]
"""Index, stored leaf hash, leaf, and where a store has them stream, version and topic of its row."""


class PartMissingError(CheckFailedError):
    """A part that a check needs is not there, or cannot be read: *undecided*."""

    kind = "undecided"

    def __init__(
        self, place: str, *, fact: str = "it is not there", hint: str = "get the whole record again and verify that"
    ) -> None:
        super().__init__(f"{place} cannot be read", fact=fact, hint=hint)
        self.place, self.fault = place, fact


class PartWrongError(EvidenceError):
    """A part is there and is not what it must be: *failed*."""

    def __init__(self, place: str, *, fact: str) -> None:
        super().__init__(f"{place} is wrong", fact=fact, hint="keep the record as it is and find out who changed it")
        self.place, self.fault = place, fact


@dataclass(frozen=True)
class HeldNote:
    """A signed note that was kept somewhere: *name* says where; *outside* that it was kept elsewhere.

    *lost* says why it cannot be read, where it should be there. *log* is the origin of the one log that it
    counts for, where many are kept in one place; None has it count for whatever is verified.
    """

    name: str
    data: bytes
    outside: bool = True
    lost: str | None = None
    log: str | None = None


@dataclass(frozen=True)
class StoredDisclosure:
    """A personal value behind a commitment; *salt* or *value* None where they are stored as no bytes."""

    commitment: str
    salt: bytes | None
    value: bytes | None


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What kind of record a source holds.

    *commits* tells that it has every checkpoint ever signed, so that checkpoints and commits can
    be held against each other; *entries* that every leaf is promised; *native* that leaves are
    envelopes of this product; *shared* that many hosts append, each past the guards
    of the others; *limits* says what it holds besides that no level checks.
    """

    name: str
    commits: bool
    entries: bool
    native: bool
    shared: bool = False
    limits: tuple[str, ...] = ()


class LogSource(Protocol):
    """A whole log, as it is stored."""

    @property
    def nature(self) -> Nature:
        """What kind of record this is."""
        ...

    def size(self) -> int | None:
        """Return the number of stored leaves; None where only a checkpoint tells."""
        ...

    def leaves(self, start: int, end: int) -> Iterator[Sequence[StoredLeaf]]:
        """Yield the leaves from *start* up to but without *end*, the size of the log, in its order, in batches.

        Raises: PartMissingError, PartWrongError.
        """
        ...

    def checkpoints(self, above: int) -> Iterator[tuple[int | None, bytes]]:
        """Yield the notes of sizes above *above* in rising order, each with the size it is stored under.

        Raises: PartMissingError.
        """
        ...

    def tile(self, tile: Tile) -> bytes:
        """Return the hashes of *tile*, exactly as wide.

        Raises: PartMissingError, PartWrongError.
        """
        ...

    def anchors(self) -> Iterator[HeldNote]:
        """Yield the notes that others hold, as far as the record has copies of them."""
        ...

    def disclosures(self) -> Iterator[StoredDisclosure]:
        """Yield the personal values that the record has."""
        ...

    def surplus(self, size: int) -> Iterator[str]:
        """Yield what is stored and does not belong to the tree of *size*, in words."""
        ...

    def versions_before(self, start: int) -> Mapping[bytes, int] | None:
        """Return the last version of each stream before leaf *start*; None where the record does not tell."""
        ...


@dataclass(frozen=True)
class Sample:
    """One entry of a sample, with the text of its proof."""

    place: str
    leaf: bytes
    proof: bytes


class SampleSource(Protocol):
    """Some entries of a log, each with its own proof."""

    @property
    def nature(self) -> Nature:
        """What kind of record this is."""
        ...

    def checkpoint(self) -> bytes:
        """Return the note that all proofs lead to.

        Raises: PartMissingError.
        """
        ...

    def samples(self) -> Iterator[Sample]:
        """Yield the entries by rising index.

        Raises: PartMissingError, PartWrongError.
        """
        ...

    def anchors(self) -> Iterator[HeldNote]:
        """Yield the notes that others hold, as far as the record has copies of them."""
        ...

    def disclosures(self) -> Iterator[StoredDisclosure]:
        """Yield the personal values that the record has."""
        ...
