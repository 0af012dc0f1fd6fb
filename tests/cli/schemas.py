"""JSON schemas of what ``--json`` prints (PRODUCT section 10): one a command, all members named."""

from typing import Any

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_SHA256: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TIME: dict[str, Any] = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
_ROWS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "vsn": _TEXT,
            "status": {"enum": ["unpacked", "current", "permanent", "old", "tmp_current"]},
        },
        "required": ["vsn", "status"],
        "additionalProperties": False,
    },
}
_REASON: dict[str, Any] = {
    "type": "object",
    "properties": {"rule": _TEXT, "message": _TEXT, "fact": _TEXT, "hint": _TEXT},
    "required": ["message", "fact", "hint"],
    "additionalProperties": False,
}
_REASONS: dict[str, Any] = {"type": "array", "items": _REASON}
_EVENTS: dict[str, Any] = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}


def _schema(name: str, members: dict[str, Any], *, required: tuple[str, ...]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"schema": {"const": f"release-ledger/{name}/1"}, **members},
        "required": ["schema", *required],
        "additionalProperties": False,
    }


VERSIONS = _schema(
    "versions",
    {
        "node": _TEXT,
        "kind": {"enum": ["live", "rehearsal"]},
        "releases": _ROWS,
        "running": _TEXT,
        "boots_next": _TEXT,
        "open_attempt": _TEXT,
        "as_of": {
            "type": "object",
            "properties": {"tree_size": {"type": "integer", "minimum": 1}, "root": _TEXT},
            "required": ["tree_size"],
            "additionalProperties": False,
        },
    },
    required=("node", "kind", "releases", "as_of"),
)
ROOT_DIR = _schema("root_dir", {"node": _TEXT, "root_dir": _TEXT}, required=("node", "root_dir"))
EVENT = _schema(
    "event",
    {
        "index": _NUMBER,
        "recorded_at": _TIME,
        "node": _TEXT,
        "stream": _TEXT,
        "type": _TEXT,
        "topic": {"type": "string", "pattern": r"^emqx\.[a-z]+\.[a-z_]+\.v[0-9]+$"},
        "event_id": _TEXT,
        "attempt": _TEXT,
        "actor": {"type": "object", "required": ["id", "kind", "auth"]},
        "source": {"type": "object", "required": ["host_id", "tool"]},
        "reason": _TEXT,
        "ticket": _TEXT,
        "data": {"type": "object"},
        "proof": {"type": "string", "pattern": "^c2sp.org/tlog-proof@v1\nindex [0-9]+\n"},
    },
    required=("index", "recorded_at", "stream", "type", "topic", "event_id", "actor", "source", "data"),
)
CHANGE = _schema(
    "attempt",
    {
        "attempt": _TEXT,
        "verb": _TEXT,
        "vsn": _TEXT,
        "outcome": {"enum": ["completed", "already", "planned"]},
        "steps": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"step": _TEXT, "vsn": _TEXT},
                "required": ["step", "vsn"],
                "additionalProperties": False,
            },
        },
        "plan_sha256": _SHA256,
        "events": _EVENTS,
        "first_event": _NUMBER,
        "last_event": _NUMBER,
        "before": _ROWS,
        "releases": _ROWS,
        "warnings": _REASONS,
    },
    required=("verb", "outcome", "steps", "plan_sha256", "before", "releases", "warnings"),
)
ATTEMPT = _schema(
    "attempt",
    {
        "attempt": _TEXT,
        "node": _TEXT,
        "stream": _TEXT,
        "verb": _TEXT,
        "vsn": _TEXT,
        "outcome": _TEXT,
        "failed": {"type": "boolean"},
        "driver": _TEXT,
        "actor": {"type": "object"},
        "reason": _TEXT,
        "ticket": _TEXT,
        "package": {"type": "object"},
        "began_at": _TIME,
        "took_us": {"type": "integer"},
        "steps": {"type": "array", "items": {"type": "object", "required": ["step", "index", "took_us"]}},
        "reasons": _REASONS,
        "events": _EVENTS,
        "first_event": _NUMBER,
        "last_event": _NUMBER,
        "record": {"type": "array", "items": EVENT},
    },
    required=("attempt", "stream", "outcome", "failed", "actor", "steps", "events", "record"),
)
RECOVERY = _schema(
    "recovery",
    {
        "node": _TEXT,
        "result": {"enum": ["nothing", "finished", "taken_back", "failed", "mended"]},
        "found": _TEXTS,
        "done": _TEXTS,
        "advice": _TEXTS,
        "releases": _ROWS,
        "first_event": _NUMBER,
        "last_event": _NUMBER,
    },
    required=("node", "result", "found", "done", "advice", "releases"),
)
REGISTRATION = _schema(
    "registration",
    {
        "ledger": _TEXT,
        "made": {"type": "boolean"},
        "origin": _TEXT,
        "vkey": _TEXT,
        "node": _TEXT,
        "kind": {"enum": ["live", "rehearsal"]},
        "root": _TEXT,
        "facts": {"type": "object"},
        "unknown": {"type": "array", "items": {"enum": ["edition", "otp", "os", "arch"]}},
        "releases": _ROWS,
        "event": _NUMBER,
    },
    required=("ledger", "made", "origin", "vkey", "node", "kind", "root", "facts", "unknown", "releases"),
)
ERROR = _schema(
    "error",
    {"code": {"type": "integer"}, "kind": _TEXT, "reasons": {**_REASONS, "minItems": 1}},
    required=("code", "kind", "reasons"),
)
