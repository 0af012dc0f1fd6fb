"""How whoever follows a fleet's log hears that it grew: NOTIFY behind each commit, LISTEN, and a look now and then.

The channel is the library's, and so is the subscription, but for what its listener lacks: it looks
only once before it listens, so a commit in between would wait for the next one; and it relies on
every writer. A follower must hear of all, so this one looks again once it listens, and then every
few seconds whatever it hears. What a notification says is not believed: it only has the follower look.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from select import select

import psycopg
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresSubscription

from ledger.adapters.postgres_errors import translated
from ledger.adapters.postgres_server import Connection, connect

LOOK_SECONDS = 10.0
"""How often a follower looks whatever it hears."""

_CHANNEL = "stored_events"
# Not flushed: its commit would hold up the next writer's for a flush, and a crash that takes it ends all listeners.
_NOTIFY = f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{_CHANNEL}', '')"
_WAKE_SECONDS = 0.5
"""How long a listener sleeps at most before it sees that it is to stop."""


@contextmanager
def announced(connection: Connection | None) -> Iterator[None]:
    """Tell whoever listens, over *connection*, while the block runs; no failure of it is one of the block.

    It goes out behind the commit and not in it (decision 26): in a transaction, NOTIFY makes the commits of
    all databases of a server wait for one another, and a listener that hangs could have them refused.
    """
    sent = connection is not None and _sent(connection)
    try:
        yield
    finally:
        if connection is not None and sent:
            # It came long ago where the block took as long as a flush to disk.
            with suppress(psycopg.Error):
                _await_answer(connection)


def _sent(connection: Connection) -> bool:
    try:
        # libpq's own: psycopg's pipeline keeps back what ends the statement until it is left.
        connection.pgconn.send_query(f"NOTIFY {_CHANNEL}".encode())
        connection.pgconn.flush()
    except psycopg.Error:
        return False
    return True


def _await_answer(connection: Connection) -> None:
    while True:
        while connection.pgconn.is_busy():
            select([connection], [], [])
            connection.pgconn.consume_input()
        if connection.pgconn.get_result() is None:
            return


class LogSubscription(PostgresSubscription):
    """The events of a log as they are appended: an iterator that ends when it is stopped or the server is lost."""

    def __init__(
        self, recorder: PostgresApplicationRecorder, *, address: str, gt: int | None, topics: Sequence[str]
    ) -> None:
        self._address = address  # the threads of the library run before its own __init__ returns
        super().__init__(recorder, gt=gt, topics=topics)

    def _listen(self) -> None:
        try:
            with closing(connect(self._address)) as connection, translated(self._address):
                connection.execute(f"LISTEN {_CHANNEL}")
                slept = LOOK_SECONDS
                while not self._has_been_stopped and not self._thread_error:
                    if slept >= LOOK_SECONDS or list(connection.notifies(timeout=_WAKE_SECONDS, stop_after=1)):
                        self._has_been_notified.set()
                        slept = 0.0
                    slept += _WAKE_SECONDS
        except BaseException as exc:  # noqa: BLE001 # whoever iterates is told
            self._thread_error = self._thread_error or exc
            self.stop()
