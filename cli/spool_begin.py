"""Beginning installations in a spool, and why one cannot begin.

A spool goes on from what the host knows for certain. Where it knows nothing, or does not know what
became of its last commit, the change is refused: two histories of one installation cannot be joined.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cli import bootstrap
from ledger.domain.events import SpoolBegun
from ledger.domain.records import Context
from ledger.domain.releases import NodeReleases
from ledger.domain.spooling import decide_spool
from ledger.errors import EvidenceError, LockedError, RefusedError, UsageError
from projections.read import EntryError, NotALedgerError, log_size, open_ledger, read_events

_WAIT = "see that the server runs and that this host may connect to it; nothing was changed"
_PAGE = 1000


class NothingKeptError(UsageError):
    """The ledger is out of reach, and the host knows nothing of the installation."""

    def __init__(self, address: str, why: str, name: str | None) -> None:
        super().__init__(
            f"the ledger {address} is out of reach, and this host has kept nothing of {name or 'an installation'}",
            fact=f"{why}; it keeps what it changed or checked since the policy is `spool`",
            hint=f"{_WAIT}; then run `release-ledger check` here once, and the next time changes go on",
        )


class UnsureError(UsageError):
    """The ledger is out of reach, and may hold an event of this host of which the host does not know."""

    def __init__(self, address: str, why: str, node: str) -> None:
        super().__init__(
            f"the ledger {address} is out of reach, and may hold more of {node} than this host knows",
            fact=f"{why}; a command broke off while its last commit was on its way there",
            hint=f"{_WAIT}; then `release-ledger recover` goes by what was recorded",
        )


class HoldersOutOfReachError(RefusedError):
    """Policy demands that others hold every event, and nobody holds those of a spool."""

    def __init__(self, holders: int, source: str) -> None:
        super().__init__(
            "nothing is recorded on this host alone while policy demands that others hold it",
            fact=f"holders = {holders} in {source}, and the ledger is out of reach",
            hint=f'{_WAIT}; or take `offline = "spool"` or `holders` out of the settings',
        )


class PlanOutOfReachError(RefusedError):
    """A turn of a fleet's plan cannot be taken without the ledger that holds the plan."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(
            f"a turn in a fleet's plan cannot be taken while the ledger {address} is out of reach",
            fact=why,
            hint="leave --plan away: the change is then recorded on this host, and counts in the plan once joined",
        )


class SpoolBusyError(LockedError):
    """Other commands of this host begin and join all the time."""

    def __init__(self, place: Path) -> None:
        super().__init__(
            "other commands of this host are at work on what it recorded alone",
            fact=f"{place} changed each time that it was looked at",
            hint="run the command again",
        )


class SpoolDamagedError(EvidenceError):
    """What this host recorded alone does not read."""

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(
            "what this host recorded alone is damaged",
            fact=f"{folder}: {cause}",
            hint=f"move {folder.parent} elsewhere, as evidence; the next change records what is in effect as drift",
        )


class Waiting(NamedTuple):
    """What waits in a spool: *size* events *since* the first, of *streams* with the names of their nodes."""

    size: int = 0
    since: str | None = None
    streams: tuple[tuple[str, str], ...] = ()

    @property
    def in_words(self) -> str:
        """How many events wait, and since when."""
        return f"{self.size} event{'' if self.size == 1 else 's'} since {self.since}" if self.size else "nothing"

    def has(self, stream: str) -> bool:
        """Tell whether an installation has begun there."""
        return any(begun == stream for begun, _ in self.streams)


def waiting_in(folder: Path) -> Waiting:
    """Return what waits in the ledger of a spool.

    Raises: SpoolDamagedError; the errors of reading a ledger.
    """
    try:
        return _waiting_in(folder)
    except (NotALedgerError, EntryError) as exc:
        raise SpoolDamagedError(folder, f"{exc}: {exc.fact}") from exc


def _waiting_in(folder: Path) -> Waiting:
    with open_ledger(folder) as ledger:
        size, since, streams = log_size(ledger), None, list[tuple[str, str]]()
        for start in range(0, size, _PAGE):
            for event in read_events(ledger, start=start, stop=min(start + _PAGE, size)):
                since = since or event.envelope["recorded_at"]
                if event.topic == SpoolBegun.TOPIC:
                    streams.append((event.stream, event.envelope["node"]))
    return Waiting(size, since, tuple(streams))


def begin(folder: Path, nodes: Sequence[NodeReleases], *, origin: str, note: bytes | None) -> None:
    """Begin *nodes* in the spool in *folder*, each where it has not begun; they continue the ledger *origin*.

    *note* is the newest checkpoint of that ledger that this host knows.
    Raises: the errors of recording.
    """
    with bootstrap.open_record(folder) as (record, identity):
        begun = frozenset(record.streams())
        for node in nodes:
            if node.id not in begun:
                context = Context(actor=identity.actor, source=identity.source, node=node.node)
                record.record([decide_spool(node, context=context, origin=origin, note=note)])
