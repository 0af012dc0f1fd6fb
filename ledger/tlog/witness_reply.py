"""What a log makes of a witness's answer (C2SP tlog-witness, seen from the client).

====== ==========================================================================================
200    the lines that verify with the witness's keys are kept; none is an error of the witness
409    the size it names is not larger than our own: prove from there and ask again, at most
       three times; larger: rollback or fork of our log, an alarm
422    fork or rewrite of our log: an alarm, the request is evidence
403    mixed-up keys or forgery: stop and report
404    the witness must be given this log's vkey
400    an error of ours, as is any answer that the protocol does not know
====== ==========================================================================================
"""

from collections.abc import Sequence

from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError, EvidenceError
from ledger.tlog.notation import FormatError, parse_decimal, shown, split_lines
from ledger.tlog.note import Note, Signature, Verifier
from ledger.tlog.witness import AddCheckpoint

MAX_RETRIES = 3


class WitnessUnusableError(CheckFailedError):
    """A witness did not cosign for a reason that does not accuse the log; the parent of such errors."""

    kind = "undecided"


class UnknownLogError(WitnessUnusableError):
    """The witness does not know this log: 404."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"the witness does not know the log {origin}",
            fact="it answered 404",
            hint="give the vkey of this log to whoever runs the witness",
        )
        self.origin = origin


class WitnessAnswerError(WitnessUnusableError):
    """The answer makes no sense, or says that our request made none."""

    def __init__(self, status: int, *, body: bytes) -> None:
        super().__init__(
            f"the witness's answer with status {status} cannot be used",
            fact=f"its body is {shown(body)}",
            hint="report it: either the witness or this tool breaks the protocol",
        )
        self.status, self.body = status, body


class WitnessAlarmError(EvidenceError):
    """A witness contradicts our log; the parent of such errors."""


class WitnessKeyError(WitnessAlarmError):
    """The witness does not accept the signature: 403."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"the witness does not accept the signature of {origin}",
            fact="it answered 403: the keys are mixed up or one is forged",
            hint="compare the log's vkey with the one that the witness was given",
        )
        self.origin = origin


class WitnessAheadError(WitnessAlarmError):
    """The witness has seen a larger tree under this origin: 409."""

    def __init__(self, size: int, *, own: int) -> None:
        super().__init__(
            f"the witness has cosigned size {size}, this ledger has only {own}",
            fact="the ledger was rolled back, or two ledgers use one key",
            hint="stop; compare with the newest backup and with other holders of checkpoints",
        )
        self.size, self.own = size, own


class WitnessForkError(WitnessAlarmError):
    """The witness has seen another tree under this origin: 422."""

    def __init__(self, body: bytes, *, request: AddCheckpoint) -> None:
        super().__init__(
            "the witness has cosigned another history of this ledger",
            fact=f"it answered 422: {shown(body)}",
            hint="stop; keep the request as evidence; find out who rewrote or forked the ledger",
        )
        self.body, self.request = body, request


@dataclass(frozen=True)
class Cosigned:
    """The witness's lines that verified, to be put behind the note."""

    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class ProveFrom:
    """The witness wants a consistency proof from *size*."""

    size: int


def read_reply(
    request: AddCheckpoint, *, status: int, body: bytes, verifiers: Sequence[Verifier]
) -> Cosigned | ProveFrom:
    """Return what to do after the witness with keys *verifiers* answered *request*.

    Raises: WitnessAlarmError where the answer speaks against the log, WitnessUnusableError
    where the witness did not cosign for another reason.
    """
    match status:
        case 200:
            return _read_cosignatures(request, body=body, verifiers=verifiers)
        case 403:
            raise WitnessKeyError(request.checkpoint.origin)
        case 404:
            raise UnknownLogError(request.checkpoint.origin)
        case 409:
            return _read_size(request, body=body)
        case 422:
            raise WitnessForkError(body, request=request)
        case _:
            raise WitnessAnswerError(status, body=body)


def _read_cosignatures(request: AddCheckpoint, *, body: bytes, verifiers: Sequence[Verifier]) -> Cosigned:
    text = Note.parse(request.note).text
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    try:
        lines = tuple(map(Signature.parse, split_lines(body)))
    except FormatError as exc:
        raise WitnessAnswerError(200, body=body) from exc
    kept = tuple(
        line
        for line in lines
        if (line.name, line.key_id) in known and known[line.name, line.key_id].verify(text, line.payload)
    )
    if not kept:
        raise WitnessAnswerError(200, body=body)
    return Cosigned(kept)


def _read_size(request: AddCheckpoint, *, body: bytes) -> ProveFrom:
    try:
        lines = split_lines(body)
        size = parse_decimal(b"\n".join(lines))
    except FormatError as exc:
        raise WitnessAnswerError(409, body=body) from exc
    own = request.checkpoint.size
    if size > own:
        raise WitnessAheadError(size, own=own)
    return ProveFrom(size)
