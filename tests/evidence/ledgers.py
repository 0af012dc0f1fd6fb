"""Real ledgers to attack: recorded with the real recorder, and altered behind its back.

``redo`` is the forger: it drops the guard rails and makes leaf hashes, tiles and checkpoints
anew, from the tables alone, with a key or without one.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import cycle
from pathlib import Path

from ledger.adapters.audit_sqlite import open_source
from ledger.adapters.keys import LogKey
from ledger.adapters.ledger_folder import LedgerFolder, create_folder
from ledger.adapters.signatures import PRIMITIVES
from ledger.application.audit import Asked
from ledger.application.audit_report import AuditReport, Level
from ledger.application.audit_source import HeldNote
from ledger.application.audit_trust import Guard, Trust
from ledger.application.verification import verify_log
from ledger.domain.events import (
    AnyReleaseEvent,
    OperationCompleted,
    OperationRequested,
    ReleaseInstalled,
    ReleaseMadePermanent,
    ReleaseUnpacked,
)
from ledger.domain.records import Context, InstallationFacts, PackageRecord, PlannedStep
from ledger.domain.releases import NodeReleases, evolve, table_digest
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import KeySigner
from ledger.tlog.note import Note, Signature, sign_note
from ledger.tlog.policy import Log, Policy, Witness
from ledger.tlog.tree_builder import TreeBuilder
from tests.fakes.recording import CONTEXT, ORIGIN, open_ledger, recording, registered
from tests.tlog.keys import make_witness

WITNESS = make_witness("witness.example.org", 7)
STRANGER = make_witness("stranger.example.org", 8)
COMMITS = 10


def upgrades() -> Iterator[AnyReleaseEvent]:
    """Yield a registration, and upgrades to one version after the other: a history that can have happened."""
    node = evolve(None, registered())
    yield registered()
    for number in range(1, 10_000):
        for event in _upgrade(node, number):
            node = evolve(node, event)
            yield event


def repeated() -> Iterator[AnyReleaseEvent]:
    """Yield events without end whose form is that of real ones; they tell no possible history."""
    attempt = tuple(event for _, event in zip(range(6), upgrades(), strict=False))
    yield attempt[0]
    for version, event in enumerate(cycle(attempt[1:]), 2):
        yield replace(event, originator_version=version)


def _upgrade(node: NodeReleases, number: int) -> Iterator[AnyReleaseEvent]:
    tables, vsn, running = node.tables, f"4.4.{number}", node.tables.running or ""
    attempt = f"0190d1ab-1234-7abc-8def-{number:012x}"
    context: Context = replace(CONTEXT, attempt=attempt)
    versions = iter(range(node.version + 1, node.version + 9))

    def place() -> dict[str, object]:
        return {
            "originator_id": node.id,
            "originator_version": next(versions),
            "context": context,
            "driver": "node",
        }

    package = PackageRecord(name=f"emqx-{vsn}-otp24-ubuntu20.04-amd64.zip", size=number, sha256="f6" * 32)
    plan = tuple(PlannedStep(step=step, vsn=vsn) for step in ("unpack", "install", "make_permanent"))
    d0, d1 = table_digest(tables), table_digest(tables.unpacked(vsn))
    installed = tables.unpacked(vsn).installed(vsn)
    d2, d3 = table_digest(installed), table_digest(installed.made_permanent(vsn))
    yield OperationRequested(
        **place(),  # type: ignore[arg-type] # the four members of every event
        verb="upgrade",
        to=vsn,
        from_vsn=running,
        facts=InstallationFacts(otp="24"),
        plan=plan,
        plan_sha256=d0,
        before_sha256=d0,
        package=package,
    )
    yield ReleaseUnpacked(
        **place(),  # type: ignore[arg-type] # as above
        vsn=vsn,
        package=package,
        erts="12.3",
        files=9,
        files_sha256=d0,
        before_sha256=d0,
        after_sha256=d1,
    )
    yield ReleaseInstalled(**place(), from_vsn=running, to=vsn, before_sha256=d1, after_sha256=d2)  # type: ignore[arg-type] # as above
    yield ReleaseMadePermanent(**place(), vsn=vsn, former=running, before_sha256=d2, after_sha256=d3)  # type: ignore[arg-type] # as above
    yield OperationCompleted(**place(), verb="upgrade", result="completed", table_sha256=d3, boots_next=vsn)  # type: ignore[arg-type] # as above


@dataclass
class Case:
    """One ledger, the notes that others hold of it, and how it is verified."""

    folder: LedgerFolder
    key: LogKey
    guard: Guard | None = None
    held: tuple[HeldNote, ...] = ()
    witness: bool = False

    @property
    def database(self) -> Path:
        return self.folder.database

    @property
    def policy(self) -> Policy:
        witness = (Witness(b"w", WITNESS.vkey),) if self.witness else ()
        return Policy((Log(self.key.vkey),), witness, (), b"w" if self.witness else None)

    @property
    def trust(self) -> Trust:
        return Trust(policy=self.policy, primitives=PRIMITIVES, held=self.held, guard=self.guard)

    def verify(self, *, level: Level | None = None, since: HeldNote | None = None) -> AuditReport:
        with open_source(self.database) as source:
            return verify_log(source, trust=self.trust, asked=Asked(level=level, since=since))


def record(folder: LedgerFolder, events: Sequence[AnyReleaseEvent], *, commit: int = 1) -> None:
    """Append *events* to the ledger, *commit* of them in each commit."""
    how = replace(recording(), signer=folder.read_key(), guard=folder.guard)
    with closing(open_ledger(folder.database, how)) as ledger:
        for at in range(0, len(events), commit):
            ledger.record(events[at : at + commit])


def build(path: Path, *, events: int = 19, commit: int = 2, seed: int = 1) -> Case:
    """Return a ledger of *events*, whose writer has gone away."""
    folder = create_folder(path, origin=ORIGIN, entropy=lambda size: bytes([seed]) * size)
    history = upgrades()
    record(folder, [next(history) for _ in range(events)], commit=commit)
    return Case(folder, folder.read_key())


def newest(database: Path) -> bytes:
    with closing(sqlite3.connect(database)) as connection:
        note: bytes = connection.execute("SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1").fetchone()[0]
        return note


def cosigned(note: bytes, witness: KeySigner = WITNESS) -> bytes:
    """Return *note* with the witness's line."""
    parsed = Note.parse(note)
    line = Signature(witness.name, witness.key_id, witness.sign(parsed.text))
    return Note(parsed.text, (*parsed.signatures, line)).encode()


