"""What the manifest tells of the exported events: how many, which, what they keep to themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.domain.imported import commitments_in

_SIGNED = b'"auth":"ssh_signature"'


@dataclass
class Tally:
    """A count that grows with each event; *signed* are events whose actor signed the request."""

    entries: int = 0
    first: int | None = None
    last: int | None = None
    signed: int = 0
    _commitments: dict[str, set[str]] = field(default_factory=dict)
    _disclosed: set[str] = field(default_factory=set)

    def take(self, index: int, leaf: bytes) -> None:
        """Count one event."""
        self.entries += 1
        self.first = index if self.first is None else self.first
        self.last = index
        self.signed += _SIGNED in leaf
        for member, commitment in commitments_in(leaf):
            self._commitments.setdefault(member, set()).add(commitment)

    def disclose(self, commitment: str) -> bool:
        """Note that the value behind *commitment* goes along; tell whether an event has it at all."""
        if not any(commitment in found for found in self._commitments.values()):
            return False
        self._disclosed.add(commitment)
        return True

    @property
    def disclosed(self) -> int:
        """The number of personal values that go along."""
        return len(self._disclosed)

    def redactions(self) -> list[Mapping[str, object]]:
        """Return, for each personal member, how many values the events have and how many of them go along."""
        return [
            {"member": member, "values": len(found), "disclosed": len(found & self._disclosed)}
            for member, found in sorted(self._commitments.items())
        ]
