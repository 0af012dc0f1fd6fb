"""A wire between a client and PostgreSQL that is cut once, at the message that a test names."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_PIECE = 1 << 16


@dataclass
class Wire:
    """Forwards to the socket *server*; the message number *at* never arrives, or with *late* its answer does not."""

    server: Path
    listener: socket.socket
    at: int
    late: bool
    seen: int = 0
    cut: bool = False
    threads: list[threading.Thread] = field(default_factory=list)

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                thread = threading.Thread(target=self._carry, args=(client,))
                self.threads.append(thread)
                thread.start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.server))
        back = threading.Thread(target=self._back, args=(client, server))
        with client, server, suppress(OSError):
            back.start()
            while piece := client.recv(_PIECE):
                self.seen += 1
                if self.seen == self.at and not self.late:
                    self.cut = True
                    break
                self.cut = self.cut or self.seen == self.at
                server.sendall(piece)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            back.join()

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(_PIECE):
                if self.cut and self.seen == self.at:
                    # The server has done it, and nobody hears of it.
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(piece)


@contextmanager
def wire(server: Path, folder: Path, *, at: int, late: bool) -> Iterator[Wire]:
    """Give a wire to the socket *server* that listens in *folder*, under the same name."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / server.name))
    listener.listen()
    made = Wire(server, listener, at, late)
    thread = threading.Thread(target=made.serve)
    thread.start()
    try:
        yield made
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for carrier in made.threads:
            carrier.join()
        (folder / server.name).unlink()
