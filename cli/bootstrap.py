"""The composition root: from settings to wired objects.

What belongs to one installation is wired by ``cli.drivers``, what a host keeps beside a ledger in
PostgreSQL by ``cli.spooling``, and ledgers are made by ``cli.ledger_place``; no other module of the
command line imports adapters.

Adapters are imported inside the functions that wire them, so that a command pays for what it
uses. Every command that changes or registers goes through ``at_work``.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cli import VERSION, drivers
from cli.here import choose_here
from ledger.application.ports import Installation, InstallationLock, ReleaseHandler
from ledger.dataclass import dataclass, replace
from ledger.domain.records import Context

if TYPE_CHECKING:
    from cli.config import Settings
    from cli.node_keeper import NodeKeeper
    from ledger.adapters.audit_state import AuditState
    from ledger.adapters.export_desk import ExportDesk
    from ledger.adapters.fleet_keys import HostKey
    from ledger.adapters.identity import Identity
    from ledger.adapters.sight import HostSight
    from ledger.adapters.tip_desk import TipDesk
    from ledger.adapters.witness_folder import WitnessPlace
    from ledger.adapters.witness_server import WitnessServer
    from ledger.application.anchoring import Holders
    from ledger.application.audit_report import AuditReport, Level
    from ledger.application.audit_source import HeldNote
    from ledger.application.doubtful_tip import DoubtfulTip
    from ledger.application.import_original import Original
    from ledger.application.record_ports import Disclosure
    from ledger.application.release_ledger import ReleaseLedger
    from ledger.domain.ledger_events import AnyEvent
    from ledger.domain.releases import NodeReleases
    from ledger.domain.whereabouts import Whereabouts
    from ledger.tlog.policy import Policy

TOOL = f"release-ledger/{VERSION}"
_ROUNDS = 3
_CAUGHT_UP = "note: an earlier command broke off behind its last commit; the tip guard has now caught up with it\n"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One installation and its ledger, wired for a command that changes."""

    record: "RecordOfCommand"
    node: "NodeReleases"
    handler: ReleaseHandler
    installation: Installation
    lock: InstallationLock
    contexts: Callable[[str | None], Context]
    new_id: Callable[[], str]


class RecordOfCommand:
    """The record, which keeps with each commit what the commitments of this command stand for (RULINGS 5)."""

    def __init__(
        self,
        ledger: "ReleaseLedger",
        identity: "Identity",
        after: Callable[[], object],
        keeper: "NodeKeeper | None" = None,
    ) -> None:
        self._ledger = ledger
        self._identity = identity
        self._after = after
        self.keeper = keeper  # where this host is to go on while the ledger is out of reach
        self.grown = False  # whether this command has recorded anything, or tried to

    def record(self, events: "Sequence[AnyEvent]", *, private: "Sequence[Disclosure]" = ()) -> tuple[int, ...]:
        """Append *events* in one commit and return their leaf indexes; *private* is kept with them."""
        self.grown = self.grown or bool(events)
        if self.keeper is None:
            indexes = self._ledger.record(events, disclosures=(*self._identity.disclosures, *private))
        else:
            indexes = self._kept(events, self.keeper, private)
        self._after()
        return indexes

    def _kept(
        self, events: "Sequence[AnyEvent]", keeper: "NodeKeeper", private: "Sequence[Disclosure]"
    ) -> tuple[int, ...]:
        keeper.before(events)
        try:
            indexes = self._ledger.record(events, disclosures=(*self._identity.disclosures, *private))
        except BaseException as exc:
            keeper.failed(events, exc)
            raise
        keeper.after(events)
        return indexes

    def releases(self, stream: str) -> "NodeReleases":
        """Return the fold of a stream."""
        return self._ledger.releases(stream)

    @property
    def origin(self) -> str:
        """The name of the ledger."""
        return self._ledger.origin

    def stored(self, stream: str) -> "Iterator[AnyEvent]":
        """Return the events of a stream as they are stored: an imported one as what carries it."""
        return self._ledger.stored(stream)

    def version(self, stream: str) -> int:
        """Return the version of the last event of a stream, 0 where it has none."""
        return self._ledger.version(stream)

    def streams(self) -> Iterator[str]:
        """Return the streams of installations."""
        return self._ledger.streams()

    def whereabouts(self) -> "Sequence[Whereabouts]":
        """Return where each installation is."""
        return self._ledger.whereabouts()

    def verify_tail(self) -> None:
        """Verify the tail that the next commit appends to."""
        self._ledger.verify_tail()


