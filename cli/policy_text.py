"""``config.toml`` in the form that ``init`` writes it: a table of policy, one setting a line, and comments.

Most ledgers have no other, and reading it so costs nothing beside loading a reader of TOML.
``policy_in`` gives what the text sets, or None where the text needs that reader: another
setting, another spelling, a mistake. What it gives, a reader of TOML gives too.
"""

_BOOLEANS = {"true": True, "false": False}


def policy_in(text: str) -> "dict[str, object] | None":
    """Return the settings of policy in *text*; None where it may say anything else."""
    found: dict[str, object] = {}
    began = False
    for line in text.split("\n"):
        bare = line.partition("#")[0].strip(" ")
        if not line.isprintable():
            return None
        if bare == "[policy]" and not began:
            began = True
        elif bare:
            name, _, value = (part.strip(" ") for part in bare.partition("="))
            setting = _setting(name, value) if began and name not in found else None
            if setting is None:
                return None
            found[name] = setting
    return found


def _setting(name: str, value: str) -> object:
    if name in {"require_reason", "require_ticket"}:
        return _BOOLEANS.get(value)
    if name == "holders" and value.isdecimal() and value.isascii() and (value == "0" or value[0] != "0"):
        return int(value)
    if name == "anchors" and value == "[]":
        return []
    if name == "anchors" and value[:2] == '["' and value[-2:] == '"]':
        parts = value[2:-2].split('", "')
        return parts if all('"' not in part and "\\" not in part for part in parts) else None
    return None
