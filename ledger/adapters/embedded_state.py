"""The memory of an embedded node, in ``data/embedded_node.json`` under its root.

It holds what a virtual machine would keep in memory: the table with its libraries, the release
that booted, the emulator, the run; so the node lives between two commands, and two ledgers, or
none, see the same node. *pending* holds boot files that are still to be written (RULINGS 16):
the new memory is stored first together with them, and a reader rolls them forward.

The file also names the root (real path, device, inode) and the newest ``vm.*.args``: on another
root, after a newer real boot, or after a boot of the host, the memory is gone (RULINGS 17).
"""

import json
from pathlib import Path
from typing import Any

from ledger.adapters import durable
from ledger.adapters.plain_file import FileNotReadError, read_if_there
from ledger.adapters.releases_file import Lib, ReleaseEntry
from ledger.dataclass import dataclass, field
from ledger.domain.records import Run
from ledger.domain.status import ReleaseStatus
from ledger.errors import OpenAttemptError

STATE_FILE = "data/embedded_node.json"
# In the order in which they are written.
VARS_FILE = "releases/emqx_vars"
BOOT_FILES = (VARS_FILE, "releases/start_erl.data", "releases/RELEASES")
_VERSION = 1
_MODE = 0o640


class EmbeddedStateError(OpenAttemptError):
    """The memory of the embedded node cannot be read."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(
            f"the memory of the embedded node cannot be read: {path}",
            fact=fault,
            hint="run `release-ledger recover`: it sets the file aside and boots the node from disk",
        )
        self.path = path


@dataclass(frozen=True)
class PendingFile:
    """A boot file that is to be written: its text, and the digest of what it replaces (None: no file)."""

    text: str
    sha256: str
    was_sha256: str | None


@dataclass(frozen=True, kw_only=True)
class EmbeddedState:
    """What an embedded node has in memory."""

    root: str
    device: int
    inode: int
    vm_args: str
    run: Run
    booted: str
    code: str
    erts: str
    memory: tuple[ReleaseEntry, ...]
    pending: tuple[tuple[str, PendingFile], ...] = field(default=())


def read_state(root: Path) -> EmbeddedState | None:
    """Return the memory of the node at *root*, None where it never ran or was restarted.

    Raises: EmbeddedStateError where the file is there and cannot be read.
    """
    path = root / STATE_FILE
    try:
        text = read_if_there(path)
    except FileNotReadError as exc:
        raise EmbeddedStateError(path, exc.detail) from exc
    if text is None:
        return None
    try:
        return _state_from(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise EmbeddedStateError(path, f"{type(exc).__name__}: {exc}") from exc


def write_state(root: Path, state: EmbeddedState) -> None:
    """Replace the memory of the node at *root*, durably.

    Raises: WriteFailedError.
    """
    durable.make_folder(root / "data", mode=0o755)
    data = json.dumps(_record_of(state), indent=1, sort_keys=True).encode()
    durable.replace_file(root / STATE_FILE, data, mode=_MODE)


def forget_state(root: Path) -> None:
    """Throw the memory away, as the end of a virtual machine does."""
    durable.remove_file(root / STATE_FILE)


def _record_of(state: EmbeddedState) -> dict[str, object]:
    return {
        "v": _VERSION,
        "root": {"path": state.root, "device": state.device, "inode": state.inode},
        "vm_args": state.vm_args,
        "run": state.run.to_record(),
        "booted": state.booted,
        "code": state.code,
        "erts": state.erts,
        "memory": [
            {
                "name": entry.name,
                "vsn": entry.vsn,
                "erts": entry.erts,
                "libs": [[lib.app, lib.vsn, lib.dir] for lib in entry.libs],
                "status": str(entry.status),
            }
            for entry in state.memory
        ],
        "pending": {path: vars(pending) for path, pending in state.pending},
    }


def _state_from(record: Any) -> EmbeddedState:  # noqa: ANN401 # what json.loads returns
    if record["v"] != _VERSION:
        raise ValueError(f"version {record['v']!r} is not known")
    return EmbeddedState(
        root=_text(record["root"]["path"]),
        device=_number(record["root"]["device"]),
        inode=_number(record["root"]["inode"]),
        vm_args=_text(record["vm_args"]),
        run=_run(record["run"]),
        booted=_text(record["booted"]),
        code=_text(record["code"]),
        erts=_text(record["erts"]),
        memory=tuple(map(_entry, record["memory"])),
        pending=tuple((_boot_file(path), _pending(file)) for path, file in sorted(record["pending"].items())),
    )


def _run(record: Any) -> Run:  # noqa: ANN401 # as above
    return Run(
        boot_id=_text(record["boot_id"]),
        started_at=_text(record["started_at"]),
        generation=str(int(_text(record["generation"]))),
    )


def _entry(record: Any) -> ReleaseEntry:  # noqa: ANN401 # as above
    return ReleaseEntry(
        name=_text(record["name"]),
        vsn=_text(record["vsn"]),
        erts=_text(record["erts"]),
        libs=tuple(Lib(*map(_text, lib)) for lib in record["libs"]),
        status=ReleaseStatus(record["status"]),
    )


def _pending(record: Any) -> PendingFile:  # noqa: ANN401 # as above
    was = record["was_sha256"]
    return PendingFile(_text(record["text"]), _text(record["sha256"]), None if was is None else _text(was))


def _boot_file(path: str) -> str:
    if path not in BOOT_FILES:
        raise ValueError(f"{path!r} is no boot file")
    return path


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value