@contextmanager
def at_work(
    settings: "Settings",
    *,
    driver: str,
    reason: str | None,
    ticket: str | None,
    after: Callable[[], object] | None,
    offline: bool = False,
    wait: float = 0.0,
    tell: Callable[[str], None],
) -> Iterator[Bench]:
    """Give the installation that is meant, wired through *driver*; *after* is called after each commit.

    *tell* hears what a node does that takes its time; *wait* is as `--wait`.
    Raises: what opening a ledger raises; NodeUnknownError, NodeAmbiguousError, NothingRegisteredError;
    NodeElsewhereError, drivers.OfflineChangeError.
    """
    from ledger.adapters.identity import new_id  # noqa: PLC0415 # as the module says

    with open_record(settings.ledger.value, after=after) as (record, identity):
        places = [place for place in record.whereabouts() if place.registered]
        node = record.releases(choose_here(places, settings.node.value, folder=settings.ledger.value).id)
        root = Path(node.root)
        if record.keeper is not None:
            record.keeper.remember(node)
        yield Bench(
            record=record,
            node=node,
            handler=drivers.handler_of(node, driver=driver, offline=offline, wait=wait, tell=tell),
            installation=drivers.installation_at(root, thorough=after is None),
            lock=drivers.installation_lock(root),
            contexts=contexts_of(identity, node=node.node, reason=reason, ticket=ticket),
            new_id=new_id,
        )
        if record.keeper is not None and after is not None and not record.grown:
            record.keeper.learn(node)


@contextmanager
def open_record(
    folder: Path, *, after: Callable[[], object] | None = tuple, accepting: "DoubtfulTip | None" = None
) -> "Iterator[tuple[RecordOfCommand, Identity]]":
    """Give the record in *folder*, and who acts; *after* is called after each commit, by default nothing.

    It is None for a command that only plans. *accepting* is a tip for which the user vouches, and its guard does not.
    Raises: the errors of opening a ledger and its key.
    """
    from ledger.adapters.clock import SystemClock  # noqa: PLC0415 # as the module says
    from ledger.adapters.identity import identify, look_around, new_id  # noqa: PLC0415 # as above
    from ledger.adapters.ledger_folder import open_folder  # noqa: PLC0415 # as above
    from ledger.adapters.writers_turn import WritersTurn  # noqa: PLC0415 # as above
    from ledger.application.record_ports import Recording  # noqa: PLC0415 # as above
    from ledger.application.release_ledger import ReleaseLedger  # noqa: PLC0415 # as above

    places = open_folder(folder)
    signer, guard = places.read_signer(), places.guard
    guard = guard if accepting is None else guard.vouching_for(accepting)
    recording = Recording(
        origin=signer.name,
        clock=SystemClock(),
        new_id=new_id,
        turn=WritersTurn(places, idle=after is None),
        signer=signer,
        guard=guard,
    )
    identity = identify(look_around(os.environ), tool=TOOL)
    with closing(ReleaseLedger(places.store, recording=recording)) as ledger:
        try:
            yield (
                RecordOfCommand(ledger, identity, after or tuple, drivers.keeper_of(places, ledger.releases)),
                identity,
            )
        finally:
            if guard.advanced:
                sys.stderr.write(_CAUGHT_UP)


def has_nobody_outside(settings: "Settings") -> bool:
    """Tell whether the ledger has no outside holder, and none has spoken against it: by what lies on this host.

    Raises: PlaceMissingError.
    """
    from ledger.adapters.ledger_folder import places_at  # noqa: PLC0415 # as the module says

    return not settings.anchors.value and places_at(settings.ledger.value).has_nobody_outside()


@contextmanager
def open_holders(settings: "Settings") -> "Iterator[Holders]":
    """Give the outside holders of the ledger.

    Raises: the errors of opening a ledger and its key; AnchorSettingError, PolicyError.
    """
    from ledger.adapters.ledger_folder import open_folder  # noqa: PLC0415 # as the module says
    from ledger.adapters.outside import open_holders as opened  # noqa: PLC0415 # as above

    with opened(open_folder(settings.ledger.value), settings=settings.anchors.value) as holders:
        yield holders


@contextmanager
def open_witness(folder: Path, *, name: str | None = None) -> "Iterator[WitnessPlace]":
    """Give the witness in *folder*, which is made where there is none.

    Raises: the errors of opening a witness.
    """
    from ledger.adapters.witness_folder import open_witness as opened  # noqa: PLC0415 # as the module says

    with opened(folder, host=host_name(), name=name) as place:
        yield place


@contextmanager
def witness_server(place: "WitnessPlace", *, host: str, port: int) -> "Iterator[WitnessServer]":
    """Give the server of the witness, which listens and does not serve yet.

    Raises: ListenError.
    """
    from ledger.adapters.witness_server import Witness, WitnessServer  # noqa: PLC0415 # as the module says

    with WitnessServer(Witness(place.state, key=place.key), host=host, port=port) as server:
        yield server


def export_desk(folder: Path) -> "ExportDesk":
    """Return what writes the exports of the ledger in *folder*."""
    from ledger.adapters.export_desk import ExportDesk  # noqa: PLC0415 # as the module says

    return ExportDesk(folder, tool=TOOL)


