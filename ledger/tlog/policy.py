"""What a policy means (C2SP tlog-policy): the auditor's trust in logs and witnesses.

A checkpoint is valid if a listed log signed it and the quorum holds. A policy found beside the
evidence is information, never trust. How policies are written stands in ``ledger.tlog.policy_file``.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError
from ledger.tlog.checkpoint import OpenedCheckpoint, open_checkpoint
from ledger.tlog.cosignature import VerifyPrimitive, split_payload, verifier_of
from ledger.tlog.notation import shown
from ledger.tlog.vkey import KeyType, Vkey


class QuorumError(CheckFailedError):
    """Too few witnesses cosigned a checkpoint, so nothing outside vouches for it."""

    kind = "undecided"

    def __init__(self, quorum: bytes, *, cosigned: AbstractSet[bytes]) -> None:
        names = ", ".join(sorted(map(shown, cosigned))) or "none"
        super().__init__(
            f"the quorum {shown(quorum)} is not reached",
            fact=f"known witnesses that cosigned: {names}",
            hint="submit the checkpoint to the witnesses of the policy and try again",
        )
        self.quorum, self.cosigned = quorum, frozenset(cosigned)


@dataclass(frozen=True)
class Log:
    """A log that is trusted to sign; its key's name is its origin."""

    vkey: Vkey
    url: bytes | None = None


@dataclass(frozen=True)
class Witness:
    """A witness that is trusted to cosign."""

    name: bytes
    vkey: Vkey
    url: bytes | None = None


@dataclass(frozen=True)
class Group:
    """Holds when at least *threshold* of its *members* do."""

    name: bytes
    threshold: int
    members: tuple[bytes, ...]


@dataclass(frozen=True)
class WitnessedCheckpoint:
    """A checkpoint that a policy accepts, with the names of the witnesses that cosigned it."""

    opened: OpenedCheckpoint
    witnesses: frozenset[bytes]


@dataclass(frozen=True)
class Policy:
    """Whom an auditor trusts; groups in the order of their definition; *quorum* None for ``none``."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: bytes | None

    def quorum_holds(self, cosigned: AbstractSet[bytes]) -> bool:
        """Say whether the witnesses named in *cosigned* are enough."""
        holding = {witness.name for witness in self.witnesses} & cosigned
        for group in self.groups:
            if len(holding.intersection(group.members)) >= group.threshold:
                holding.add(group.name)
        return self.quorum is None or self.quorum in holding

    def open_checkpoint(self, data: bytes, *, primitives: Mapping[KeyType, VerifyPrimitive]) -> WitnessedCheckpoint:
        """Return the checkpoint of the note *data*, signed by a listed log and cosigned by a quorum.

        Raises: SignatureError, FormatError, PrimitiveMissingError, QuorumError.
        """
        logs = tuple(verifier_of(log.vkey, primitives=primitives) for log in self.logs)
        cosigners = tuple(verifier_of(witness.vkey, primitives=primitives) for witness in self.witnesses)
        opened = open_checkpoint(data, logs=logs, cosigners=cosigners)
        cosigned = frozenset(
            witness.name
            for witness in self.witnesses
            for line in opened.cosignatures
            # A time of 0 is a statement, but not that of a witness (tlog-cosignature).
            if (line.name, line.key_id) == (witness.vkey.name, witness.vkey.key_id)
            and split_payload(witness.vkey, line.payload)[0]
        )
        if not self.quorum_holds(cosigned):
            raise QuorumError(self.quorum or b"none", cosigned=cosigned)
        return WitnessedCheckpoint(opened, cosigned)
