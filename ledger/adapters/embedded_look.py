"""Looking at an embedded node without a trace: what a command would find, and not one byte written.

A look boots a node that does not run, and rolls a broken-off change of the boot files forward
(RULINGS 16). Here both are done in thought: what would be written is kept, and read in its place.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ledger.adapters.embedded_node import EmbeddedNode
from ledger.adapters.embedded_state import EmbeddedState
from ledger.adapters.installation import Installation
from ledger.adapters.lock import FileLock
from ledger.dataclass import dataclass, replace


@dataclass(frozen=True)
class FilesToCome(Installation):
    """The files of a root, with boot files that are still to be written."""

    texts: Mapping[str, str]

    def boot_file(self, path: Path) -> bytes:
        """Return what a boot file will hold."""
        text = self.texts.get(str(path.relative_to(self.root)))
        return super().boot_file(path) if text is None else text.encode()


class EmbeddedLook(EmbeddedNode):
    """The embedded node, to be observed only; it boots once at most."""

    _state: EmbeddedState | None = None

    def _load(self) -> EmbeddedState:
        if self._state is None:
            self._state = super()._load()
        return self._state

    def _stored(self, state: EmbeddedState, texts: Mapping[str, str]) -> EmbeddedState:
        self._files = FilesToCome(self._root, texts)
        return state

    def _rolled_forward(self, state: EmbeddedState) -> EmbeddedState:
        texts = {path: pending.text for path, pending in state.pending if self._is_to_come(path, pending)}
        return self._stored(replace(state, pending=()), texts)


class LockForLook:
    """The lock of an installation, held without a note in its file; where there is no file, none is made."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self, what: str, *, wait: float = 0) -> Iterator[None]:
        """Hold the lock for *what*, waiting up to *wait* seconds for it.

        Raises: LockHeldError naming who holds it; LockFileError.
        """
        if not os.path.lexists(self._path):
            yield
            return
        with FileLock(self._path, signed=False).hold(what, wait=wait):
            yield
