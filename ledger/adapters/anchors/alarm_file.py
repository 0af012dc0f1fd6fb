"""What holders said against the ledger, kept as evidence beside the tip guard.

One file for each alarm, ``alarm-<holder>-<size of the ledger>.json`` with mode 0600: when, who,
what it said, and the request that it answered. The first of its name stays, and while any
stands, nothing is recorded: a file that cannot be read is an alarm all the same.
"""

import json
from base64 import b64encode
from pathlib import Path

from ledger.adapters.durable import replace_file
from ledger.adapters.ledger_folder import ALARM
from ledger.adapters.tip_guard import GuardAccessError
from ledger.application.standing_alarm import StandingAlarm
from ledger.errors import EvidenceError

_SUFFIX = ".json"
_NOT_IN_A_NAME = r"[^A-Za-z0-9._-]+"


def keep_alarm(folder: Path, *, sink: str, size: int, error: EvidenceError, at: str) -> Path:
    """Keep in *folder* what *sink* said of the ledger when that had *size* events; return the file.

    Raises: WriteFailedError.
    """
    import re  # noqa: PLC0415 # every change looks for alarms, and next to none keeps one

    from ledger.tlog.witness_reply import WitnessForkError  # noqa: PLC0415 # as above

    path = folder / f"{ALARM}{re.sub(_NOT_IN_A_NAME, '-', sink)[:100]}-{size}{_SUFFIX}"
    if path.exists():
        return path
    record = {"at": at, "sink": sink, "size": size, "error": str(error), "fact": error.fact}
    if isinstance(error, WitnessForkError):
        record["request"] = b64encode(error.request.encode()).decode()
    replace_file(path, f"{json.dumps(record, indent=1)}\n".encode(), mode=0o600)
    return path


def standing_alarms(folder: Path) -> tuple[StandingAlarm, ...]:
    """Return the alarms that are kept in *folder*, by the names of their files.

    Raises: GuardAccessError where the folder cannot be read.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as exc:
        raise GuardAccessError(folder, exc.strerror or str(exc)) from exc
    return tuple(_read(folder / name) for name in names if name.startswith(ALARM) and name.endswith(_SUFFIX))


def _read(path: Path) -> StandingAlarm:
    try:
        record = json.loads(path.read_bytes())
        said = f"{record['error']} ({record['fact']})" if record["fact"] else str(record["error"])
        return StandingAlarm(str(record["sink"]), said, str(path))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return StandingAlarm("a holder", "what it said cannot be read", str(path))
