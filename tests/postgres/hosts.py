"""Hosts of a fleet: each has its key, its guard and a way into one ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from ledger.adapters.identity import new_id
from ledger.adapters.postgres_place import HostPlace, HostSigner, make_place
from ledger.adapters.postgres_server import enrol
from ledger.adapters.tip_guard import TipGuard
from ledger.application.record_ports import Recording
from ledger.application.release_ledger import ReleaseLedger
from ledger.dataclass import dataclass
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from tests.fakes.recording import NOON, ORIGIN, SetClock


@dataclass(frozen=True)
class Host:
    """One host."""

    address: str
    place: HostPlace
    signer: HostSigner

    @contextmanager
    def ledger(self, *, guard: TipGuard | None = None) -> Iterator[ReleaseLedger]:
        """Give the ledger as this host records in it."""
        recording = Recording(
            origin=self.signer.name,
            clock=SetClock(),
            new_id=new_id,
            turn=lambda: self.place.turn.hold("record", wait=30),
            signer=self.signer,
            guard=guard or self.place.guard,
        )
        env = {"PERSISTENCE_MODULE": "ledger.adapters.postgres:LedgerFactory", "POSTGRES_LEDGER_ADDRESS": self.address}
        with ReleaseLedger(env, recording=recording) as ledger:
            yield ledger


def host_at(base: Path, address: str, *, owner: str | None = None, origin: str = ORIGIN) -> Host:
    """Return a new host whose files lie in *base*; *owner* is the address that may enrol it, None for the same."""
    place, signer = make_place(base, origin, address=address)
    enrol(owner or address, signer.key.vkey, host=base.name, at=NOON)
    return Host(address, place, signer)


def guarded(host: Host) -> Host:
    """Return *host*, whose guard now holds the empty tree: it was there when the ledger was made."""
    host.place.guard.swap(host.place.empty_note())
    return host


def change(address: str, *statements: str) -> None:
    """Change the database as a superuser can: without triggers."""
    with psycopg.connect(address, options="-c search_path=ledger", autocommit=True) as connection:
        rows = connection.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE '%_keeps'"
        ).fetchall()
        for table, name in rows:
            connection.execute(f"DROP TRIGGER {name} ON {table}")
        for statement in statements:
            connection.execute(statement)


_CUT = (
    (
        "DELETE FROM stored_events AS e USING log_leaf AS l WHERE l.originator_id = e.originator_id AND "
        "l.originator_version = e.originator_version AND l.idx >= SIZE"
    ),
    "DELETE FROM log_leaf WHERE idx >= SIZE",
    "DELETE FROM log_node WHERE idx >= SIZE::bigint >> 8 * level",
    "DELETE FROM log_commit WHERE first_idx >= SIZE",
    "DELETE FROM log_checkpoint WHERE size > SIZE",
    "DELETE FROM anchor WHERE size > SIZE",
)


def cut_to(address: str, size: int) -> None:
    """Let the ledger end at *size*, as a backup of that time does."""
    change(address, *(statement.replace("SIZE", str(size)) for statement in _CUT))


def checkpoints(address: str, *hosts: Host) -> list[Checkpoint]:
    """Return what the hosts signed, by size; a note of anybody else is refused."""
    with psycopg.connect(address, options="-c search_path=ledger") as connection:
        notes = connection.execute("SELECT note FROM log_checkpoint ORDER BY size").fetchall()
    return [open_checkpoint(note, logs=[host.signer for host in hosts]).checkpoint for (note,) in notes]
