"""Whom a verifier trusts, and what it compares the record with.

All of it comes from the auditor, or from places outside the record under test; nothing in a
bundle or a database is ever trusted. A line by a key of the policy must verify: else the note
is refused (*failed*). A note that no key of the policy signed has failed as well, since another
key could sign anything. Without a policy, signatures are *undecided*.
"""

from collections.abc import Mapping
from functools import cached_property

from ledger.application.audit_source import HeldNote
from ledger.dataclass import dataclass, field, replace
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import VerifyPrimitive
from ledger.tlog.notation import FormatError
from ledger.tlog.note import Note, SignatureError
from ledger.tlog.policy import Policy, WitnessedCheckpoint
from ledger.tlog.vkey import KeyType


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The tip guard of a host: *data* None where there is nothing to read, and *lacking* says why."""

    name: str
    data: bytes | None
    lacking: str = "the tip guard is not there"


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The means of one audit.

    *held* are notes that were kept outside the record: the auditor's own and those of other
    holders. *guard* is None where no tip guard is expected, as for a copy of a ledger. *elsewhere* are
    notes of logs other than the one that is verified, which may have been imported into it. *now* is
    the clock of whoever verifies, in seconds since the epoch, None where nobody looks at one.
    """

    policy: Policy | None = None
    primitives: Mapping[KeyType, VerifyPrimitive] = field(default_factory=dict)
    held: tuple[HeldNote, ...] = ()
    guard: Guard | None = None
    elsewhere: tuple[HeldNote, ...] = ()
    now: int | None = None

    def of_log(self, origin: str | None) -> "Trust":
        """Return the means of verifying the log *origin*: what was remembered of others says nothing of it."""
        if origin is None:
            return self
        other = tuple(note for note in self.held if note.log not in {None, origin})
        return replace(self, held=tuple(note for note in self.held if note not in other), elsewhere=other)

    @cached_property
    def _without_quorum(self) -> Policy | None:
        return None if self.policy is None else replace(self.policy, quorum=None)

    @property
    def asks_for_quorum(self) -> bool:
        """Tell whether the policy demands witnesses."""
        return self.policy is not None and self.policy.quorum is not None

    def open(self, note: bytes) -> WitnessedCheckpoint:
        """Return the checkpoint of *note*, signed by a log of the policy; the quorum is not asked for.

        Raises: SignatureError, FormatError, PrimitiveMissingError; PolicyMissingError, LogMissingError.
        """
        policy = self._without_quorum
        if policy is None:
            raise PolicyMissingError
        if not policy.logs:
            raise LogMissingError
        return policy.open_checkpoint(note, primitives=self.primitives)

    def has_quorum(self, opened: WitnessedCheckpoint) -> bool:
        """Tell whether enough witnesses of the policy cosigned."""
        return self.policy is not None and self.asks_for_quorum and self.policy.quorum_holds(opened.witnesses)


class PolicyMissingError(LedgerError):
    """Nobody said whose signature counts."""

    kind = "undecided"
    code = 3

    def __init__(self) -> None:
        super().__init__(
            "no key was given whose signature counts",
            fact="a key that comes with the record proves nothing",
            hint="give --vkey VKEY or --policy FILE, had from the owner of the log by another way",
        )


class LogMissingError(PolicyMissingError):
    """The policy names witnesses and no log: whose signature counts is not said."""

    def __init__(self) -> None:
        LedgerError.__init__(
            self,
            "the policy names no log",
            fact="a checkpoint counts when a log of the policy signed it; witnesses alone say nothing of who wrote it",
            hint="add the line `log VKEY` to the policy",
        )


def read_unsigned(note: bytes) -> Checkpoint:
    """Return what *note* says, not trusted.

    Raises: FormatError.
    """
    return Checkpoint.parse(Note.parse(note).text)


def failed_by(error: LedgerError) -> bool:
    """Tell whether opening a note failed, rather than could not be tried."""
    return isinstance(error, SignatureError | FormatError)


def signers_of(opened: WitnessedCheckpoint) -> tuple[str, ...]:
    """Return the keys of the log that signed, as they are shown: name and key id."""
    return tuple(f"{line.name}+{line.key_id.hex()}" for line in opened.opened.log_signatures)
