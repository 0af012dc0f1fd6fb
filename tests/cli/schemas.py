"""The JSON schemas that are published in ``docs/schemas/``, one a kind of answer (PRODUCT section 10)."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs/schemas"


def schema_of(name: str) -> dict[str, Any]:
    """Return the published schema ``release-ledger/<name>/1``."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


VERSIONS = schema_of("versions")
ROOT_DIR = schema_of("root_dir")
EVENT = schema_of("event")
CHANGE = schema_of("attempt")
ATTEMPT = schema_of("attempt_in_full")
RECOVERY = schema_of("recovery")
REGISTRATION = schema_of("registration")
ERROR = schema_of("error")
