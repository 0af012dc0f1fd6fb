"""Folders and files for the length of one command, made where TMPDIR says, and whose failure names that place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ledger.errors import UsageError

_USUAL = "/tmp, /var/tmp"  # noqa: S108 # named to the user; tempfile tries them when TMPDIR is no good


class TemporaryPlaceError(UsageError):
    """No temporary file can be made, or written in *folder*."""

    def __init__(self, cause: OSError, *, folder: Path | None = None) -> None:
        named = os.environ.get("TMPDIR")
        place = Path(os.fsdecode(cause.filename)).parent if folder is None and cause.filename else folder
        if place is not None:
            fact = f"{place}: {os.strerror(cause.errno or 0)}"
        else:  # tempfile tried them all
            fact = f"no file can be written in {f'{named}, ' if named else ''}{_USUAL} or the current folder"
        super().__init__(
            "no temporary file can be made",
            fact=fact,
            hint="see to space and rights there, or let TMPDIR name another folder",
        )


def make_temporary_folder(prefix: str) -> Path:
    """Return a new folder of this user alone, which the caller removes.

    Raises: TemporaryPlaceError.
    """
    from tempfile import mkdtemp  # noqa: PLC0415 # its import takes longer than most commands

    try:
        return Path(mkdtemp(prefix=prefix))
    except OSError as exc:
        raise TemporaryPlaceError(exc) from exc


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Give a new folder of this user alone; it is gone afterwards.

    Raises: TemporaryPlaceError.
    """
    from shutil import rmtree  # noqa: PLC0415 # as above

    folder = make_temporary_folder(prefix)
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def temporary_file() -> IO[bytes]:
    """Return an open file without a name.

    Raises: TemporaryPlaceError.
    """
    from tempfile import TemporaryFile  # noqa: PLC0415 # as above

    try:
        return TemporaryFile()
    except OSError as exc:
        raise TemporaryPlaceError(exc) from exc
