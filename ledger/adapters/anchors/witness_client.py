"""A witness as outside holder: the client side of C2SP tlog-witness.

``POST <url>/add-checkpoint`` with the size that the witness cosigned last, a consistency proof
from there, and our note. What each answer means stands in ``ledger.tlog.witness_reply``; a
witness that names another size is proved from there, at most three times. The receipt is our
note with the witness's lines behind it, opened with both keys before it is kept.

All of it, from the name of the host to the last byte, ends within *limit* seconds. No redirect and
no proxy is followed: the URL is what the operator wrote. ``https`` checks the certificate with
the system's authorities; ``http`` serves as well, since a note is public and signed both ways.
"""

import socket
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from urllib.parse import SplitResult

from ledger.adapters.anchors.deadline import Deadline, TimedSocket
from ledger.adapters.anchors.witness_url import PORTS, split_url
from ledger.adapters.lookup import look_up
from ledger.application.anchor_ports import LogKeys, SignedTip, open_by
from ledger.dataclass import dataclass
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note, UnverifiedNoteError, Verifier, add_signatures
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.witness import AddCheckpoint
from ledger.tlog.witness_reply import (
    MAX_RETRIES,
    Cosigned,
    ProveFrom,
    WitnessKeyError,
    WitnessUnusableError,
    read_reply,
)

LIMIT_SECONDS = 2.0
_MAX_BODY = 64 * 1024


class WitnessUnreachableError(WitnessUnusableError):
    """No answer came in time."""

    def __init__(self, url: str, fact: str) -> None:
        super().__init__(
            f"the witness at {url} did not answer",
            fact=fact,
            hint="the next command tries again; it needs only the newest checkpoint",
        )
        self.url = url


class WitnessUnsettledError(WitnessUnusableError):
    """The witness named another size each time."""

    def __init__(self, url: str, size: int) -> None:
        super().__init__(
            f"the witness at {url} does not settle on a size",
            fact=f"it was asked {MAX_RETRIES + 1} times and named size {size} last",
            hint="see whether another host submits under the same origin",
        )
        self.size = size


class HostKeyUnknownError(WitnessUnusableError):
    """The witness was not given the key of a host of the fleet, or not all that it takes for keys of the log are."""

    def __init__(self, key_ids: tuple[str, ...]) -> None:
        super().__init__(
            "the witness does not know the key of the host that signed the newest checkpoint",
            fact=f"it answered 403 to a note by {', '.join(key_ids)}, a key that is enrolled in the ledger",
            hint="look it up in `release-ledger key list`: if you enrolled that host, give its vkey to whoever runs "
            "the witness; if not, somebody else did",
        )
        self.key_ids = key_ids


@dataclass(frozen=True)
class WitnessClient:
    """The witness that the operator calls *short*, with its *key*, for the log that *log* signs.

    *mark* ends its name, see ``Anchor.name``; a log has it whose hosts sign with keys of their own. Of such a log the
    witness may lack a key, which accuses nobody: its note does not count, and the next one by another host does.
    """

    short: str
    key: Verifier
    url: str
    log: LogKeys
    limit: float = LIMIT_SECONDS
    seconds: Callable[[], float] = time.monotonic
    mark: str = ""

    def __post_init__(self) -> None:
        split_url(self.url)

    @property
    def name(self) -> str:
        """Its name in the table ``anchor``."""
        return f"witness:{self.short}{self.mark}"

    @property
    def vouches(self) -> bool:
        """Whether no other host can have made a receipt of it: its own key did."""
        return True

    def hand_over(self, tip: SignedTip, *, tree: TiledTree, last: int) -> bytes:
        """Submit the note and return it with the witness's lines.

        Raises: WitnessAlarmError where the witness contradicts our log; WitnessUnusableError.
        """
        deadline = Deadline(self.limit, seconds=self.seconds)
        old = last if last <= tip.size else 0
        for _ in range(MAX_RETRIES + 1):
            request = AddCheckpoint(old, tree.prove_consistency(old) if old else (), tip.note)
            reply = self._asked(request, deadline)
            if isinstance(reply, Cosigned):
                proof = add_signatures(tip.note, signatures=reply.signatures)
                self.read(proof)
                return proof
            old = reply.size
        raise WitnessUnsettledError(self.url, old)

    def read(self, proof: bytes) -> Checkpoint:
        """Return the checkpoint of a note that log and witness both signed.

        Raises: SignatureError, FormatError; a damaged line of an unknown key is ignored.
        """
        opened = open_by(self.log, proof, cosigners=(self.key,))
        if not opened.cosignatures:
            raise UnverifiedNoteError(tuple(line.name for line in (*opened.log_signatures, *opened.unknown)))
        return opened.checkpoint

    def _asked(self, request: AddCheckpoint, deadline: Deadline) -> Cosigned | ProveFrom:
        status, body = self._post(request.encode(), deadline)
        try:
            return read_reply(request, status=status, body=body, verifiers=(self.key,))
        except WitnessKeyError as exc:
            if not self.mark:
                raise
            lines = Note.parse(request.note).signatures
            raise HostKeyUnknownError(tuple(f"{line.name}+{line.key_id.hex()}" for line in lines)) from exc

    def _post(self, body: bytes, deadline: Deadline) -> tuple[int, bytes]:
        parts = split_url(self.url)
        try:
            with closing(_connect(parts, deadline)) as connection:
                http = HTTPConnection(parts.netloc)
                http.sock = TimedSocket(connection, deadline)  # it has what is used of a socket
                path = f"{parts.path.rstrip('/')}/add-checkpoint"
                http.request("POST", path, body, {"Connection": "close", "Content-Type": "text/plain"})
                response = http.getresponse()
                return response.status, response.read(_MAX_BODY)
        except (OSError, UnicodeError, HTTPException) as exc:
            raise WitnessUnreachableError(self.url, str(exc) or type(exc).__name__) from exc


def _connect(parts: SplitResult, deadline: Deadline) -> socket.socket:
    """Return a connection to the first address that answers."""
    address = (parts.hostname or "", parts.port or PORTS[parts.scheme])
    cause: OSError = OSError("the host has no address")
    for family, kind, protocol, _, place in look_up(*address, seconds=deadline.left()):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(deadline.left())
            connection.connect(place)
            return _secured(connection, parts, deadline)
        except OSError as exc:
            connection.close()
            cause = exc
    raise cause


def _secured(connection: socket.socket, parts: SplitResult, deadline: Deadline) -> socket.socket:
    if parts.scheme == "http":
        return connection
    from ssl import create_default_context  # noqa: PLC0415 # a witness in the own network is reached by http

    connection.settimeout(deadline.left())
    return create_default_context().wrap_socket(connection, server_hostname=parts.hostname)
