"""What writes the exports of one ledger: where its key is, whether its exports can be recorded, the bundle itself.

Somebody who may read the ledger and not write it can export it too; the manifest then says that
the export is not recorded (RULINGS 30).
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from ledger.adapters.bundle_writer import check_target, standing_files, write_file, written_bundle
from ledger.adapters.ledger_folder import open_folder, places_at
from ledger.adapters.moved_ledger import has_moved
from ledger.adapters.signatures import verifier
from ledger.application.bundle import BundleFile, Contents, checked_checkpoint
from ledger.application.bundle_manifest import Circumstances, closing_files
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.vkey import Vkey, VkeyError


class ExportDesk:
    """The exports of the ledger in *folder*, made by *tool*."""

    def __init__(self, folder: Path, *, tool: str) -> None:
        self._places = places_at(folder)
        self._tool = tool

    def vkey(self) -> Vkey | None:
        """Return the public key of the log, None where this user has none."""
        with suppress(OSError, UnicodeDecodeError, VkeyError):
            return self._places.key_of()
        return None

    def checkpoint(self, note: bytes) -> Checkpoint:
        """Return the checkpoint that *note* signs.

        Raises: RecordDiffersError; SignatureError.
        """
        with suppress(OSError, UnicodeDecodeError, VkeyError):
            vkey = self._places.key_of(note)
            return checked_checkpoint(note, log=None if vkey is None else verifier(vkey))
        return checked_checkpoint(note, log=None)

    def may_record(self) -> bool:
        """Tell whether this user can append to the ledger and sign, and the ledger has not moved."""
        places = self._places
        try:
            open_folder(places.path)
            places.read_key()
        except LedgerError:
            return False
        if not places.address and has_moved(places.database):
            return False
        writes = (places.path, places.tip, *(() if places.address else (places.database,)))
        return all(os.access(path, os.W_OK) for path in writes)

    def check_target(self, target: Path) -> None:
        """Refuse a place that is taken, or whose folder is not there.

        Raises: TargetTakenError, TargetFolderError.
        """
        check_target(target)

    def write_file(self, target: Path, chunks: Iterable[bytes]) -> None:
        """Write *chunks* to a new file, whole or not at all.

        Raises: TargetTakenError, TargetFolderError, ExportNotWrittenError; what *chunks* raises.
        """
        write_file(target, chunks)

    @contextmanager
    def written(
        self,
        target: Path,
        contents: Contents,
        *,
        views: Iterable[BundleFile],
        open_attempts: tuple[str, ...],
        recorded: bool,
    ) -> Iterator[str]:
        """Write the bundle to *target* and give the digest of its manifest; a block that fails takes it back.

        Raises: what ``written_bundle`` and the files raise.
        """
        about = Circumstances(tool=self._tool, recorded=recorded, open_attempts=open_attempts)
        files = chain(standing_files(contents, tool=self._tool), contents.files(), views)
        with written_bundle(
            target, files, close=lambda listed: closing_files(contents, about, listed=listed)
        ) as manifest_sha256:
            yield manifest_sha256
