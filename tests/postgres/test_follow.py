"""``follow`` keeps the view in the database up to date, through whatever happens to the server (issue 9, item 3)."""

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Timer
from typing import TYPE_CHECKING, Any

import jsonschema
import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from ledger.adapters.postgres import LedgerDatastore, LedgerRecorder
from ledger.adapters.postgres_server import create_ledger
from projections import postgres_views
from projections.follower import Follower, NoViewsError, State, Told, ViewsReadOnlyError
from projections.postgres_views import make_views
from projections.sqlite_store import SCHEMA_VERSION
from tests.cli.lab import Lab
from tests.cli.schemas import schema_of
from tests.fakes.recording import ORIGIN
from tests.postgres.server import Server, running_server
from tests.postgres.test_view import LOG, MORE, record, rows_of
from tests.projections.histories import Leaf, Move, played

if TYPE_CHECKING:
    from subprocess import Popen

LOGINS = {"follow_host": "ledger_writer", "follow_auditor": "ledger_auditor"}
SECONDS = 300.0
FOLLOW = schema_of("follow")


@pytest.fixture
def followed(server: Server, database: str) -> Iterator[str]:
    """Give the name of a database with a ledger, its views, and a login for each role."""
    make_followed(server, database)
    yield database
    server.execute(*(f"DROP ROLE {login}" for login in LOGINS))


def make_followed(server: Server, database: str) -> None:
    create_ledger(server.url(database), origin=ORIGIN)
    make_views(server.url(database))
    server.execute(*(f"CREATE ROLE {login} LOGIN IN ROLE {role}" for login, role in LOGINS.items()))


def append(server: Server, database: str, leaves: Sequence[Leaf]) -> None:
    """Append as a host does, and announce it."""
    with closing(LedgerDatastore(server.url(database, user="follow_host"))) as datastore:
        LedgerRecorder(datastore).insert_events(
            [StoredEvent(leaf.stream, leaf.version, leaf.topic, leaf.state) for leaf in leaves]
        )


class Process:
    """A follower that runs, and what it tells."""

    def __init__(self, started: "Popen[bytes]") -> None:
        self.started = started

    def await_told(self, state: str, size: int | None = None) -> dict[str, Any]:
        """Return what it tells next of that kind."""
        assert self.started.stdout
        for line in self.started.stdout:
            told: dict[str, Any] = json.loads(line)
            jsonschema.validate(told, FOLLOW)
            if told["state"] == state and size in (None, told["tree_size"]):
                return told
        raise AssertionError((self.started.stderr and self.started.stderr.read(), state, size))

    def end(self, how: signal.Signals) -> int:
        """End it and return its exit code."""
        self.started.send_signal(how)
        return self.started.wait(SECONDS)


@contextmanager
def following(folder: Path, address: str, *more: str) -> Iterator[Process]:
    """Run a follower; one that hangs is killed."""
    with Lab(folder).having(RELEASE_LEDGER=address).start("follow", "--json", *more) as started:
        limit = Timer(2 * SECONDS, started.kill)
        limit.start()
        try:
            yield Process(started)
        finally:
            limit.cancel()
            started.kill()


def test_what_is_recorded_is_folded_without_a_reader(server: Server, followed: str, tmp_path: Path) -> None:
    record(server, followed, LOG[:40])

    with following(tmp_path, server.url(followed, user="follow_host")) as process:
        begun = process.await_told("following")
        append(server, followed, LOG[40:45])
        process.await_told("folded", 45)
        append(server, followed, LOG[45:])
        process.await_told("folded", len(LOG))
        code = process.end(signal.SIGTERM)
        ended = process.await_told("ended")

    assert (begun["tree_size"], ended["tree_size"], code) == (40, len(LOG), 0)
    kept = rows_of(server, followed)
    server.execute("UPDATE views.tracking SET leaf_hash = ''", database=followed)
    told = Lab(tmp_path).having(RELEASE_LEDGER=server.url(followed, user="follow_host")).run("follow", "--once")
    assert (told.code, told.out) == (0, "")
    assert told.err == f"ended: {len(LOG)} events folded\n"
    assert rows_of(server, followed) == kept


def test_ctrl_c_ends_it_with_130(server: Server, followed: str, tmp_path: Path) -> None:
    with following(tmp_path, server.url(followed, user="follow_host")) as process:
        process.await_told("following")

        assert process.end(signal.SIGINT) == 130
        process.await_told("ended")


def test_a_second_follower_is_harmless(server: Server, followed: str, tmp_path: Path) -> None:
    address = server.url(followed, user="follow_host")
    (tmp_path / "two").mkdir()

    with following(tmp_path, address) as one, following(tmp_path / "two", address) as two:
        one.await_told("following")
        two.await_told("following")
        for first in range(0, len(LOG), 10):
            append(server, followed, LOG[first : first + 10])
        one.await_told("folded", len(LOG))
        two.await_told("folded", len(LOG))
        codes = [process.end(signal.SIGTERM) for process in (one, two)]

    assert codes == [0, 0]
    assert len(rows_of(server, followed)["history"]) == len(LOG)


def test_it_goes_on_behind_a_restart_of_the_server(tmp_path: Path) -> None:
    with running_server() as server:
        make_followed(server, "postgres")
        record(server, "postgres", LOG[:30])
        with following(tmp_path, server.url("postgres", user="follow_host")) as process:
            process.await_told("following")
            server.stop()
            lost = process.await_told("lost")
            server.start()
            append(server, "postgres", LOG[30:])
            process.await_told("folded", len(LOG))
            process.await_told("following")
            append(server, "postgres", MORE[len(LOG) :])
            process.await_told("folded", len(MORE))
            code = process.end(signal.SIGTERM)

        assert (lost["tree_size"], code) == (30, 0)
        assert "cannot be reached" in lost["fact"]


