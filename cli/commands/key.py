"""Name the keys by which this ledger is verified."""

import json
from collections.abc import Mapping
from typing import Any

from cli.key_list import fleet_keys, listed_keys
from cli.plain_text import plain
from cli.session import Session

EXAMPLE = "key list"
SCHEMA = "release-ledger/keys/1"


def list_(*, session: Session) -> int:
    """Print the public key of the log, its vkey: what an auditor needs beside the record.

    A ledger in PostgreSQL has one for each host, with who that is, since when, and what it signed.
    """
    hosts = fleet_keys(session.settings.ledger.value)
    vkeys = listed_keys(session.settings.ledger.value) if hosts is None else [host["vkey"] for host in hosts]
    if session.json:
        record = {"schema": SCHEMA, "log": list(vkeys)} | ({} if hosts is None else {"hosts": hosts})
        session.terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
        return 0
    if hosts is not None:
        session.terminal.write("".join(map(_line, hosts)))
        return 0
    for vkey in vkeys:
        session.terminal.say(vkey)
    return 0


def _line(host: Mapping[str, Any]) -> str:
    """Return what is said of a host's key, as one line."""
    commits = host["commits"]
    signed = f"{commits} commit{'' if commits == 1 else 's'}"
    events = f"events {host['first']} to {host['last']}" if commits else "-"
    columns = (host["vkey"], host["host"] or "not enrolled", host["enrolled_at"] or "-", signed, events)
    return "\t".join(map(plain, columns)) + "\n"


SUBCOMMANDS = {"list": (list_, "key list")}
