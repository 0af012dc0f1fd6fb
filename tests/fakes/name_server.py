"""Name servers as a cut network has them: for one name none answers, another leads to this host."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SILENT, HERE = "silent.example", "fleet.example"


@contextmanager
def silent_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the system wait two minutes for ``SILENT``, and find ``HERE``."""
    over, system = threading.Event(), socket.getaddrinfo

    def asked(host: str, *arguments: int, **more: int) -> object:
        if not more.get("flags"):
            if host == SILENT:
                over.wait(120)
            host = "127.0.0.1" if host == HERE else host
        return system(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    try:
        yield
    finally:
        over.set()
