"""What a policy means (C2SP tlog-policy): the auditor's trust in logs and witnesses.

A checkpoint is valid if a listed log signed it and the quorum holds. A policy found beside the
evidence is information, never trust. How policies are written stands in ``ledger.tlog.policy_file``.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property

from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError
from ledger.tlog.checkpoint import OpenedCheckpoint, open_checkpoint
from ledger.tlog.cosignature import PrimitiveMissingError, VerifyPrimitive, split_payload, verifier_of
from ledger.tlog.notation import shown
from ledger.tlog.note import Note, Signature
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
    """A checkpoint that a policy accepts, with the names of the witnesses that cosigned it.

    *latest* is the last of their times, in seconds since the epoch; 0 where nobody cosigned.
    """

    opened: OpenedCheckpoint
    witnesses: frozenset[bytes]
    latest: int


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

        What it costs grows with the lines of the note, not with those of the policy: a fleet has a log line a host.
        Raises: SignatureError, FormatError, PrimitiveMissingError, QuorumError.
        """
        for key_type, vkey in self._types.items():
            if key_type not in primitives:
                raise PrimitiveMissingError(vkey)
        named = {(line.name, line.key_id) for line in Note.parse(data).signatures}
        logs, witnesses = ([vkey for key in named for vkey in keys.get(key, ())] for keys in self._keys)
        opened = open_checkpoint(
            data,
            logs=[verifier_of(vkey, primitives=primitives) for vkey in logs],
            cosigners=[verifier_of(vkey, primitives=primitives) for vkey in witnesses],
        )
        times = {
            self._names[vkey]: at
            for vkey in witnesses
            for at in (_last_time(vkey, opened.cosignatures),)
            if at  # A time of 0 is a statement, but not that of a witness (tlog-cosignature).
        }
        cosigned = frozenset(times)
        if not self.quorum_holds(cosigned):
            raise QuorumError(self.quorum or b"none", cosigned=cosigned)
        return WitnessedCheckpoint(opened, cosigned, max(times.values(), default=0))

    @cached_property
    def _types(self) -> Mapping[KeyType, Vkey]:
        """A key of each type that there is."""
        return {vkey.key_type: vkey for keys in self._keys for several in keys.values() for vkey in several}

    @cached_property
    def _names(self) -> Mapping[Vkey, bytes]:
        return {witness.vkey: witness.name for witness in self.witnesses}

    @cached_property
    def _keys(self) -> "tuple[_Keys, _Keys]":
        """The keys of logs and of witnesses by what a line names."""
        return _by_key([log.vkey for log in self.logs]), _by_key([witness.vkey for witness in self.witnesses])


_Keys = Mapping[tuple[str, bytes], tuple[Vkey, ...]]


def _last_time(vkey: Vkey, lines: Sequence[Signature]) -> int:
    """Return the last time at which *vkey* says that it signed, by its *lines*; 0 where it does not say so."""
    own = (line for line in lines if (line.name, line.key_id) == (vkey.name, vkey.key_id))
    return max((split_payload(vkey, line.payload)[0] for line in own), default=0)


def _by_key(vkeys: Sequence[Vkey]) -> _Keys:
    """Return *vkeys* by name and id; two that share both stay two, so that a note which names them is refused."""
    found: dict[tuple[str, bytes], tuple[Vkey, ...]] = {}
    for vkey in vkeys:
        key = (vkey.name, vkey.key_id)
        found[key] = (*found.get(key, ()), vkey)
    return found
