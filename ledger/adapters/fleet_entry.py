"""How a host joins a ledger in PostgreSQL: its place and key are made, its guard is set, its key is enrolled.

The guard comes before the enrolment: a host whose key is enrolled and whose guard is gone has lost
it, and is not given another. What the guard of a joining host holds is the newest note of a host
that is enrolled, over a tree whose root is that of the stored leaves. A guard that is there stays: a
key that is no longer enrolled was lost with the end of the ledger, by a restore of its database.
"""

import time
from pathlib import Path

from ledger.adapters.clock import format_time
from ledger.adapters.ledger_folder import default_origin, places_at
from ledger.adapters.postgres_place import HostPlace, HostSigner, make_place
from ledger.adapters.postgres_server import create_ledger, enrol, enrolled_keys, origin_at, reached
from ledger.adapters.postgres_tree import FleetTree
from ledger.dataclass import dataclass
from ledger.tlog.vkey import Vkey


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The ledger that a host joined; *made* tells that there was none before."""

    folder: Path
    origin: str
    vkey: str
    key_file: Path
    made: bool


def join(folder: Path, *, origin: str | None, host: str, base: Path) -> Joined:
    """Let this host record in the ledger whose address lies in *folder*; make the ledger where there is none.

    It can be called again, where a crash left off.
    Raises: the errors of reaching the server, of making a place and of its key; TipError, SignatureError for a
    ledger whose newest checkpoint does not hold.
    """
    address = places_at(folder).address or ""
    found = origin_at(address)
    if found is None:
        create_ledger(address, origin=origin or default_origin(host))
    named = found or origin_at(address) or ""
    place, signer = make_place(base, named, address=address)
    if not _is_enrolled(address, signer, place):
        enrol(address, signer.key.vkey, host=host, at=format_time(time.time_ns() // 1000))
    return Joined(
        folder=place.path, origin=named, vkey=str(signer.key.vkey), key_file=place.key_file, made=found is None
    )


def _is_enrolled(address: str, signer: HostSigner, place: HostPlace) -> bool:
    """Tell whether the key is enrolled; where it is not, set the guard."""
    with reached(address) as connection, connection.transaction(), connection.cursor() as c:
        c.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        enrolled = enrolled_keys(connection)
        if str(signer.key.vkey) in enrolled:
            return True
        signer.learn([Vkey.parse(text) for text in enrolled])
        if place.guard.read() is not None:
            return False
        c.execute("SELECT size, note FROM log_checkpoint ORDER BY size DESC LIMIT 1")
        newest = c.fetchone()
        place.guard.swap(newest[1] if newest else place.empty_note())
        if newest:
            FleetTree(signer, place.guard).verify_tail(c)
    return False
