"""What recording needs from outside: a clock, identifiers, a turn to write, and a place to keep private facts.

The bootstrap gives them as one *Recording*; the store is found by its name in
``PERSISTENCE_MODULE`` and given the same (RULINGS 1).
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import ApplicationRecorder, Mapper, Notification, StoredEvent

from ledger.application.moment import Clock
from ledger.dataclass import dataclass
from ledger.tlog.note import Signer, Verifier


@dataclass(frozen=True)
class Disclosure:
    """What a salted commitment stands for (evidence.md 1.5): *value* is canonical JSON, kept outside the tree."""

    commitment: str
    salt: bytes
    value: bytes


class LogSigner(Signer, Verifier, Protocol):
    """The key of the log: signs checkpoints, and verifies them when they are read again."""


class Guard(Protocol):
    """Keeps the newest signed note outside the database (evidence.md 5.4)."""

    def read(self) -> bytes | None:
        """Return the note, None where there is none."""
        ...

    def swap(self, note: bytes) -> None:
        """Put *note* in the place of the one before, durably."""
        ...

    def advance(self, note: bytes) -> None:
        """Catch up by one commit after a crash; whoever wired the guard says so to the user."""
        ...

    def pass_over(self, note: bytes) -> None:
        """Let commits of other hosts lie between what it holds and *note*, or raise where none may."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recording:
    """How one ledger records.

    *turn* is held while the bytes are made and written, so that times follow the order of the
    log on one host (RULINGS 10). With *signer* and *guard* each commit ends in a signed
    checkpoint; a command that only reads needs neither. *disclosures* are what the commitments
    in this command's events stand for: they are kept with its first commit.
    """

    origin: str
    clock: Clock
    new_id: Callable[[], str]
    turn: Callable[[], AbstractContextManager[None]]
    signer: LogSigner | None = None
    guard: Guard | None = None
    disclosures: tuple[Disclosure, ...] = ()


class LogRecorder(ApplicationRecorder):
    """Stores commits, and serves events in the order of the log: a notification's id is the leaf index + 1."""

    @abstractmethod
    def select_states(
        self, stream: str, *, gt: int | None, lte: int | None, desc: bool, limit: int | None
    ) -> Iterator[bytes]:
        """Yield the stored bytes of one stream in the order of their versions."""

    @abstractmethod
    def verify_tail(self) -> None:
        """Hold the newest events against what was signed; raise what differs (family EvidenceError)."""

    @abstractmethod
    def streams(self) -> tuple[str, ...]:
        """Return the ids of all streams, in the order of their first event."""

    @abstractmethod
    def holding(self, text: bytes, *, limit: int) -> Sequence[Notification]:
        """Return the events whose stored bytes hold *text*, in the order of the log."""


class LogMapper(Mapper[str]):
    """Seals the events of a commit and unseals stored ones."""

    @abstractmethod
    def sealed(self, events: Sequence[DomainEventProtocol[str]], *, commit_id: str) -> list[StoredEvent]:
        """Return the rows of one commit."""

    @abstractmethod
    def event_from(self, state: bytes) -> DomainEventProtocol[str]:
        """Return the event that stored bytes hold."""


class LogStore(Protocol):
    """What a module named in ``PERSISTENCE_MODULE`` builds."""

    def ledger_mapper(self, recording: Recording) -> LogMapper:
        """Return the mapper of the ledger."""
        ...

    def ledger_recorder(self, recording: Recording) -> LogRecorder:
        """Return the recorder of the ledger."""
        ...
