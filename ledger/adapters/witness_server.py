"""A witness for other hosts' ledgers: the server side of C2SP tlog-witness over HTTP.

- ``POST /add-checkpoint``: the answers of ``ledger.tlog.witness``, once they are durable.
- ``GET /<lower hex of H(origin)>/checkpoint``: the note cosigned last, 404 if there is none.

Anything else is 404, a body without a length 411, one that is too long 413. A request has ten
seconds from its first byte to its last, sixteen are served at once and others wait; the state
is changed by one at a time. It listens on loopback unless told otherwise and speaks plain HTTP:
notes are public and signed, and whoever wants https puts a proxy in front.
"""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from socketserver import TCPServer
from threading import BoundedSemaphore
from typing import Any

from ledger.adapters.anchors.deadline import Deadline, TimedSocket
from ledger.adapters.keys import LogKey
from ledger.adapters.witness_state import WitnessState
from ledger.errors import LedgerError, UsageError
from ledger.tlog.cosignature import KeySigner
from ledger.tlog.notation import FormatError, parse_decimal
from ledger.tlog.note import MAX_NOTE, Signer
from ledger.tlog.vkey import KeyType, Vkey
from ledger.tlog.witness import MAX_HASHES, AddCheckpoint, Decision

LIMIT_SECONDS = 10.0
MAX_BODY = MAX_NOTE + (MAX_HASHES + 2) * 64
_AT_ONCE = 16
_READ = re.compile(r"/(?P<origin>[0-9a-f]{64})/checkpoint")


class ListenError(UsageError):
    """The witness cannot listen at this address."""

    def __init__(self, host: str, port: int, fact: str) -> None:
        super().__init__(
            f"cannot listen at {host}, port {port}",
            fact=fact,
            hint="name an address of this host and a port that is free; port 0 takes any",
        )


class Witness:
    """One witness: its *state*, its *key*, and *clock*, which gives seconds since the epoch."""

    def __init__(self, state: WitnessState, *, key: LogKey, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._key = key
        self._clock = clock

    @property
    def vkey(self) -> Vkey:
        """The key under which it cosigns."""
        return Vkey(self._key.name, KeyType.COSIGNATURE_ED25519, self._key.public_key)

    def add(self, body: bytes) -> Decision:
        """Return the answer to a request with this *body*.

        Raises: the errors of the state.
        """
        try:
            request = AddCheckpoint.parse(body)
        except FormatError as exc:
            return Decision(400, f"{exc}: {exc.fact}\n".encode())
        return self._state.answer(request, signers=self._signers, at=int(self._clock()))

    def cosigned(self, origin_sha256: str) -> Decision:
        """Return the note that was cosigned last under the origin of this hash, or 404."""
        note = self._state.cosigned(origin_sha256)
        return Decision(404, b"no checkpoint was cosigned here\n") if note is None else Decision(200, note)

    def _signers(self) -> Sequence[Signer]:
        return (KeySigner(self.vkey, self._key.sign, max(1, int(self._clock()))),)


class WitnessServer(ThreadingHTTPServer):
    """Serves *witness* at *host* and *port*; port 0 takes any that is free."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, witness: Witness, *, host: str, port: int, limit: float = LIMIT_SECONDS) -> None:
        self.witness = witness
        self.limit = limit
        self._room = BoundedSemaphore(_AT_ONCE)
        if ":" in host:
            self.address_family = AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as exc:
            raise ListenError(host, port, str(exc)) from exc

    @property
    def url(self) -> str:
        """Where it is reached."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}/" if self.address_family is AF_INET6 else f"http://{host!s}:{port}/"

    def server_bind(self) -> None:
        """Bind, without asking the network for a name of this host as the library does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 # the library's own signature
        """Serve a request in a thread of its own, once there is room for one."""
        self._room.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:  # it got no thread, which would have made room again
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 # as above
        """Serve it, and make room again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 # as above
        """Say nothing: a client that went away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    """One request on one connection."""

    server: WitnessServer
    server_version = "release-ledger-witness"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Let the deadline bind every wait."""
        super().setup()
        timed = TimedSocket(self.connection, Deadline(self.server.limit, seconds=time.monotonic))
        self.rfile = timed.makefile("rb")

    def handle(self) -> None:
        """Serve one request; the connection is closed behind it."""
        with suppress(OSError):
            self.handle_one_request()

    def do_POST(self) -> None:
        """Serve ``add-checkpoint``."""
        if self.path != "/add-checkpoint":
            self._answer(_refusal(404, "there is nothing at this path"))
            return
        try:
            length = parse_decimal(self.headers.get("Content-Length", "").encode("latin-1"))
        except FormatError:
            self._answer(_refusal(411, "the request does not say how long its body is"))
            return
        if length > MAX_BODY:
            self._answer(_refusal(413, f"a request has at most {MAX_BODY} bytes"))
            return
        body = self.rfile.read(length)
        self._answer(self._ask(lambda witness: witness.add(body)))

    def do_GET(self) -> None:
        """Serve the checkpoint cosigned last."""
        match = _READ.fullmatch(self.path)
        if match is None:
            self._answer(_refusal(404, "there is nothing at this path"))
            return
        self._answer(self._ask(lambda witness: witness.cosigned(match["origin"])))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the library's own name
        """Write no log of its own: what was cosigned stands in the state."""

    def _ask(self, question: Callable[[Witness], Decision]) -> Decision:
        try:
            return question(self.server.witness)
        except LedgerError as exc:
            return _refusal(500, f"{exc}: {exc.fact}")

    def _answer(self, decision: Decision) -> None:
        self.send_response(decision.status)
        self.send_header("Content-Type", decision.content_type)
        self.send_header("Content-Length", str(len(decision.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(decision.body)


def _refusal(status: int, reason: str) -> Decision:
    return Decision(status, f"{reason}\n".encode())
