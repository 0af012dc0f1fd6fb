"""Outside holders of a ledger's newest signed note, and where their receipts are kept (evidence.md 4.3, 5.1).

Who holds the tree of a size notices when it is cut, rolled back or rewritten, even by somebody
who has the signing key. A holder needs only the newest note, so one that was away catches up
with the next. What it answers is kept as *proof* in the table ``anchor``, outside the
transaction of any append.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ledger.dataclass import dataclass
from ledger.errors import EvidenceError
from ledger.tlog.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from ledger.tlog.note import Note, Verifier
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.vkey import Vkey


class HeldHistoryError(EvidenceError):
    """An outside holder has another history of this ledger than the ledger itself."""

    def __init__(self, sink: str, fact: str) -> None:
        super().__init__(
            f"{sink} holds another history of this ledger",
            fact=fact,
            hint="stop; keep ledger and holder as they are; find out who rolled back, rewrote or copied the ledger",
        )
        self.sink = sink


class HolderAheadError(HeldHistoryError):
    """An outside holder has more events than the note that it was shown, up to *size*: lost here, or written since."""

    def __init__(self, sink: str, size: int, *, own: int) -> None:
        super().__init__(sink, f"it holds {size} events, the ledger has {own}")
        self.size = size


class LogKeys(Protocol):
    """The keys that sign for one log: one, or that of each host of a fleet."""

    def named_in(self, note: Note) -> Sequence[Verifier]:
        """Return those that *note* names."""
        ...


def open_by(keys: LogKeys, data: bytes, *, cosigners: Sequence[Verifier] = ()) -> OpenedCheckpoint:
    """Return the checkpoint of the note *data*, signed by one of *keys*.

    Raises: SignatureError, FormatError.
    """
    return open_checkpoint(data, logs=keys.named_in(Note.parse(data)), cosigners=cosigners)


@dataclass(frozen=True)
class SignedTip:
    """The newest signed note of a ledger, verbatim, and what it says."""

    note: bytes
    checkpoint: Checkpoint

    @property
    def size(self) -> int:
        """Number of events that the note covers."""
        return self.checkpoint.size


class Anchor(Protocol):
    """One outside holder (a sink)."""

    @property
    def name(self) -> str:
        """Its name in the table ``anchor``: ``file:<path>``, ``syslog:<path>`` or ``witness:<name>``.

        Where many hosts share that table, ``@`` and a key id follow: the host's, or that of the witness.
        """
        ...

    @property
    def vouches(self) -> bool:
        """Whether no other host can have made a receipt of it.

        A file and a log give back the note, which every host has, and hosts that share a ledger share its receipts.
        """
        ...

    def hand_over(self, tip: SignedTip, *, tree: TiledTree, last: int) -> bytes:
        """Give it the note of *tip* and return its receipt; *last* is the size that it had last, 0 if none.

        Never waits longer than its own short limit. *tree* is the tree of *tip*.
        Raises: EvidenceError where the holder speaks against the ledger: an alarm. Any other
        LedgerError where it does not hold the note now, and may with the next.
        """
        ...

    def read(self, proof: bytes) -> Checkpoint:
        """Return what the receipt *proof* shows to be held.

        Raises: SignatureError, FormatError for a receipt that shows nothing.
        """
        ...


@dataclass(frozen=True)
class Receipt:
    """What a holder answered for the tree of *size*."""

    size: int
    proof: bytes


class AnchorStore(Protocol):
    """What is committed in one ledger, and the receipts for it."""

    def tip(self) -> SignedTip | None:
        """Return the newest committed note, None where nothing is signed yet."""
        ...

    def tree(self, size: int) -> TiledTree:
        """Return the tree of the first *size* events."""
        ...

    def receipts(self) -> Mapping[str, Receipt]:
        """Return the newest receipt of each sink, by its name."""
        ...

    def keep(self, sink: str, receipt: Receipt) -> None:
        """Keep a receipt for good; one that is there already stays."""
        ...

    def recorded_at(self, index: int) -> str:
        """Return when the event at leaf *index* says that it was recorded."""
        ...


class WitnessBook(Protocol):
    """The witnesses that the operator of a ledger chose."""

    def add(self, name: str, *, vkey: Vkey, url: str) -> bool:
        """Add a witness; return False where it is there already.

        Raises: UsageError, as the concrete error for the reason.
        """
        ...

    def remove(self, name: str) -> None:
        """Take a witness out.

        Raises: UsageError, as the concrete error for the reason.
        """
        ...
