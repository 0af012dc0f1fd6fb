"""What must hold of a host after any fault, seen without the commands of the product.

The installation boots a version that it has whole. The ledger is a sound database whose log is
dense, whose leaves are the hashes of its events, and each of whose commits is covered by a signed
checkpoint of the right root; the tip guard is at most one commit behind (evidence.md 5).
"""

import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ledger.adapters.keys import read_key
from ledger.adapters.releases_file import ReleaseEntry, parse_releases
from ledger.domain.envelope import Recorded
from ledger.domain.events import EventImported, OperationRecovered, OperationRequested
from ledger.domain.ledger_events import LedgerEvent
from ledger.domain.records import Resolution
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import hash_leaf, hash_node
from tests.faults.host import Host

_STEPS = {
    "emqx.release.unpacked.v1": "unpack",
    "emqx.release.installed.v1": "install",
    "emqx.release.downgraded.v1": "install",
    "emqx.release.made_permanent.v1": "make_permanent",
    "emqx.release.uninstalled.v1": "remove",
}


class Log(NamedTuple):
    """The events of a ledger that holds, and the node that they fold to."""

    events: tuple[Recorded, ...]
    node: NodeReleases | None

    @property
    def is_open(self) -> bool:
        """Whether an attempt has no outcome."""
        return self.node is not None and self.node.open_attempt is not None


def boots_a_known_version(host: Host) -> None:
    """Hold what emqx_vars boots against RELEASES and the files."""
    vsn = host.boots()
    entries = parse_releases((host.root / "releases/RELEASES").read_bytes())
    (entry,) = [entry for entry in entries if entry.vsn == vsn]
    assert (host.root / f"releases/{vsn}/start.boot").is_file()
    assert all((host.root / part).is_dir() for part in _parts(entry))
    assert re.fullmatch(rf"\S+ {vsn}|\S+ \S+", (host.root / "releases/start_erl.data").read_text())