def test_it_can_be_ended_while_the_server_is_away(tmp_path: Path) -> None:
    with running_server() as server:
        make_followed(server, "postgres")
        with following(tmp_path, server.url("postgres", user="follow_host")) as process:
            process.await_told("following")
            server.stop()
            process.await_told("lost")

            assert process.end(signal.SIGTERM) == 0


def test_a_server_that_starts_after_its_follower_is_waited_for(tmp_path: Path) -> None:
    """After a power cut hosts start in any order, and a supervisor gives up on what ends too often."""
    with running_server() as server:
        make_followed(server, "postgres")
        address = server.url("postgres", user="follow_host")
        server.stop()
        with following(tmp_path, address) as process:
            lost = process.await_told("lost")
            server.start()
            record(server, "postgres", LOG[:30])
            process.await_told("folded", 30)
            process.await_told("following")
            code = process.end(signal.SIGTERM)
        server.stop()
        once = Lab(tmp_path).having(RELEASE_LEDGER=address).run("follow", "--once")

    assert (lost["tree_size"], code) == (0, 0)
    assert "cannot be reached" in lost["fact"]
    assert once.code == 1
    assert "cannot be reached" in once.err


def test_a_view_that_cannot_be_read_is_folded_afresh(server: Server, followed: str) -> None:
    """Nothing in it is evidence, and every host can write it."""
    record(server, followed, LOG)
    told = list[Told]()
    follower = Follower(server.url(followed), told=told.append, stopping=Event())
    follower.catch_up()
    kept = rows_of(server, followed)

    back = (
        "UPDATE views.tracking SET size = l.idx + 1, leaf_hash = l.leaf_hash FROM ledger.log_leaf AS l WHERE l.idx = 39"
    )
    for damage in ("UPDATE views.state SET rows = 'x'", "UPDATE views.tracking SET size = size"):
        # The second leaves rows that the tracking row does not speak of: they are in the way of the same ones.
        server.execute(damage, back, database=followed)
        follower.catch_up()

        assert rows_of(server, followed) == kept
    assert {one.state for one in told} == {State.FOLDED, State.ENDED}


def test_a_big_log_is_folded_in_batches_and_can_be_ended_between_two(server: Server, followed: str) -> None:
    stopping, told = Event(), list[Told]()

    def tell(one: Told) -> None:
        told.append(one)
        stopping.set()

    record(server, followed, played([Move(0, n % 10, n % 4, n % 6, 1_000_000) for n in range(700)]))
    Follower(server.url(followed), told=tell, stopping=stopping).follow()

    assert [one.size for one in told] == [1000, 1000]
    assert told[-1].state is State.ENDED


def test_it_says_on_stderr_how_far_it_is(server: Server, followed: str, tmp_path: Path) -> None:
    host = Lab(tmp_path).having(RELEASE_LEDGER=server.url(followed, user="follow_host"))
    record(server, followed, LOG)

    told = host.run("follow", "--once", "--verbose")
    quiet = host.run("follow", "--once", "--quiet")

    assert (told.code, told.out) == (0, "")
    assert told.err == f"folded: {len(LOG)} events\nended: {len(LOG)} events folded\n"
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_who_may_not_write_the_views_cannot_follow(server: Server, followed: str, tmp_path: Path) -> None:
    with pytest.raises(ViewsReadOnlyError):
        Follower(server.url(followed, user="follow_auditor"), told=print, stopping=Event()).follow()

    told = Lab(tmp_path).having(RELEASE_LEDGER=server.url(followed, user="follow_auditor")).run("follow", "--once")
    assert told.code == 1
    assert "ledger_writer" in told.err


def test_views_of_another_version_are_not_followed(server: Server, followed: str) -> None:
    server.execute(
        f"COMMENT ON SCHEMA views IS 'release-ledger views, version {SCHEMA_VERSION + 1}'", database=followed
    )

    with pytest.raises(NoViewsError):
        Follower(server.url(followed), told=print, stopping=Event()).catch_up()


def test_a_ledger_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    told = Lab(tmp_path).run("follow")

    assert told.code == 1
    assert "is no ledger in PostgreSQL" in told.err


def test_a_view_that_another_holds_is_waited_for(
    server: Server, followed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen host holds up the follower, and does not end it."""
    in_time = "BEGIN READ WRITE; SET LOCAL lock_timeout = '50ms'; SELECT FROM tracking FOR UPDATE"
    monkeypatch.setitem(postgres_views._BEGIN, "BEGIN IMMEDIATE", in_time)  # the real one waits for 30 seconds
    stopping, told = Event(), list[Told]()
    address = server.url(followed, user="follow_host")
    Follower(address, told=told.append, stopping=stopping).catch_up()
    with closing(psycopg.connect(server.url(followed))) as frozen:

        def tell(one: Told) -> None:
            told.append(one)
            if one.state is State.FOLLOWING:
                frozen.execute("SELECT FROM views.tracking FOR UPDATE")
                append(server, followed, LOG)
            elif one.state is State.LOST:
                frozen.rollback()
            elif one.size == len(LOG):
                stopping.set()

        Follower(address, told=tell, stopping=stopping, pauses=(0.0,)).follow()

    assert [one.state for one in told][:3] == [State.ENDED, State.FOLLOWING, State.LOST]
    assert told[-1] == Told(State.ENDED, len(LOG))
