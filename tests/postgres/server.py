"""A real PostgreSQL for tests: a cluster in a folder of its own, on a socket and on loopback.

It runs as the user of the tests; as root, which PostgreSQL refuses, as the user ``postgres``. Data
is synced to disk as in production. It is ended by its process id.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.needs import need
from tests.places import own_port, short_folder

OWNER = "postgres"
_SECONDS = 120.0
_SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "10s",
    "listen_addresses": "127.0.0.1",
    # In its folder, which is removed, also behind a server that was killed.
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "fatal",
}
_ACCESS = "local all all trust\nlocal replication all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs; a test without them fails in CI and is skipped elsewhere."""
    folder = place_of_binaries()
    need(str(folder / "postgres"), str(folder / "initdb"), packages="postgresql")
    return folder


def place_of_binaries() -> Path:
    """Return the folder where PostgreSQL's programs are, or would be."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return found[0] if found else Path(shutil.which("postgres") or "/usr/lib/postgresql/postgres").parent


def as_owner() -> dict[str, Any]:
    """Return the arguments that start a process as the owner of a cluster."""
    return {"user": OWNER, "group": OWNER, "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass
class Server:
    """One cluster; *settings* stand over those of every test."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=own_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def data(self) -> Path:
        """The folder of the cluster."""
        return self.folder / "data"

    def url(self, database: str, *, user: str = OWNER, more: str = "") -> str:
        """Return the address of a database, over the socket."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}{more}"

    def make(self) -> None:
        """Make the cluster."""
        made_with = "-U postgres -A trust --no-sync -E UTF8 --locale=C.UTF-8"
        run([binaries() / "initdb", "-D", self.data, *made_with.split()], self.folder)
        (self.data / "pg_hba.conf").write_text(_ACCESS, encoding="ascii")
        with (self.data / "postgresql.conf").open("a", encoding="ascii") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {"port": str(self.port), "unix_socket_directories": str(self.folder), **self.settings}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [binaries() / "postgres", "-D", self.data, *words],
                cwd=self.folder,
                stderr=log,
                stdout=log,
                **as_owner(),
            )
        limit = time.monotonic() + _SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > limit:
                raise AssertionError((self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
            time.sleep(0.05)

    def answers(self) -> bool:
        """Tell whether the server takes connections."""
        try:
            with closing(psycopg.connect(self.url("postgres"), connect_timeout=30)):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT is PostgreSQL's fast shutdown, SIGKILL is a crash."""
        if self.process is not None:
            children = _children_of(self.process.pid) if how is signal.SIGKILL else ()
            self.process.send_signal(how)
            self.process.wait(_SECONDS)
            self.process = None
            _await_end(children)

    def execute(self, *statements: str, database: str = "postgres", user: str = OWNER) -> list[tuple[Any, ...]]:
        """Run statements, each for itself, and return the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with closing(psycopg.connect(self.url(database, user=user), autocommit=True)) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows


@contextmanager
def running_server(**settings: str) -> Iterator[Server]:
    """Give a new cluster that runs; it is ended and removed afterwards."""
    binaries()
    with short_folder("rl-pg-") as folder:
        server = Server(folder, settings)
        try:
            if os.geteuid() == 0:
                shutil.chown(folder, OWNER, OWNER)
            folder.chmod(0o755)
            server.make()
            server.start()
            yield server
        finally:
            server.stop()


def run(command: Sequence[object], folder: Path) -> None:
    """Run a program of PostgreSQL to its end, as the owner of a cluster."""
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, check=False, **as_owner())
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def _children_of(pid: int) -> tuple[int, ...]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return tuple(map(int, text.split()))


def _await_end(pids: Sequence[int]) -> None:
    # Backends notice within moments that the server is gone; until then they hold its shared memory.
    limit = time.monotonic() + _SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < limit:
        time.sleep(0.05)
