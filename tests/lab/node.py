"""Nodes of the lab: an installation of its own that is started, asked, hurt and stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ledger.adapters.erlang_node import ErlangNode
from ledger.adapters.installation import Installation
from ledger.adapters.node_connection import NodeConnection
from ledger.adapters.node_place import FIRST_PORT
from tests.contracts.release_handler import Bench
from tests.lab.releases import COOKIE, copy_root, make_package, spec_of
from tests.places import own_port

BOOT_ID = "7d1b5f2e-0000-4000-8000-000000000001"
_SECONDS = 120


@dataclass(frozen=True)
class Lab:
    """What is built once a session: the releases, and an installation that never started."""

    built: Path
    original: Path
    packages: Path

    def package(self, vsn: str) -> Path:
        """Return the package of *vsn*, written when it is first asked for."""
        path = self.packages / spec_of(vsn).package_name
        return path if path.exists() else make_package(self.built, self.packages, vsn)


class LabNode:
    """An installation with its node.

    *epmd* is the port of the epmd that it registers at, None without; *service* are variables that it is started with.
    """

    def __init__(self, root: Path, *, epmd: int | None = None, service: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.files = Installation(root)
        self._environ = {
            name: value for name, value in os.environ.items() if name not in {"WITH_EPMD", "ERL_EPMD_PORT"}
        }
        self._environ |= service or {}
        if epmd is not None:
            self._environ |= {"WITH_EPMD": "1", "ERL_EPMD_PORT": str(epmd)}

    @property
    def pid(self) -> int:
        """The process of the node."""
        return int((self.root / "data/emqx.pid").read_text("ascii"))

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of its service."""
        return self._environ

    def emqx(self, *arguments: str) -> None:
        """Run ``bin/emqx``."""
        subprocess.run(
            [self.root / "bin/emqx", *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self._environ,
            timeout=_SECONDS,
        )

    def start(self) -> None:
        """Start the node and wait until it is up."""
        self.emqx("start")

    def kill(self) -> None:
        """End the node at once, as a loss of power does."""
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = self.pid
            os.kill(pid, signal.SIGKILL)
            until(lambda: not Path("/proc", str(pid)).exists() or _is_dead(pid))

    @contextmanager
    def held(self, what: str) -> Iterator[None]:
        """Let an ``install`` of the slow release, a ``start`` or a ``script`` of EMQX last as long as this."""
        file = self.root / "data" / f"lab.{what}"
        file.touch()
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def connection(self, *, patience: float = 60, tell: Callable[[str], None] = lambda _: None) -> NodeConnection:
        """Return a connection as the next command has it."""
        return NodeConnection(self.files, patience=patience, tell=tell)

    def driver(
        self, *, install_seconds: int = 60, patience: float = 60, tell: Callable[[str], None] = lambda _: None
    ) -> ErlangNode:
        """Return the driver as the next command has it."""
        connection = self.connection(patience=patience, tell=tell)
        return ErlangNode(
            self.files, connection=connection, boot_id=BOOT_ID, install_seconds=install_seconds, tell=tell
        )

    @contextmanager
    def client(self) -> Iterator["Client"]:
        """Give a client that is connected throughout."""
        port = int((self.root / "data/lab.port").read_text("ascii"))
        with socket.create_connection(("127.0.0.1", port), _SECONDS) as connection, connection.makefile("rb") as lines:
            yield Client(connection, lines)


class Client:
    """A client of the lab's server."""

    def __init__(self, connection: socket.socket, lines: BinaryIO) -> None:
        self._connection = connection
        self._lines = lines

    def ask(self) -> tuple[int, str]:
        """Return how many lines the server has answered, and the release whose code answered.

        Raises: ConnectionError where the server closed the connection.
        """
        self._connection.sendall(b"count\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError
        count, vsn = line.decode().split()
        return int(count), vsn

    def wait_for(self, vsn: str) -> None:
        """Wait until the code of *vsn* answers."""
        until(lambda: self.ask()[1] == vsn)


@dataclass(frozen=True)
class LabBench(Bench):
    """A bench of the contract whose packages are those of the lab."""

    lab: Lab
    node: LabNode

    def package(self, vsn: str) -> Path:
        """Return the package of *vsn*."""
        return self.lab.package(vsn)


def make_node(lab: Lab, root: Path, *, epmd: int | None = None, service: Mapping[str, str] | None = None) -> LabNode:
    """Return a node of 4.4.0 with a port of its own, which is not started."""
    copy_root(lab.original, root)
    number = own_port() - FIRST_PORT
    conf = f"node.name = emqx{number}@127.0.0.1\nnode.cookie = {COOKIE}\n"
    (root / "etc/emqx.conf").write_text(conf, encoding="utf-8")
    return LabNode(root, epmd=epmd, service=service)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < limit, "it did not come to that"
        time.sleep(0.02)


def _is_dead(pid: int) -> bool:
    """Tell whether only the entry of the process is left, which its parent has not read."""
    try:
        return Path("/proc", str(pid), "stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
