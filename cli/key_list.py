"""The public keys that lie beside a ledger, for whoever may read its folder, and those of a fleet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.ledger_place import address_in
from ledger.errors import UsageError
from ledger.tlog.vkey import Vkey, VkeyError

_FILE = "log.vkey"


class NoKeyFileError(UsageError):
    """The public key of a ledger cannot be read."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"the public key {path} cannot be read",
            fact=fact,
            hint="name the ledger with `--ledger`, as a user who may read it; `release-ledger init` writes a lost one",
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


def fleet_keys(folder: Path) -> Sequence[dict[str, Any]] | None:
    """Return the keys of the hosts of a ledger in PostgreSQL, with what each signed; None for any other.

    Raises: the errors of reaching the server.
    """
    if address_in(folder) is None:
        return None
    from cli.bootstrap import host_keys  # noqa: PLC0415 # a ledger in a folder needs no libpq

    return [vars(key) for key in host_keys(folder) or ()]
