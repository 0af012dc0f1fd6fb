"""What a host keeps for the time in which the ledger of its fleet is out of reach.

In the host's place of that ledger, beside ``log.key``::

    kept/<digest>.json   0600   the fold of one installation as of its newest event, by this host
    spool.lock           0600   held by whoever records here (shared), and by whoever begins or joins
    spool/               0700   what was recorded here and is not in the fleet's ledger yet
      ledger/                   a ledger of its own, with its own key, as ``ledger_folder`` says
      ledger.tip/               its tip guard

What is kept never goes back to an earlier version, whichever command is the last to write.

A fold is marked *unsure* before each commit that goes to the server, and replaced behind it: where
a command broke off in between, nobody here knows which one holds. Only the server can tell.

The spool is removed as a whole, after all of it was read back from the fleet's ledger. Its key goes
with it, so nothing more is ever signed in its name: each time that a host is cut off has a
ledger, an origin and a key of its own (evidence.md 5.5: policies refuse one key under two names).
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from ledger.adapters.durable import make_folder, remove_tree, remove_whole, replace_file
from ledger.adapters.ledger_folder import LedgerFolder, create_folder, default_origin
from ledger.adapters.lock import FileLock
from ledger.application.kept_nodes import Kept
from ledger.dataclass import dataclass, replace
from ledger.tlog.checkpoint import MAX_ORIGIN

_PRIVATE = 0o700
_FORM = 1
_MOMENT = 10.0


class KeptFolder:
    """The folds in one folder, a ``KeptNodes``; there is none where nothing is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> None:
        """Let folds be kept from now on.

        Raises: WriteFailedError.
        """
        make_folder(self._folder, mode=_PRIVATE)

    @property
    def begun(self) -> bool:
        """Whether folds are kept."""
        return self._folder.is_dir()

    def all(self) -> tuple[Kept, ...]:
        """Return every fold that can be read, in the order of their streams."""
        found = (self._in(file) for file in sorted(self._folder.glob("*.json")))
        return tuple(sorted((kept for kept in found if kept is not None), key=lambda kept: kept.stream))

    def find(self, stream: str) -> Kept | None:
        """Return the fold of one installation."""
        return self._in(self._file(stream))

    def keep(self, kept: Kept) -> None:
        """Write a fold in the place of the one before, durably; not in that of a later version.

        Raises: WriteFailedError; LockHeldError, LockFileError.
        """
        with self._alone():
            before = self.find(kept.stream)
            if before is None or (before.version <= kept.version and before != kept):
                record = {"form": _FORM, **vars(kept)}
                replace_file(self._file(kept.stream), f"{json.dumps(record)}\n".encode(), mode=0o600)

    def mark(self, stream: str, *, unsure: bool) -> None:
        """Say of a fold, where there is one, whether it may be behind the ledger by a commit of this host.

        Raises: as ``keep``.
        """
        kept = self.find(stream)
        if kept is not None:
            self.keep(replace(kept, unsure=unsure))

    def end(self) -> None:
        """Keep nothing any more: what is not kept up to date must not be gone by.

        Raises: WriteFailedError.
        """
        remove_tree(self._folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with FileLock(self._folder / "lock", mode=0o600, signed=False).hold("keep", wait=_MOMENT):
            yield

    def _file(self, stream: str) -> Path:
        return self._folder / f"{sha256(stream.encode()).hexdigest()[:32]}.json"

    def _in(self, file: Path) -> Kept | None:
        # What cannot be read is as good as not there: the change is then refused, with a way out.
        with suppress(OSError, ValueError, LookupError, TypeError):
            record = json.loads(file.read_bytes())
            kept = Kept(record["stream"], record["version"], record["fold"], record["unsure"] is not False)
            if record["form"] == _FORM and type(kept.version) is int and file == self._file(kept.stream):
                return kept
        return None


@dataclass(frozen=True)
class SpoolPlace:
    """The places of all this in *place*, the host's own of its fleet's ledger."""

    place: Path

    @property
    def kept(self) -> KeptFolder:
        """The folds of the installations of this host."""
        return KeptFolder(self.place / "kept")

    @property
    def folder(self) -> Path:
        """The spool with its guard."""
        return self.place / "spool"

    @property
    def ledger(self) -> Path:
        """The ledger of the spool."""
        return self.folder / "ledger"

    @property
    def is_there(self) -> bool:
        """Whether a ledger has been begun here, with or without an event."""
        return os.path.lexists(self.ledger / "ledger.db")

    @contextmanager
    def held(self, what: str, *, shared: bool, wait: float) -> Iterator[None]:
        """Hold the spool for *what*; whoever only records in it shares it.

        Raises: LockHeldError, LockFileError.
        """
        lock = FileLock(self.place / "spool.lock", mode=0o600, signed=not shared, shared=shared)
        with lock.hold(what, wait=wait):
            yield

    def make(self, origin: str) -> LedgerFolder:
        """Return the ledger, made where there is none; it goes on where a crash left off.

        Raises: as ``create_folder``.
        """
        if self.is_there:
            return LedgerFolder(self.ledger)
        make_folder(self.folder, mode=_PRIVATE)
        return create_folder(self.ledger, origin=origin)

    def remove(self) -> None:
        """Remove the spool, its key with it.

        Raises: WriteFailedError.
        """
        remove_whole(self.folder)


def spool_origin(fleet: str, host: str, *, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Return a new origin for a spool of the ledger *fleet* on *host*."""
    own = default_origin(host, entropy=entropy)
    named = f"{fleet}/spool/{own.partition('/')[0]}/{own.rpartition('/')[2]}"
    return named if len(named) <= MAX_ORIGIN else own
