"""The folder of a witness.

::

    <folder>/          0700
      witness.db       0600   what it cosigned last; whoever can write it can make it cosign a fork
      witness.key      0600   whoever can read it can cosign in its name

The state is made before the key, so that a key without its state is never a beginning: it is a
witness that forgot, and one that forgot could cosign two histories. It is refused.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ledger.adapters.durable import make_folder, sync_folder
from ledger.adapters.keys import SEED_BYTES, LogKey, create_key, read_key
from ledger.adapters.witness_state import WitnessState, WitnessStateDamagedError, WitnessStateError
from ledger.dataclass import dataclass
from ledger.errors import UsageError

_PRIVATE = 0o700
_NOT_IN_A_HOST = re.compile(r"[^a-z0-9.-]+")


class OtherWitnessError(UsageError):
    """The folder is that of a witness of another name."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(
            f"the witness in {folder} has another name",
            fact=f"its name is {name}, and a witness keeps its name for ever",
            hint="leave --name away, or name another folder with --state",
        )
        self.name = name


@dataclass(frozen=True)
class WitnessPlace:
    """An opened witness: its key and what it remembers."""

    key: LogKey
    state: WitnessState


@contextmanager
def open_witness(
    folder: Path, *, host: str, name: str | None = None, entropy: Callable[[int], bytes] = os.urandom
) -> Iterator[WitnessPlace]:
    """Give the witness in *folder*; it is made, under *name* or one after *host*, where there is none.

    Raises: OtherWitnessError, WitnessStateError, WitnessStateDamagedError; the errors of keys and of writing.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise WitnessStateError(folder, exc.strerror or str(exc)) from exc
    make_folder(folder, mode=_PRIVATE)
    database, key_file = folder / "witness.db", folder / "witness.key"
    if key_file.exists() and not database.exists():
        raise WitnessStateDamagedError(database, "it is missing, while the key of the witness is there")
    with closing(WitnessState(database)) as state:
        sync_folder(folder)
        if key_file.exists():
            key = read_key(key_file)
        elif state.has_cosigned():
            raise WitnessStateDamagedError(key_file, "it is missing, while the witness has cosigned before")
        else:
            key = create_key(key_file, origin=name or default_name(host, entropy), seed=entropy(SEED_BYTES))
            sync_folder(folder)
        if name not in {None, key.name}:
            raise OtherWitnessError(folder, key.name)
        yield WitnessPlace(key, state)


def default_name(host: str, entropy: Callable[[int], bytes]) -> str:
    """Return a new name for a witness on *host*."""
    plain = _NOT_IN_A_HOST.sub("-", host.lower())[:100].strip("-.") or "host"
    return f"{plain}/witness/{entropy(4).hex()}"
