"""Legal histories of one or two nodes, as the decisions of the domain allow them.

A history is played from plain numbers, so that a failing one shrinks well: each ``Move`` is an
attempt that gets as far as it says, a restart, or a drift. What an open attempt forbids becomes
a recovery. Clocks may go back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from hypothesis import strategies as st

from ledger.domain.canonical import sha256_hex
from ledger.domain.decisions import (
    decide_completion,
    decide_drift,
    decide_failure,
    decide_install,
    decide_make_permanent,
    decide_recovery,
    decide_refusal,
    decide_register,
    decide_removal,
    decide_request,
    decide_restart,
    decide_turn,
    decide_unpack,
)
from ledger.domain.envelope import ClockReading, Stamp, seal
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.ledger_events import AnyEvent
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By, Failure, Refusal, Removed, Request, Turn, Unpacked
from ledger.domain.plan import Plan, Step, plan_change
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import (
    Actor,
    Context,
    Driver,
    InstallationFacts,
    Kind,
    Output,
    PackageRecord,
    Resolution,
    Run,
    Source,
    StagedRecord,
    StepKind,
    Verb,
)
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables

VSNS = ("4.4.0", "4.4.1", "4.4.16", "4.4.17-rc.1")
STREAMS = (("release:emqx@a", "emqx@a", Kind.LIVE), ("release:emqx@b:rehearsal:0123abcd", "emqx@b", Kind.REHEARSAL))
START = 1_790_000_000_000_000
_DIGEST = "0" * 64
_OUTPUT = Output(output_sha256=_DIGEST, output_bytes=3, excerpt="bad")


class Move(NamedTuple):
    """One thing that happens: *kind* chooses which, *reach* how far an attempt gets."""

    node: int
    kind: int
    vsn: int
    reach: int
    clock: int


class Leaf(NamedTuple):
    """One entry of a log."""

    stream: str
    version: int
    topic: str
    state: bytes

    @property
    def leaf_hash(self) -> bytes:
        """The hash of the leaf (RFC 6962, section 2.1)."""
        return sha256(b"\x00" + self.state).digest()


MOVES = st.builds(
    Move,
    st.integers(0, 1),
    st.integers(0, 9),
    st.integers(0, len(VSNS) - 1),
    st.integers(0, 5),
    st.sampled_from((1_000_000, 1, 60_000_000, -90_000_000, 7_200_000_000)),
)


def histories(*, max_size: int = 12) -> st.SearchStrategy[tuple[Leaf, ...]]:
    """Return histories of any length, the empty one too."""
    return st.lists(MOVES, max_size=max_size).map(played)


def played(moves: Sequence[Move]) -> tuple[Leaf, ...]:
    """Return the log that these moves leave."""
    world = World()
    for move in moves:
        world.play(move)
    return tuple(world.leaves)


@dataclass
class World:
    """Two nodes, one log and one clock."""

    leaves: list[Leaf] = field(default_factory=list)
    nodes: dict[int, NodeReleases] = field(default_factory=dict)
    wall: int = START
    monotonic: int = 0
    attempts: int = 0
    turn: Turn | None = None

    def play(self, move: Move) -> None:
        """Let one thing happen."""
        self.wall += move.clock
        node = self.nodes.get(move.node)
        if node is None:
            self._register(move)
        elif node.open_attempt is not None:
            self._recover(move, node)
        elif move.kind == 8:
            self._restart(move, node)
        elif move.kind == 9:
            self._drift(move, node)
        else:
            self._attempt(move)

    def append(self, event: AnyEvent) -> None:
        """Seal one more event."""
        self.wall += 1000
        self.monotonic += 1000
        count = len(self.leaves)
        stamp = Stamp(
            ledger="example.com/log",
            event_id=uuid_of(count, "e"),
            commit_id=uuid_of(count, "c"),
            recorded_at=time_of(self.wall),
            clock=ClockReading("system", "yes", "boot-1", self.monotonic),
        )
        state = seal(event, stamp)
        self.leaves.append(Leaf(event.originator_id, event.originator_version, event.TOPIC, state))

    def _record(self, number: int, event: AnyReleaseEvent) -> None:
        self.append(event)
        self.nodes[number] = evolve(self.nodes.get(number), event)

    def _by(self, move: Move, attempt: str | None = None) -> By:
        context = Context(
            actor=Actor(id=f"os:{move.vsn}"),
            source=Source(host_id=_DIGEST, tool="release-ledger/test"),
            node=STREAMS[move.node][1],
            attempt=attempt,
            reason="patch day" if move.reach % 2 else None,
            ticket=f"CHG-{move.vsn}" if move.kind % 2 else None,
        )
        return By(context=context, driver=Driver.EMBEDDED)

    def _register(self, move: Move) -> None:
        stream, _, kind = STREAMS[move.node]
        vsn, permanent = VSNS[0], ReleaseStatus.PERMANENT
        tables = Tables(((vsn, permanent),), ((vsn, permanent),), vsn, vsn)
        event = decide_register(
            stream,
            root="/usr/lib/emqx",
            kind=kind,
            source="disk",
            facts=InstallationFacts(edition="emqx", otp="24.3.4.2-1"),
            seen=seen_as(tables),
            by=self._by(move),
        )
        self._record(move.node, event)

    def _attempt(self, move: Move) -> None:
        verb, vsn = tuple(Verb)[move.kind % 6], VSNS[move.vsn]
        node = self.nodes[move.node]
        plan = plan_change(verb, vsn, node.tables, permanent=move.reach != 5)
        self.attempts += 1
        attempt = uuid_of(self.attempts, "a")
        by = self._by(move, attempt)
        staged = StagedRecord(erts="12.3.2.2", files=3, files_sha256=_DIGEST) if plan.unpacks else None
        request = Request(plan=plan, package=package_of(vsn) if plan.unpacks else None, staged=staged)
        if not plan.steps:
            reasons = (Reason(Rule.STATUS, "not now", "status", "wait"), Reason(Rule.OS, "other", "os", "none"))
            refusal = Refusal(code=2, reasons=reasons, output=_OUTPUT)
            self._record(move.node, decide_refusal(node, request, refusal, by=by))
            return
        self._record(move.node, decide_request(node, request, warnings=(), by=by))
        if self.turn is not None:
            self._record(move.node, decide_turn(self.nodes[move.node], self.turn, by=by))
        self._steps(move, plan, by)

    def _steps(self, move: Move, plan: Plan, by: By) -> None:
        done = plan.steps if move.reach > 2 else plan.steps[: move.reach]
        for step in done:
            self._record(move.node, self._step(move, step, by))
        node = self.nodes[move.node]
        if len(done) == len(plan.steps):
            self._record(move.node, decide_completion(node, plan.verb, result="done", by=by))
        elif move.vsn % 2:
            step = plan.steps[len(done)]
            failure = Failure(step=step.kind, vsn=step.vsn, code=4, cause="bad_relup_file", hint=None, output=_OUTPUT)
            self._record(move.node, decide_failure(node, plan.verb, failure, seen=seen_as(node.tables), by=by))

    def _step(self, move: Move, step: Step, by: By) -> AnyReleaseEvent:
        node = self.nodes[move.node]
        match step.kind:
            case StepKind.UNPACK:
                unpacked = Unpacked(vsn=step.vsn, erts="12.3.2.2", files=3, files_sha256=_DIGEST)
                return decide_unpack(node, unpacked, package=package_of(step.vsn), set_aside=(), by=by)
            case StepKind.INSTALL:
                return decide_install(node, step.vsn, by=by)
            case StepKind.MAKE_PERMANENT:
                return decide_make_permanent(node, step.vsn, by=by)
            case StepKind.REMOVE:
                return decide_removal(node, step.vsn, Removed(), by=by)
            case StepKind.RESTART:
                raise AssertionError(step)

    def _recover(self, move: Move, node: NodeReleases) -> None:
        assert node.open_attempt is not None
        result = tuple(Resolution)[move.reach % 3]
        by = self._by(move, node.open_attempt.attempt)
        event = decide_recovery(node, result=result, found=("as recorded",), done=(), seen=seen_as(node.tables), by=by)
        self._record(move.node, event)

    def _restart(self, move: Move, node: NodeReleases) -> None:
        after = node.tables.restarted()
        seen = replace(seen_as(after), booted=after.rel_vsn or "")
        self._record(move.node, decide_restart(node, seen, after=after, cause="noticed", by=self._by(move)))

    def _drift(self, move: Move, node: NodeReleases) -> None:
        permanent = ReleaseStatus.PERMANENT
        memory = tuple(row for row in node.tables.memory if row[0] != VSNS[move.vsn] or row[1] is permanent)
        found = replace(node.tables, memory=memory)
        event = decide_drift(node, seen_as(found), differences=("memory differs",), by=self._by(move))
        self._record(move.node, event)


def seen_as(tables: Tables) -> Observation:
    """Return an observation of these tables."""
    run = Run(boot_id="boot-1", started_at=time_of(START), generation="1")
    return Observation(tables=tables, booted=tables.rel_vsn or VSNS[0], run=run)


def package_of(vsn: str) -> PackageRecord:
    """Return the record of a package."""
    return PackageRecord(name=f"emqx-{vsn}-otp24.3.4.2-1-debian11-amd64.zip", size=9, sha256=sha256_hex(vsn))


def time_of(microseconds: int) -> str:
    """Return a time as events store it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def uuid_of(number: int, salt: str) -> str:
    """Return an id, in the form of a UUIDv7."""
    digits = sha256(f"{salt}{number}".encode()).hexdigest()
    return f"0193{digits[:4]}-{digits[4:8]}-7{digits[8:11]}-8{digits[11:14]}-{digits[14:26]}"
