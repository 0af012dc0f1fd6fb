"""Whether a server answers at all: two seconds for the name of each host, and two for each of its addresses.

Away is a server that refuses the connection, is silent, is not found by name, or starts or stops;
so is a fleet of servers among which no primary is left. One that answers is not away, whatever it
says: a login that it does not admit, a database that it does not have, a certificate that is not
trusted are errors to be mended, and no reason to record elsewhere.

How it is asked: libpq's ping needs no login. Its word for a server that is away covers a
certificate that is refused as well, so it is then asked why.
"""

import re
import time
from contextlib import closing

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.adapters.postgres_errors import without_guesses
from ledger.adapters.postgres_server import found_address

SECONDS = 2
"""libpq takes no less: it makes two seconds of one."""

_SLOW = SECONDS * 0.9
# libpq's own words, which are not translated in a program that does not ask for it.
_SOMEBODY_ANSWERS = re.compile(r"\b(?:SSL|certificate|GSS\w*)\b")
_NO_PRIMARY = re.compile(r"session is read-only|server is in hot standby mode")


def out_of_reach(address: str) -> str | None:
    """Return why no server takes commits at *address*, in libpq's words; None where one answers.

    Raises: AddressError, PasswordInAddressError.
    """
    try:
        found = found_address(address)
    except psycopg.OperationalError as exc:
        return str(exc)[:500]
    parameters = conninfo_to_dict(found) | {"connect_timeout": str(SECONDS)}
    asked, began = make_conninfo("", **parameters), time.monotonic()
    answer = pq.PGconn.ping(asked.encode())
    if answer == pq.Ping.REJECT:
        return "the server starts or stops, and takes no connections"
    if answer == pq.Ping.NO_RESPONSE:
        if time.monotonic() - began > _SLOW:
            return f"no answer within {SECONDS} seconds"
        words = _words_of_refusal(asked)
        return None if words is None or _SOMEBODY_ANSWERS.search(words) else words
    if "target_session_attrs" not in parameters:
        return None
    words = _words_of_refusal(asked)
    return words if words and _NO_PRIMARY.search(words) else None


def _words_of_refusal(asked: str) -> str | None:
    try:
        with closing(psycopg.connect(asked)):
            return None
    except psycopg.Error as exc:
        return without_guesses(str(exc))
