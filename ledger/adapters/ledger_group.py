"""Ledgers that a group may read: folder 2750, files 0640, the key and the tip guard for the owner alone.

The folder hands its group on to files that are made later (setgid), and SQLite gives ``-wal`` and
``-shm`` the mode of the database. Members of the group read; nobody but the owner records or signs.
"""

import grp
import os
import stat
from pathlib import Path

from ledger.adapters.ledger_folder import LedgerFolder
from ledger.errors import UsageError

FOLDER_MODE, FILE_MODE = 0o2750, 0o640
_SHARED = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "views.db", "config.toml", "log.vkey", "witnesses")
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class GroupError(UsageError):
    """The ledger cannot be given to the group of the settings."""

    def __init__(self, group: str, fact: str) -> None:
        super().__init__(
            f"the group {group!a} cannot be given the ledger to read",
            fact=fact,
            hint="name a group of this host that its owner belongs to: `group` in config.toml",
        )
        self.group = group


def share(folder: Path, group: str) -> None:
    """Let *group* read the ledger in *folder*, which no connection of this process has open.

    Repeated, it changes nothing. Links stay as they are, for they may lead anywhere.
    Raises: GroupError.
    """
    places = LedgerFolder(folder.absolute())
    try:
        gid = grp.getgrnam(group).gr_gid
        os.chown(places.path, -1, gid)
        places.path.chmod(FOLDER_MODE)
        for path in (places.path / name for name in _SHARED):
            if not path.is_symlink() and path.is_file():
                _share_file(path, gid)
    except KeyError as exc:
        raise GroupError(group, "there is no such group") from exc
    except OSError as exc:
        raise GroupError(group, exc.strerror or str(exc)) from exc


def _share_file(path: Path, gid: int) -> None:
    # The file that was opened, whatever the owner of the folder puts at its name meanwhile: root may be at work.
    descriptor = os.open(path, _FLAGS)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            os.chown(descriptor, -1, gid)
            os.fchmod(descriptor, FILE_MODE)
    finally:
        os.close(descriptor)
