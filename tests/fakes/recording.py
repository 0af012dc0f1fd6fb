"""A whole small ledger for tests: events, a clock that obeys, and the parts that record them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from ledger.adapters.identity import new_id
from ledger.application.moment import Moment
from ledger.application.record_ports import Recording
from ledger.application.release_ledger import ReleaseLedger
from ledger.domain.envelope import ClockReading, Stamp
from ledger.domain.events import InstallationRegistered, NodeRestarted, ReleaseInstalled
from ledger.domain.records import Actor, Context, InstallationFacts, Run, Source
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables

STREAM = "release:emqx@10.0.0.7"
ORIGIN = "broker1.example.com/release-ledger/0badcafe"
NOON = "2026-03-01T12:00:00.000000Z"
CLOCK = ClockReading("system", "yes", "7d1b5f2e-0000-4000-8000-000000000001", 1_000_000)
CONTEXT = Context(
    actor=Actor(id="os:1000", login_uid=1000, name_commit="a1" * 32),
    source=Source(host_id="b2" * 32, tool="release-ledger/0.1.0", tty_commit="c3" * 32),
    node="emqx@10.0.0.7",
    attempt="0190d1ab-1234-7abc-8def-0123456789ab",
    reason="CVE fix",
    ticket="CHG-1042",
)
TABLES = Tables(
    memory=(("4.4.0", ReleaseStatus.PERMANENT),),
    disk=(("4.4.0", ReleaseStatus.PERMANENT),),
    start_erl="4.4.0",
    rel_vsn="4.4.0",
)
RUN = Run(boot_id="boot", started_at=NOON, generation="1")
STAMP = Stamp(ORIGIN, "0190d1ab-1234-7abc-8def-000000000001", "0190d1ab-1234-7abc-8def-000000000002", NOON, CLOCK)


class SetClock:
    """A clock that shows what a test sets, one second later at each reading."""

    def __init__(self, recorded_at: str = NOON, clock: ClockReading = CLOCK) -> None:
        self.moment = Moment(recorded_at, clock)

    def read(self) -> Moment:
        """Return the moment that was set."""
        now = self.moment
        later = replace(now.clock, monotonic_us=now.clock.monotonic_us + 1_000_000)
        self.moment = replace(now, clock=later)
        return now


def recording(*, turn: Callable[[], AbstractContextManager[None]] = nullcontext, origin: str = ORIGIN) -> Recording:
    """Return how a test's ledger records."""
    return Recording(origin=origin, clock=SetClock(), new_id=new_id, turn=turn)


def open_ledger(database: Path, how: Recording | None = None) -> ReleaseLedger:
    """Return the ledger in a database of SQLite."""
    env = {"PERSISTENCE_MODULE": "ledger.adapters.sqlite:LedgerFactory", "SQLITE_DBNAME": str(database)}
    return ReleaseLedger(env, recording=how or recording())


def registered(*, stream: str = STREAM) -> InstallationRegistered:
    """Return the first event of a stream."""
    return InstallationRegistered(
        originator_id=stream,
        originator_version=1,
        context=CONTEXT,
        driver="node",
        kind="live",
        source="node",
        root="/usr/lib/emqx",
        facts=InstallationFacts(otp="24.3.4.2-1"),
        tables=TABLES,
        booted="4.4.0",
        run=RUN,
    )


def installed(version: int, *, stream: str = STREAM) -> ReleaseInstalled:
    """Return an installation of 4.4.16 as one version of a stream."""
    return ReleaseInstalled(
        originator_id=stream,
        originator_version=version,
        context=CONTEXT,
        driver="node",
        from_vsn="4.4.0",
        to="4.4.16",
        before_sha256="d4" * 32,
        after_sha256="e5" * 32,
    )


def restarted(version: int, *, stream: str = STREAM) -> NodeRestarted:
    """Return a restart as one version of a stream."""
    return NodeRestarted(
        originator_id=stream,
        originator_version=version,
        context=CONTEXT,
        driver="node",
        cause="observed",
        booted="4.4.0",
        before=TABLES,
        after=TABLES,
        run=RUN,
        before_sha256="d4" * 32,
        after_sha256="d4" * 32,
    )