def host_sight() -> "HostSight":
    """Return what looks at this host for ``check`` and ``packages``."""
    from ledger.adapters.sight import HostSight  # noqa: PLC0415 # as the module says

    return HostSight()


def share_ledger(folder: Path, group: str) -> None:
    """Let *group* read the ledger.

    Raises: GroupError.
    """
    from ledger.adapters.ledger_group import share  # noqa: PLC0415 # as the module says

    share(folder, group)


def contexts_of(
    identity: "Identity", *, node: str, reason: str | None, ticket: str | None
) -> Callable[[str | None], Context]:
    """Return what gives the context of an event, by its attempt."""
    context = Context(actor=identity.actor, source=identity.source, node=node, reason=reason, ticket=ticket)
    return lambda attempt: replace(context, attempt=attempt)


def verify(
    path: Path,
    *,
    policy: "Policy | None",
    held: "Sequence[HeldNote]",
    guarded: bool,
    served: bool = False,
    level: "Level | None",
    since: "HeldNote | Literal['last'] | None",
    progress: Callable[[int, int], None],
) -> "AuditReport":
    """Return the report on the record at *path*; *guarded* asks for the tip guard, the rest stands in ``Task``.

    Raises: PartMissingError, PartWrongError, NoLastNoteError.
    """
    from ledger.adapters import audit_place  # noqa: PLC0415 # as the module says
    from ledger.application.audit import Asked  # noqa: PLC0415 # as above

    # A writer may move the guard on while the ledger is read; then it is read again.
    for _ in range(_ROUNDS):
        guard = audit_place.own_guard(path) if guarded else None
        trust = audit_place.trusting(policy, held=held, guard=guard)
        note = None if isinstance(since, str) else since
        asked = Asked(level=level, since=note, last=since == "last", progress=progress)
        report = audit_place.verify_path(audit_place.Task(path=path, trust=trust, asked=asked, served=served))
        if guard is None or guard == audit_place.own_guard(path):
            break
    return report


def own_policy(folder: Path) -> "Policy":
    """Return the policy by which this host checks its own ledger.

    Raises: PartMissingError, VkeyError, PolicyError; the errors of opening a ledger.
    """
    from ledger.adapters.audit_place import own_policy as read  # noqa: PLC0415 # as the module says
    from ledger.adapters.ledger_folder import open_folder  # noqa: PLC0415 # as above

    return read(open_folder(folder).path)


def has_guard(path: Path) -> bool:
    """Tell whether *path* is a ledger with a tip guard beside it."""
    from ledger.adapters import audit_place  # noqa: PLC0415 # as the module says

    return audit_place.database_of(path) is not None and audit_place.has_guard(path)


def kept_note(path: Path) -> "HeldNote":
    """Return the note in the file *path*.

    Raises: PartMissingError.
    """
    from ledger.adapters.audit_place import read_note  # noqa: PLC0415 # as the module says

    return read_note(path)


def anchored_notes(settings: "Settings", policy: "Policy") -> "tuple[HeldNote, ...]":
    """Return what the file anchors of this host hold of the logs in *policy*."""
    from ledger.adapters.audit_anchors import notes_in_files  # noqa: PLC0415 # as the module says

    return tuple(notes_in_files(settings.anchors.value, policy=policy))


def original_at(
    path: Path, *, policy: "Policy | None", moves: bool = False, progress: Callable[[int, int], None]
) -> "AbstractContextManager[Original]":
    """Return what gives the log at *path*, verified, to be imported; it *moves* where it goes on elsewhere.

    Raises: SourceServedError; when it is opened, SourceFailedError, SourceUndecidedError, PartMissingError,
    PartWrongError.
    """
    from ledger.adapters.import_source import open_original  # noqa: PLC0415 # as the module says

    return open_original(path, policy=policy, moves=moves, progress=progress)


def tip_desk(folder: Path) -> "TipDesk":
    """Return what mends the tip of the ledger in *folder*.

    Raises: the errors of opening a ledger.
    """
    from ledger.adapters.tip_desk import desk_at  # noqa: PLC0415 # as the module says

    return desk_at(folder)


def auditor_state(path: Path) -> "AuditState":
    """Return the auditor's memory in the file *path*.

    Raises: PartMissingError.
    """
    from ledger.adapters.audit_state import read_state  # noqa: PLC0415 # as the module says

    return read_state(path)


def host_keys(folder: Path) -> "tuple[HostKey, ...] | None":
    """Return the keys of the hosts of a ledger in PostgreSQL, None for any other.

    Raises: the errors of reaching the server.
    """
    from ledger.adapters import fleet_keys  # noqa: PLC0415 # as the module says

    return fleet_keys.host_keys(folder)


def host_name() -> str:
    """Return the name of this host."""
    return os.uname().nodename
