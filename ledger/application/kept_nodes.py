"""What a host keeps of its installations beside the ledger of its fleet, and how it is kept."""

from typing import Protocol

from ledger.dataclass import dataclass


@dataclass(frozen=True)
class Kept:
    """The fold of one installation as of a *version*; *unsure* where a commit behind it may be recorded or not."""

    stream: str
    version: int
    fold: str
    unsure: bool = False


class KeptNodes(Protocol):
    """The folds that a host keeps."""

    def find(self, stream: str) -> Kept | None:
        """Return the fold of one installation."""
        ...

    def keep(self, kept: Kept) -> None:
        """Write a fold in the place of the one before, durably; not in that of a later version."""
        ...

    def mark(self, stream: str, *, unsure: bool) -> None:
        """Say of a fold, where there is one, whether it may be behind the ledger by a commit of this host."""
        ...