def copy_case(case: Case, path: Path) -> Case:
    shutil.copytree(case.folder.path, path)
    shutil.copytree(case.folder.tip, path.with_name(f"{path.name}.tip"))
    return replace(case, folder=LedgerFolder(path))


def alter(database: Path, *statements: str | tuple[str, Sequence[object]]) -> None:
    """Run *statements* on the database, its guard rails taken away; nothing of a log file stays behind."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        _drop_rails(connection)
        for statement in statements:
            sql, values = (statement, ()) if isinstance(statement, str) else statement
            connection.execute(sql, values)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def redo(database: Path, *, key: LogKey | None) -> None:
    """Make leaf hashes, tiles and checkpoints anew; without *key* the old signature lines stay."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        _drop_rails(connection)
        rows = connection.execute("SELECT idx, originator_id, originator_version FROM log_leaf ORDER BY idx").fetchall()
        old = dict(connection.execute("SELECT size, note FROM log_checkpoint").fetchall())
        connection.execute("DELETE FROM log_checkpoint")
        connection.execute("DELETE FROM log_tile")
        builder, ends = TreeBuilder(), {last + 1 for (last,) in connection.execute("SELECT last_idx FROM log_commit")}
        for index, stream, version in rows:
            (state,) = connection.execute(
                "SELECT state FROM stored_events WHERE originator_id = ? AND originator_version = ?", (stream, version)
            ).fetchone()
            hashed = sha256(b"\0" + state).digest()
            connection.execute("UPDATE log_leaf SET leaf_hash = ? WHERE idx = ?", (hashed, index))
            for row in builder.extend([hashed]):
                connection.execute("INSERT INTO log_tile VALUES (?,?,?)", (row.tile.level, row.tile.n, row.hashes))
            if builder.size in ends or builder.size == len(rows):
                text = Checkpoint(ORIGIN, builder.size, builder.root()).encode()
                lines = Note.parse(old.get(builder.size) or next(iter(old.values()))).signatures
                note = sign_note(text, signers=[key]) if key else Note(text, lines).encode()
                connection.execute("INSERT INTO log_checkpoint VALUES (?,?)", (builder.size, note))
        for row in builder.partial_tiles():
            connection.execute("INSERT INTO log_tile VALUES (?,?,?)", (row.tile.level, row.tile.n, row.hashes))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def edit_state(database: Path, version: int, change: Callable[[bytes], bytes]) -> None:
    """Change the stored bytes of one version of the stream."""
    with closing(sqlite3.connect(database)) as connection:
        (state,) = connection.execute(
            "SELECT state FROM stored_events WHERE originator_version = ?", (version,)
        ).fetchone()
    changed = change(state)
    assert changed != state
    alter(database, ("UPDATE stored_events SET state = ? WHERE originator_version = ?", (changed, version)))


def _drop_rails(connection: sqlite3.Connection) -> None:
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
