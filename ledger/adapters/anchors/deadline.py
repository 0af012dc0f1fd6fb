"""A socket that gives up at a moment, however slowly the other side answers.

A timeout of a socket holds for each single wait, so that somebody who sends one byte a second
holds a reader for hours. Here each wait gets only what is left until the deadline.
"""

import io
import socket
from collections.abc import Callable

Buffer = bytearray | memoryview


class Deadline:
    """A moment on the clock *seconds*, *limit* seconds from now."""

    def __init__(self, limit: float, *, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._end = seconds() + limit

    def left(self) -> float:
        """Return the seconds that are left.

        Raises: TimeoutError where none are.
        """
        left = self._end - self._seconds()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class TimedSocket(io.RawIOBase):
    """What ``http.client`` and ``http.server`` need of a connected socket, each wait up to *deadline*."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Buffer) -> int:  # type: ignore[override] # typeshed's Buffer has no name in 3.11
        """Read what is there into *buffer*."""
        self._connection.settimeout(self._deadline.left())
        return self._connection.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        """Send all of *data*."""
        self._connection.settimeout(self._deadline.left())
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a buffered reader of this socket, which outlives this object as ``http.client`` expects."""
        return io.BufferedReader(TimedSocket(self._connection, self._deadline))
