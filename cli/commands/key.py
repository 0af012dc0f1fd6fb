"""Name the keys by which this ledger is verified."""

import json

from cli.key_list import listed_keys
from cli.session import Session

EXAMPLE = "key list"
SCHEMA = "release-ledger/keys/1"


def list_(*, session: Session) -> int:
    """Print the public key of the log, its vkey: what an auditor needs beside the record."""
    vkeys = listed_keys(session.settings.ledger.value)
    if session.json:
        record = {"schema": SCHEMA, "log": list(vkeys)}
        session.terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
        return 0
    for vkey in vkeys:
        session.terminal.say(vkey)
    return 0


SUBCOMMANDS = {"list": (list_, "key list")}
