"""What holders said against the ledger, kept as evidence beside the tip guard.

One file for each alarm, ``alarm-<holder>-<size of the ledger>.json`` with mode 0600: when, who,
what it said, and the request that it answered. The first of its name stays; nothing here is
ever read again by the program.
"""

import json
import re
from base64 import b64encode
from pathlib import Path

from ledger.adapters.durable import replace_file
from ledger.errors import EvidenceError
from ledger.tlog.witness_reply import WitnessForkError

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def keep_alarm(folder: Path, *, sink: str, size: int, error: EvidenceError, at: str) -> Path:
    """Keep in *folder* what *sink* said of the ledger when that had *size* events; return the file.

    Raises: WriteFailedError.
    """
    path = folder / f"alarm-{_NOT_IN_A_NAME.sub('-', sink)[:100]}-{size}.json"
    if path.exists():
        return path
    record = {"at": at, "sink": sink, "size": size, "error": str(error), "fact": error.fact}
    if isinstance(error, WitnessForkError):
        record["request"] = b64encode(error.request.encode()).decode()
    replace_file(path, f"{json.dumps(record, indent=1)}\n".encode(), mode=0o600)
    return path
