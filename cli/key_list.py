"""The public keys that lie beside a ledger, for whoever may read its folder."""

from pathlib import Path

from ledger.errors import UsageError
from ledger.tlog.vkey import Vkey, VkeyError

_FILE = "log.vkey"


class NoKeyFileError(UsageError):
    """The public key of a ledger cannot be read."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"the public key {path} cannot be read",
            fact=fact,
            hint="name the folder of a ledger with `--ledger`, as a user who may read it",
        )
        self.path = path


def listed_keys(folder: Path) -> tuple[str, ...]:
    """Return the vkeys of the ledger in *folder*, the one in force first.

    Raises: NoKeyFileError.
    """
    path = folder / _FILE
    try:
        text = path.read_text(encoding="utf-8")
        return tuple(str(Vkey.parse(line)) for line in text.splitlines())
    except (OSError, UnicodeDecodeError) as exc:
        raise NoKeyFileError(path, getattr(exc, "strerror", None) or str(exc)) from exc
    except VkeyError as exc:
        raise NoKeyFileError(path, f"{exc}: {exc.fact}") from exc
