"""What is committed in a ledger in PostgreSQL, for outside holders: the questions of ``anchor_store`` put to a server.

A connection is made when something is asked first: a command without holders makes none. One that
broke meanwhile, as a change can take minutes, is made once more.

The newest note is by whichever host wrote last. It is opened before it is handed to anybody: what
no host signed must not leave as if one had.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.adapters.anchor_store import SqliteAnchorStore
from ledger.adapters.postgres_errors import ConnectionLostError, ServerLostError, server_lost, translated
from ledger.adapters.postgres_schema import WRITER
from ledger.adapters.postgres_server import Connection, connect
from ledger.adapters.postgres_tree import FleetSigner
from ledger.application.anchor_ports import Receipt, SignedTip, open_by
from ledger.tlog.note import Note, Verifier

_RECEIPTS = "SELECT DISTINCT ON (sink) sink, size, proof FROM anchor ORDER BY sink, size DESC"
_KEEP = "INSERT INTO anchor VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING size"


class FleetLogKeys:
    """The keys of the hosts (``anchor_ports.LogKeys``): that of this one, those that it knows or that are enrolled."""

    def __init__(self, signer: FleetSigner, asked: Callable[[], Connection]) -> None:
        self._signer = signer
        self._asked = asked

    def named_in(self, note: Note) -> Sequence[Verifier]:
        """Return those that *note* names.

        Raises: the errors of reaching the server.
        """
        if all((line.name, line.key_id) == (self._signer.name, self._signer.key_id) for line in note.signatures):
            return (self._signer,)
        connection = self._asked()
        with _told(connection.place), connection.cursor() as cursor:
            return (self._signer, *self._signer.verifiers(note, cursor))


class ServedAnchorStore(SqliteAnchorStore):
    """The ``AnchorStore`` of the ledger at *address*; *now* gives the time as records hold it."""

    def __init__(self, address: str, *, signer: FleetSigner, now: Callable[[], str]) -> None:
        super().__init__(Path(address), now=now)
        self._address = address
        self._served: Connection | None = None
        self.keys = FleetLogKeys(signer, self._connected)

    def close(self) -> None:
        """Close the connection, if there was need of one."""
        if self._served is not None:
            self._served.close()
            self._served = None

    def tip(self) -> SignedTip | None:
        """Return the newest committed note, which a host signed.

        Raises: SignatureError, FormatError where none did; the errors of reaching the server.
        """
        tip = super().tip()
        return SignedTip(tip.note, open_by(self.keys, tip.note).checkpoint) if tip else None

    def receipts(self) -> Mapping[str, Receipt]:
        """Return the newest receipt of each sink."""
        return {sink: Receipt(size, proof) for sink, size, proof in self._run(_RECEIPTS)}

    def keep(self, sink: str, receipt: Receipt) -> None:
        """Keep a receipt; one that is there already stays."""
        self._run(_KEEP, receipt.size, sink, receipt.proof, self._now())

    def _connected(self) -> Connection:
        if self._served is None or self._served.closed:
            with _told(self._address):
                self._served = connect(self._address, role=WRITER)
        return self._served

    def _run(self, statement: str, *parameters: object) -> Sequence[Any]:
        try:
            return self._answer(statement, parameters)
        except ServerLostError:
            self.close()
            return self._answer(statement, parameters)

    def _answer(self, statement: str, parameters: Sequence[object]) -> Sequence[Any]:
        connection = self._connected()
        with _told(self._address):
            return connection.execute(statement.replace("?", "%s"), parameters or None).fetchall()


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Turn what PostgreSQL reports inside the block into the ledger's errors."""
    try:
        with translated(place):
            yield
    except ConnectionLostError as exc:
        raise server_lost(place, str(exc)) from exc
