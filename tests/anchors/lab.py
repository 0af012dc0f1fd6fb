"""A ledger with real signed commits, and a real witness in a process of its own on loopback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from eventsourcing.persistence import StoredEvent

from ledger.adapters.anchor_store import SqliteAnchorStore
from ledger.adapters.anchors.witness_client import WitnessClient
from ledger.adapters.keys import LogKey
from ledger.adapters.ledger_folder import LedgerFolder, create_folder
from ledger.adapters.log_keys import ListedKeys
from ledger.adapters.signatures import verifier
from ledger.adapters.sqlite import LedgerDatastore, LedgerRecorder
from ledger.adapters.witness_state import WitnessState
from ledger.application.anchor_ports import SignedTip
from ledger.tlog.cosignature import KeyVerifier
from ledger.tlog.note import Note, Signature
from ledger.tlog.vkey import Vkey

PROJECT = Path(__file__).parents[2]
NOW = "2025-01-02T03:04:05.000006Z"


@dataclass(frozen=True)
class LedgerLab:
    """One ledger in a folder."""

    places: LedgerFolder

    @property
    def key(self) -> LogKey:
        return self.places.read_key()

    @property
    def log(self) -> KeyVerifier:
        return verifier(self.key.vkey)

    @property
    def keys(self) -> ListedKeys:
        return ListedKeys([self.key.vkey])

    def append(self, count: int = 1, *, word: str = "as it was") -> SignedTip:
        """Record one commit of *count* events and return the new tip."""
        with closing(LedgerDatastore(self.places.database)) as datastore:
            recorder = LedgerRecorder(datastore, signer=self.key, guard=self.places.guard)
            size = recorder.max_notification_id() or 0
            states = [
                json.dumps({"recorded_at": f"2025-01-01T00:00:00.{at:06}Z", "word": word}).encode()
                for at in range(size, size + count)
            ]
            recorder.insert_events(
                [StoredEvent("ledger", size + 1 + at, "emqx.ledger.word.v1", state) for at, state in enumerate(states)]
            )
        return self.tip()

    @contextmanager
    def store(self) -> Iterator[SqliteAnchorStore]:
        with closing(SqliteAnchorStore(self.places.database, now=lambda: NOW)) as store:
            yield store

    def tip(self) -> SignedTip:
        with self.store() as store:
            tip = store.tip()
        assert tip is not None
        return tip


def make_ledger(folder: Path) -> LedgerLab:
    return LedgerLab(create_folder(folder, origin=f"example.org/{uuid4().hex}"))


def forged(note: bytes, *, name: str) -> bytes:
    """Return *note* with one bit of the signature by *name* turned."""
    parsed = Note.parse(note)
    lines = [
        Signature(line.name, line.key_id, line.payload[:-1] + bytes([line.payload[-1] ^ 1]))
        if line.name == name
        else line
        for line in parsed.signatures
    ]
    return Note(parsed.text, tuple(lines)).encode()


@dataclass(frozen=True)
class RunningWitness:
    """A witness that listens."""

    folder: Path
    process: "subprocess.Popen[str]"
    vkey: Vkey
    url: str

    def trust(self, vkey: Vkey) -> None:
        with closing(WitnessState(self.folder / "witness.db")) as state:
            state.trust(vkey)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Return status, type and body of the answer to a plain HTTP request."""
        with closing(HTTPConnection(urlsplit(self.url).netloc, timeout=120)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()

    def checkpoint(self, origin: str) -> bytes:
        """Return the note that it cosigned last under *origin*."""
        status, _, note = self.ask("GET", f"/{sha256(origin.encode()).hexdigest()}/checkpoint")
        assert status == 200
        return note

    def client(self, lab: LedgerLab) -> WitnessClient:
        """Return the client side for the ledger of *lab*, which the witness knows from now on."""
        self.trust(lab.key.vkey)
        return WitnessClient("w1", verifier(self.vkey), self.url, lab.keys, limit=120.0)


@contextmanager
def running_witness(
    folder: Path, *, command: Sequence[str] = ("-m", "cli", "witness", "serve")
) -> Iterator[RunningWitness]:
    """Start a witness at a free port of loopback, and stop it in the end."""
    process = subprocess.Popen(
        [sys.executable, *command, "--state", str(folder), "--name", "w.example/w1", "--port", "0"],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        key, url = (process.stdout.readline().partition(": ")[2].strip() for _ in range(2))
        yield RunningWitness(folder, process, Vkey.parse(key), url)
    finally:
        process.terminate()
        process.communicate(timeout=120)


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "HOME": "/nonexistent"}
