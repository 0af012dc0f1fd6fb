"""What a witness remembers, in one file of SQLite of its own.

For each origin it knows the keys that the operator entrusted to it and the note that it
cosigned last. ``answer`` compares and stores in one transaction that is durable
(``synchronous=FULL``) before the answer leaves: a witness that forgot could cosign two
histories. Refused requests that the log's own key signed are kept as evidence, a hundred for
each origin. Whoever can write this file can make the witness cosign a fork.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Lock

from ledger.adapters.signatures import verifier
from ledger.errors import EvidenceError, UsageError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note, Signer
from ledger.tlog.vkey import KeyType, Vkey
from ledger.tlog.witness import AddCheckpoint, Decision, decide_add_checkpoint

APPLICATION_ID = 0x52_4C_57_54
"""In the header of the file: tells the state of a witness from any other database."""

KEPT_REFUSALS = 100
_FORK = 422
_TABLES = (
    "CREATE TABLE log_key (origin TEXT NOT NULL, vkey TEXT NOT NULL, PRIMARY KEY (origin, vkey)) WITHOUT ROWID",
    "CREATE TABLE cosigned (origin_sha256 TEXT PRIMARY KEY, origin TEXT NOT NULL, note BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE refused (origin TEXT NOT NULL, sha256 TEXT NOT NULL, at INTEGER NOT NULL,
       request BLOB NOT NULL, PRIMARY KEY (origin, sha256)) WITHOUT ROWID""",
    f"PRAGMA application_id = {APPLICATION_ID}",
)


class WitnessStateError(UsageError):
    """The state of the witness cannot be used now."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"the state of the witness {path} cannot be used",
            fact=fact,
            hint="run as the user who owns it, on a local disk with room; nothing was cosigned",
        )
        self.path = path


class WitnessStateDamagedError(EvidenceError):
    """The state of the witness does not say what it cosigned."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"{path} is not the state of a witness, or it is damaged",
            fact=fact,
            hint="do not start it anew under the same key: it could cosign two histories; restore it or take a new key",
        )
        self.path = path


class NotALogKeyError(UsageError):
    """A vkey is not that of a log."""

    def __init__(self, vkey: Vkey) -> None:
        super().__init__(
            f"the key of {vkey.name} is not that of a log",
            fact=f"it is of type 0x{vkey.key_type:02x}, a log signs with 0x01",
            hint="take the vkey that `release-ledger witness log` prints on the log's host",
        )


class WitnessState:
    """The state in the file *path*, which is made where it is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        with self._translated():
            fresh = _make(path)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            self._settle(fresh=fresh)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def trust(self, vkey: Vkey) -> bool:
        """Let the log whose key *vkey* is be witnessed; return whether that is new.

        Raises: NotALogKeyError, WitnessStateError.
        """
        if vkey.key_type is not KeyType.ED25519:
            raise NotALogKeyError(vkey)
        with self._transaction() as connection:
            known = connection.execute("SELECT 1 FROM log_key WHERE vkey = ?", (str(vkey),)).fetchall()
            if not known:
                connection.execute("INSERT INTO log_key VALUES (?,?)", (vkey.name, str(vkey)))
        return not known

    def logs(self) -> Sequence[str]:
        """Return the vkeys of the logs that are witnessed."""
        with self._translated():
            return [row[0] for row in self._connection.execute("SELECT vkey FROM log_key ORDER BY vkey")]

    def answer(self, request: AddCheckpoint, *, signers: Callable[[], Sequence[Signer]], at: int) -> Decision:
        """Return the answer to *request* after what it changes is durable; *signers* sign at the time of asking.

        Raises: WitnessStateError, WitnessStateDamagedError.
        """
        origin = request.checkpoint.origin
        with self._transaction() as connection:
            keys = connection.execute("SELECT vkey FROM log_key WHERE origin = ?", (origin,)).fetchall()
            decision = decide_add_checkpoint(
                request,
                trusted=[verifier(Vkey.parse(row[0])) for row in keys],
                last=self._last(connection, origin),
                signers=signers(),
            )
            if decision.store is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO cosigned VALUES (?,?,?)", (_key(origin), origin, decision.store)
                )
            elif decision.status == _FORK:
                _keep_refused(connection, origin, request.encode(), at)
        return decision

    def cosigned(self, origin_sha256: str) -> bytes | None:
        """Return the note that was cosigned last under the origin of this hash.

        Raises: WitnessStateError.
        """
        with self._translated(), self._lock:
            statement = "SELECT note FROM cosigned WHERE origin_sha256 = ?"
            rows = self._connection.execute(statement, (origin_sha256,)).fetchall()
        return rows[0][0] if rows else None

    def has_cosigned(self) -> bool:
        """Say whether anything was ever cosigned."""
        with self._translated():
            return bool(self._connection.execute("SELECT 1 FROM cosigned LIMIT 1").fetchall())

    def refused(self) -> Sequence[bytes]:
        """Return the requests that were refused as forks, as they came."""
        with self._translated():
            return [row[0] for row in self._connection.execute("SELECT request FROM refused ORDER BY at, sha256")]

    def _last(self, connection: sqlite3.Connection, origin: str) -> Checkpoint | None:
        rows = connection.execute("SELECT note FROM cosigned WHERE origin_sha256 = ?", (_key(origin),)).fetchall()
        try:
            return Checkpoint.parse(Note.parse(rows[0][0]).text) if rows else None
        except EvidenceError as exc:
            raise WitnessStateDamagedError(self._path, str(exc)) from exc

    def _settle(self, *, fresh: bool) -> None:
        connection = self._connection
        # In DELETE mode FULL does not wait for the folder, so a loss of power could undo a commit.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if fresh:
            with self._transaction():
                for statement in _TABLES:
                    connection.execute(statement)
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        if found != APPLICATION_ID:
            raise WitnessStateDamagedError(self._path, "the header of the file names another application")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction that no other thread or process interrupts."""
        with self._translated(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as exc:
            if getattr(exc, "sqlite_errorcode", 0) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise WitnessStateDamagedError(self._path, str(exc)) from exc
            raise WitnessStateError(self._path, str(exc)) from exc
        except OSError as exc:
            raise WitnessStateError(self._path, exc.strerror or str(exc)) from exc


def _make(path: Path) -> bool:
    """Make an empty file for its owner only; return whether there is nothing in the file."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    return path.stat().st_size == 0


def _key(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def _keep_refused(connection: sqlite3.Connection, origin: str, body: bytes, at: int) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO refused SELECT ?,?,?,? WHERE (SELECT COUNT(*) FROM refused WHERE origin = ?) < ?",
        (origin, sha256(body).hexdigest(), at, body, origin, KEPT_REFUSALS),
    )
