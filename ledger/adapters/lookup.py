"""Addresses of a host by its name, or an error in time.

The system looks a name up in its own time, which with a name server that is silent can be half a
minute, and nothing ends that. So it does so beside the command, which goes on without it when its
time is over; the look-up ends with the process, or by itself. An address needs no look-up.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

LOOKUP_SECONDS = 2.0
Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


def look_up(
    host: str, port: int | str | None, *, seconds: float = LOOKUP_SECONDS, family: int = socket.AF_UNSPEC
) -> Sequence[Found]:
    """Return the stream addresses of *host*, as ``socket.getaddrinfo`` does.

    Raises: OSError, with TimeoutError after *seconds*; UnicodeError for what is no name.
    """
    with suppress(OSError):
        return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    from threading import Thread  # noqa: PLC0415 # only a name pays for it

    found: list[Sequence[Found]] = []
    failed: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            failed.append(exc)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"the name {host} was not found within {seconds:.3g} seconds")
    return found[0]
