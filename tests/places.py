"""Places that a test has for itself, whatever runs beside it: ports of loopback, and folders for sockets.

A port that the kernel chose and that was given back is soon another's: it may be chosen again for any
connection of this host. Those of here lie below the range from which the kernel chooses, and for as
long as this process lives no other that asks here is given the same.
"""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import randbelow

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_MOST_BYTES = 50  # of a folder: the address of a socket has room for 107, and the test's own names follow


class NoPortError(AssertionError):
    """There is no port left."""


def own_port() -> int:
    """Return a port of loopback that nobody listens at and that nobody else is given."""
    highest = int(_RANGE.read_text("ascii").split()[0]) if _RANGE.exists() else 32_768
    for _ in range(1000):
        port = _LOWEST + randbelow(highest - _LOWEST)
        if _keep(port) and _is_free(port):
            return port
    raise NoPortError


@contextmanager
def short_folder(prefix: str) -> Iterator[Path]:
    """Give a folder whose path leaves room for the names of sockets."""
    usual = tempfile.gettempdir()
    above = usual if len(usual.encode()) <= _MOST_BYTES else "/tmp"  # noqa: S108 # a private folder is made in it
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _keep(port: int) -> bool:
    """Keep the number of *port* until this process ends: a socket in no folder bears it as its name."""
    keeper = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        keeper.bind(f"\0release-ledger-test-port-{port}")
    except OSError:
        keeper.close()
        return False
    keeper.detach()
    return True


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
