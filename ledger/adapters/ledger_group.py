"""Ledgers that a group may read: folder 2750, files 0640, the key and the tip guard for the owner alone.

The folder hands its group on to files that are made later (setgid), and SQLite gives ``-wal`` and
``-shm`` the mode of the database. Members of the group read; nobody but the owner records or signs.
"""

import grp
from pathlib import Path
from shutil import chown

from ledger.adapters.ledger_folder import LedgerFolder
from ledger.errors import UsageError

FOLDER_MODE, FILE_MODE = 0o2750, 0o640
_SHARED = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "views.db", "config.toml", "log.vkey", "witnesses")


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
    """Let *group* read the ledger in *folder*; repeated, it changes nothing.

    Raises: GroupError.
    """
    places = LedgerFolder(folder.absolute())
    try:
        gid = grp.getgrnam(group).gr_gid
        chown(places.path, group=gid)
        places.path.chmod(FOLDER_MODE)
        for path in (places.path / name for name in _SHARED):
            if path.is_file():
                chown(path, group=gid)
                path.chmod(FILE_MODE)
    except KeyError as exc:
        raise GroupError(group, "there is no such group") from exc
    except OSError as exc:
        raise GroupError(group, exc.strerror or str(exc)) from exc
