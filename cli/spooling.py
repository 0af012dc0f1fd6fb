"""A ledger in PostgreSQL that may be out of reach, and what this host records meanwhile.

By the policy ``offline = "spool"`` a change goes on in a ledger of this host alone, which begins each
installation with the state that the host kept of it. What waits there is joined before the next
change, with its own proof (``cli.spool_joining``). Beside ``bootstrap`` and ``drivers`` this module
wires adapters: those of a host's place of a ledger.

Who records in the spool shares its lock, and who begins or joins has it alone. A change that goes to
the server shares it as well: no other command of this host begins a spool behind its back.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cli.bootstrap import host_name
from cli.config import SPOOL, Setting
from cli.node_keeper import NodeKeeper, resumed
from cli.spool_begin import (
    HoldersOutOfReachError,
    NothingKeptError,
    PlanOutOfReachError,
    SpoolBusyError,
    SpoolDamagedError,
    UnsureError,
    Waiting,
    begin,
    waiting_in,
)
from cli.whom import NodeUnknownError, NothingRegisteredError, choose
from ledger.adapters.ledger_folder import LedgerFolder, create_folder, places_at
from ledger.adapters.lock import LockHeldError
from ledger.adapters.postgres_errors import ServerLostError
from ledger.adapters.postgres_reach import out_of_reach
from ledger.adapters.spool_place import SpoolPlace, spool_origin
from ledger.application.readiness import Point, Verdict

if TYPE_CHECKING:
    from cli.session import Session
    from ledger.domain.releases import NodeReleases

_ROUNDS = 5
_JOIN = "`release-ledger spool join` brings them into the ledger when it can be reached; so does the next change"


class Asked(NamedTuple):
    """How a change was asked for: as ``cli.offline.at_hand`` says."""

    wait: float = 0.0
    dry: bool = False
    plan: str | None = None
    alone: bool = True


class Apart(NamedTuple):
    """What this host keeps beside its ledger in *places*; *spools* tells that policy lets it go on there."""

    places: LedgerFolder
    spools: bool

    @property
    def place(self) -> SpoolPlace:
        """Where that lies."""
        return SpoolPlace(self.places.path)

    @property
    def origin(self) -> str:
        """The name of the ledger."""
        return self.places.read_key().origin

    @property
    def concerns(self) -> bool:
        """Whether anything may be recorded here, or waits from before."""
        return self.spools or self.place.is_there

    def begin(self, ledger: Path, nodes: "Sequence[NodeReleases]") -> None:
        """Begin *nodes* in a spool."""
        begin(ledger, nodes, origin=self.origin, note=self.places.guard.read())


@contextmanager
def working(session: "Session", address: str, asked: Asked) -> Iterator[None]:
    """Let a change go on where it can be recorded.

    Raises: as ``cli.offline.at_hand``.
    """
    apart = apart_of(session)
    if apart is None or not apart.concerns:
        if apart is not None and not asked.dry and apart.place.kept.begun:
            apart.place.kept.end()
        with _with_a_way_out(to=SPOOL):
            yield
        return
    away = out_of_reach(address)
    if asked.dry:
        _only_look(session, apart, away, address)
        yield
    elif away is None or not (apart.spools and asked.alone):
        with ExitStack() as held, _with_a_way_out(to=SPOOL if not apart.spools else None):
            if away is None:
                _join_and_hold(session, apart, asked, held)
            yield
    else:
        with ExitStack() as held:
            _begin_and_hold(session, apart, asked, away, address, held)
            session.terminal.warn(f"{_away(address, away)}: this is recorded on this host alone")
            try:
                yield
            finally:
                _tell_what_waits(session, apart, held)


def looking(session: "Session", address: str) -> None:
    """Let a question be answered from here where the ledger is out of reach; tell what waits where it is not."""
    apart = apart_of(session)
    if apart is None or not apart.concerns:
        return
    away = out_of_reach(address)
    try:
        waiting = waiting_in(apart.place.ledger) if apart.place.is_there else Waiting()
    except SpoolDamagedError as exc:
        if away is not None:
            raise
        session.terminal.warn(f"{exc}, and is not in this answer: {exc.fact}")
        return
    if away is None:
        if waiting.size:
            session.terminal.warn(f"{waiting.in_words} wait on this host, and are not in this answer: {_JOIN}")
        return
    nodes = () if waiting.size else _kept_nodes(apart.place)
    if waiting.size or nodes:
        _go_on_in(
            session,
            apart.place,
            apart.place.ledger if waiting.size else _scratch(session.settings.ledger.value, nodes, apart),
        )
        session.terminal.warn(
            f"{_away(address, away)}: this answer rests on "
            f"{f'what this host recorded alone ({waiting.in_words})' if waiting.size else 'what this host kept'}; "
            "it knows nothing of other hosts, and not what came before",
        )


def keep(session: "Session", nodes: "Sequence[NodeReleases]") -> None:
    """Keep *nodes* as the ledger has them, where policy lets this host go on without it."""
    apart = apart_of(session)
    if apart is not None and apart.spools:
        apart.place.kept.begin()
        keeper = NodeKeeper(apart.place.kept, read=_never)
        for node in nodes:
            keeper.learn(node)


def point(session: "Session") -> Iterator[Point]:
    """Yield what ``check`` says of it."""
    found = apart_of(session) if session.apart is None else None
    place = SpoolPlace(session.apart) if session.apart is not None else found.place if found is not None else None
    if place is None or not (place.is_there or session.settings.offline.value == SPOOL):
        return
    try:
        waiting = waiting_in(place.ledger) if place.is_there else Waiting()
    except SpoolDamagedError as exc:
        yield Point("spool", f"{exc}: {exc.fact}", Verdict.FAULT, exc.hint)
        return
    kept = place.kept.all()
    names = ", ".join(sorted(kept_node.stream.partition(":")[2] for kept_node in kept)) or "no installation yet"
    if waiting.size:
        yield Point("spool", f"{waiting.in_words} wait on this host", Verdict.WARN, "`release-ledger spool join`")
    elif any(kept_node.unsure for kept_node in kept):
        fact = "nothing waits; what became of the last commit of this host is not known here"
        yield Point("spool", fact, Verdict.WARN, "the next change or check that reaches the ledger finds out")
    else:
        yield Point("spool", f"nothing waits; kept: {names}")


def apart_of(session: "Session") -> Apart | None:
    """Return what this host keeps beside the ledger in the settings; None where it cannot record in it at all."""
    places = places_at(session.settings.ledger.value)
    if not places.key_file.exists():
        return None
    return Apart(places, session.settings.offline.value == SPOOL)


def join_waiting(session: "Session", apart: Apart, *, wait: float) -> tuple[Waiting, tuple[int, ...]]:
    """Bring what waits into the ledger; return what waited, and the numbers of what was recorded for it.

    Raises: the errors of verifying, of joining and of recording; LockHeldError.
    """
    with apart.place.held("spool join", shared=False, wait=wait):
        if not apart.place.is_there:
            return Waiting(), ()
        from cli.spool_joining import join  # noqa: PLC0415 # most commands join nothing

        waiting = waiting_in(apart.place.ledger)
        # Its guard knows of events that are gone: then it is verified as well, and not just taken away.
        guarded = places_at(apart.place.ledger).guard.read() is not None
        numbers = join(session, apart.place.ledger) if waiting.size or guarded else ()
        apart.place.remove()
        return waiting, numbers


def told_of_joining(waiting: Waiting, numbers: tuple[int, ...]) -> str:
    """Return what is said of events that were joined."""
    where = f" as events {numbers[0]} to {numbers[-1]}" if numbers else ""
    return f"{waiting.in_words} were recorded on this host alone, and are in the ledger now{where}"


def _join_and_hold(session: "Session", apart: Apart, asked: Asked, held: ExitStack) -> None:
    for _ in range(_ROUNDS):
        if apart.place.is_there:
            waiting, numbers = join_waiting(session, apart, wait=asked.wait)
            if waiting.size:
                session.terminal.warn(told_of_joining(waiting, numbers))
        held.enter_context(apart.place.held("change", shared=True, wait=asked.wait))
        if not apart.place.is_there:
            if apart.spools:
                apart.place.kept.begin()
            return
        held.close()
    raise SpoolBusyError(apart.place.folder)


def _begin_and_hold(session: "Session", apart: Apart, asked: Asked, away: str, address: str, held: ExitStack) -> None:
    if asked.plan is not None:
        raise PlanOutOfReachError(address, away)
    holders = session.settings.holders
    if holders.value:
        raise HoldersOutOfReachError(holders.value, holders.source)
    for _ in range(_ROUNDS):
        stream = _meant(session, apart.place, address, away)
        if not _has_begun(apart.place, stream):
            with apart.place.held("begin to record alone", shared=False, wait=asked.wait):
                node = _certain(apart.place, stream, address, away)
                apart.place.make(spool_origin(apart.origin, host_name()))
                apart.begin(apart.place.ledger, [node])
        held.enter_context(apart.place.held("change", shared=True, wait=asked.wait))
        if _has_begun(apart.place, stream):
            _go_on_in(session, apart.place, apart.place.ledger, stream=stream)
            return
        held.close()
    raise SpoolBusyError(apart.place.folder)


def _tell_what_waits(session: "Session", apart: Apart, held: ExitStack) -> None:
    """Say what waits; a spool in which nothing but its beginning was recorded is taken away, as if there was none."""
    waiting = waiting_in(apart.place.ledger)
    if waiting.size > len(waiting.streams):
        session.terminal.warn(f"{waiting.in_words} wait here: {_JOIN}")
        return
    held.close()
    # Whoever else has begun, or begins now, takes it away or goes on in it.
    with suppress(LockHeldError), apart.place.held("end what has only begun", shared=False, wait=0.0):
        if apart.place.is_there:
            waiting = waiting_in(apart.place.ledger)
            if waiting.size == len(waiting.streams):
                apart.place.remove()
    session.terminal.warn("this command recorded nothing on this host")


def _only_look(session: "Session", apart: Apart, away: str | None, address: str) -> None:
    """Let a plan be made from what is in effect: in the spool, where the installation has begun there."""
    try:
        stream = _meant(session, apart.place, address, away or "")
    except NothingKeptError:
        if away is None:
            return
        raise
    if _has_begun(apart.place, stream):
        _go_on_in(session, apart.place, apart.place.ledger, stream=stream)
    elif away is not None:
        node = _certain(apart.place, stream, address, away)
        _go_on_in(session, apart.place, _scratch(session.settings.ledger.value, [node], apart), stream=stream)
    if away is not None:
        session.terminal.warn(f"{_away(address, away)}: this rests on what this host kept")


def _meant(session: "Session", place: SpoolPlace, address: str, away: str) -> str:
    """Return the stream of the installation of this host that is meant.

    Raises: NodeAmbiguousError, NothingKeptError.
    """
    begun = waiting_in(place.ledger).streams if place.is_there else ()
    named = dict(begun) | {node.id: node.node for node in _kept_nodes(place)}
    name = session.settings.node.value
    try:
        return choose([(node, stream, stream) for stream, node in named.items()], name)
    except (NothingRegisteredError, NodeUnknownError) as exc:
        raise NothingKeptError(address, away, name) from exc


def _certain(place: SpoolPlace, stream: str, address: str, away: str) -> "NodeReleases":
    kept = place.kept.find(stream)
    node = None if kept is None else resumed(kept)
    if kept is None or node is None:
        raise NothingKeptError(address, away, stream)
    if kept.unsure:
        raise UnsureError(address, away, node.node)
    return node


def _kept_nodes(place: SpoolPlace) -> "tuple[NodeReleases, ...]":
    nodes = (resumed(kept) for kept in place.kept.all())
    return tuple(node for node in nodes if node is not None and node.registered)


def _has_begun(place: SpoolPlace, stream: str) -> bool:
    return place.is_there and waiting_in(place.ledger).has(stream)


def _scratch(folder: Path, nodes: "Sequence[NodeReleases]", apart: Apart) -> Path:
    """Return a spool beside the address of the ledger, which is gone with this command: a question leaves nothing."""
    ledger = folder / "kept" / "ledger"
    create_folder(ledger, origin=spool_origin(apart.origin, host_name()))
    apart.begin(ledger, nodes)
    return ledger


def _go_on_in(session: "Session", place: SpoolPlace, ledger: Path, *, stream: str | None = None) -> None:
    settings = session.settings
    session.apart = place.place
    session.settle(
        settings._replace(
            ledger=Setting(ledger, settings.ledger.source),
            node=settings.node if stream is None else Setting(stream, settings.node.source),
            anchors=Setting((), settings.anchors.source),
        )
    )


@contextmanager
def _with_a_way_out(*, to: str | None) -> Iterator[None]:
    try:
        yield
    except ServerLostError as exc:
        if to is not None:
            exc.hint += f'; `offline = "{to}"` under [fleet] in config.toml lets changes go on without it'
        raise


def _away(address: str, why: str) -> str:
    return f"the ledger {address} is out of reach ({why})"


def _never(stream: str) -> "NodeReleases":
    raise LookupError(stream)