def read_log(host: Host) -> Log:
    """Return the log of *host* once it holds; an empty one where there is no ledger yet."""
    if not (host.ledger / "ledger.db").exists():
        return Log((), None)
    with closing(sqlite3.connect(f"{(host.ledger / 'ledger.db').as_uri()}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = db.execute(
            "SELECT idx, originator_id, originator_version, topic, state, leaf_hash FROM log_leaf "
            "JOIN stored_events USING (originator_id, originator_version) ORDER BY idx"
        ).fetchall()
        ends = [last + 1 for (last,) in db.execute("SELECT last_idx FROM log_commit ORDER BY last_idx")]
        notes = db.execute("SELECT size, note FROM log_checkpoint ORDER BY size").fetchall()
        events = db.execute("SELECT count(*) FROM stored_events").fetchone()
    assert [row[0] for row in rows] == list(range(len(rows)))
    assert events == (len(rows),)
    leaves = [hash_leaf(row[4]) for row in rows]
    assert leaves == [row[5] for row in rows]
    assert [size for size, _ in notes] == ends
    key = read_key(host.ledger / "log.key")
    for size, note in notes:
        signed = open_checkpoint(note, logs=(key,)).checkpoint
        assert (signed.size, signed.root) == (size, _root(leaves[:size]))
    _guarded(host, notes)
    recorded = tuple(Recorded(*row[:5]) for row in rows)
    node = None
    for event in recorded:
        assert not isinstance(event.event, LedgerEvent | EventImported)
        node = evolve(node, event.event)
    return Log(recorded, node)


def _guarded(host: Host, notes: list[tuple[int, bytes]]) -> None:
    held = (host.tip / "tip").read_bytes()
    guarded = open_checkpoint(held, logs=(read_key(host.ledger / "log.key"),)).checkpoint
    assert guarded.size in [0, *(size for size, _ in notes)][-2:]
    assert guarded.size == 0 or (guarded.size, held) in notes


def nothing_twice(log: Log) -> None:
    """Hold the steps of each attempt against its plan: none more often, in the order of the plan."""
    plans, done = dict[str, list[str]](), dict[str, list[str]]()
    for recorded in log.events:
        event = recorded.event
        attempt = event.context.attempt
        if attempt is None:
            continue
        if isinstance(event, OperationRequested):
            assert attempt not in plans
            plans[attempt] = [step.step for step in event.plan]
        elif recorded.topic in _STEPS:
            done.setdefault(attempt, []).append(_STEPS[recorded.topic])
    for attempt, steps in done.items():
        planned = [step for step in plans[attempt] if step != "restart"]
        assert steps == planned[: len(steps)]
    assert max(Counter(recorded.stamp.event_id for recorded in log.events).values(), default=1) == 1
    times = [(recorded.stamp.clock.boot_id, recorded.stamp.clock.monotonic_us) for recorded in log.events]
    assert all(later[1] >= earlier[1] for earlier, later in pairwise(times) if earlier[0] == later[0])


def nothing_unrecorded(log: Log) -> None:
    """Each recovery of a killed command finds node and disk as the steps recorded until then left them."""
    node: NodeReleases | None = None
    for recorded in log.events:
        event = recorded.event
        assert not isinstance(event, LedgerEvent | EventImported)
        if isinstance(event, OperationRecovered) and node is not None and event.result != Resolution.MENDED:
            assert event.tables == node.tables
        node = evolve(node, event)


def nothing_aside_unrecorded(host: Host, log: Log) -> None:
    """Hold what was set aside against the record: an event names it, or a mark tells `recover` of it."""
    named = " ".join(path.replace("/", "_") for recorded in log.events for path in _set_aside(recorded.event))
    for path in host.root.glob("releases/.ledger-aside/*/*"):
        assert path.name in named or path.name.startswith(".") or (path.parent / ".unrecorded").exists(), path


def _set_aside(event: object) -> tuple[str, ...]:
    match event:
        case OperationRequested(set_aside=paths):
            return paths
        case OperationRecovered(done=done):
            return done
        case _:
            return ()


def all_agree(host: Host, log: Log) -> None:
    """Hold record, memory, RELEASES, start_erl.data and emqx_vars against each other."""
    assert log.node is not None
    assert not log.is_open
    state = json.loads((host.root / "data/embedded_node.json").read_bytes())
    assert state["pending"] == {}
    memory = tuple((row["vsn"], ReleaseStatus(row["status"])) for row in state["memory"])
    disk = parse_releases((host.root / "releases/RELEASES").read_bytes())
    found = Tables(
        memory=memory,
        disk=tuple((entry.vsn, entry.status) for entry in disk),
        start_erl=(host.root / "releases/start_erl.data").read_text().split()[1],
        rel_vsn=host.boots(),
    )
    assert log.node.tables == found
    assert found.boot_files_agree()
    for script in ("emqx", "emqx_ctl", "nodetool", "cuttlefish", "install_upgrade.escript"):
        in_place, own = host.root / "bin" / script, host.root / "bin" / f"{script}-{host.boots()}"
        assert in_place.read_bytes() == own.read_bytes(), script


def nothing_left_over(host: Host) -> None:
    """No staging folder and no temporary file lies anywhere, but for that of the guard: the next commit removes it."""
    found = [str(path) for place in (host.root, host.ledger) for path in place.rglob("*") if _is_left_over(path)]
    assert found == []


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, for at least one leaf."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hash_node(_root(leaves[:split]), _root(leaves[split:]))


def _is_left_over(path: Path) -> bool:
    return path.name.endswith(".ledger-tmp") or re.fullmatch(r"\.ledger-\d.*", path.name) is not None


def _parts(entry: ReleaseEntry) -> list[str]:
    return [*(f"lib/{lib.app}-{lib.vsn}" for lib in entry.libs), f"erts-{entry.erts}"]
