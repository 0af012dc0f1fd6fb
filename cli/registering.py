"""Registering, from the command line: find out what the installation is, then record it once.

Everything that can be refused is looked at before the ledger is made. What cannot be known is
said, with the option that states it (RULINGS 18).
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from os import fsencode
from pathlib import Path

from cli import bootstrap, drivers, ledger_place
from cli.changing import catch_up, driver_of, why
from cli.discovery import STATED_WITH, facts_of, node_name, stated_facts, unknown_of
from cli.here import own_host
from cli.installation_options import InstallationOptions
from cli.outside import held_outside
from cli.plain_text import plain
from cli.session import Session
from ledger.application.ports import NodeDownError, ReleaseHandler
from ledger.application.registration import Claim, Registration, register
from ledger.dataclass import dataclass, replace
from ledger.domain.canonical import CanonicalError, check_value
from ledger.domain.observation import Observation
from ledger.domain.records import InstallationFacts, Kind
from ledger.domain.releases import stream_of
from ledger.errors import FailedError, UsageError

SCHEMA = "release-ledger/registration/1"


class RootMissingError(UsageError):
    """No root was named, and there is none where EMQX is by default."""

    def __init__(self) -> None:
        super().__init__(
            "which installation is meant is not clear",
            fact="neither --root nor EMQX_ROOT_DIR names one, and there is no /usr/lib/emqx",
            hint="name the folder that holds bin/, lib/ and releases/: --root DIR",
        )


class OtherRootError(UsageError):
    """A node of this name is registered with another root."""

    def __init__(self, node: str, registered: str) -> None:
        super().__init__(
            f"{node} is registered already, at another root",
            fact=f"its root is {registered}",
            hint=f"where it was moved, `release-ledger register --root NEW --continues {node}`; "
            "another installation needs a name of its own: --node NAME@HOST",
        )


class NotRegisteredError(UsageError):
    """Something that registering writes cannot be written; the node is as it was."""

    def __init__(self, cause: FailedError) -> None:
        super().__init__(str(cause), fact=cause.fact, hint=cause.hint)


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What a registration made."""

    ledger: ledger_place.MadeLedger
    registration: Registration
    other_ledger: str | None
    stated: InstallationFacts


def register_installation(
    options: InstallationOptions, *, session: Session, makes_ledger: bool = False, origin: str | None = None
) -> int:
    """Register the installation that is meant; return the exit code.

    Raises: RootMissingError, OtherRootError, NotRegisteredError, and whatever forbids it.
    """
    try:
        root = root_of(options, session)
        with drivers.turn_at(root):
            done = _registered(options, session, root, makes_ledger=makes_ledger, origin=origin)
    except FailedError as exc:
        raise NotRegisteredError(exc) from exc
    finally:
        catch_up(session)
    session.terminal.write(_as_json(done) if session.json else "".join(f"{plain(line)}\n" for line in _lines(done)))
    _warn(done, session)
    return 0


def _registered(
    options: InstallationOptions, session: Session, root: Path, *, makes_ledger: bool, origin: str | None
) -> _Done:
    reason, ticket = why(options, session)
    check_recordable("the reason", reason)
    check_recordable("the ticket", ticket)
    stated = stated_facts(edition=options.edition, otp=options.otp, os_name=options.os, arch=options.arch)
    found = drivers.find_out(root)
    node = node_name(session.settings.node.value, found.node_name, host=bootstrap.host_name())
    rehearsal = driver_of(options, session) == "embedded"
    handler = drivers.handler_at(root, driver=driver_of(options, session))
    seen = _seen(handler, session)
    if not rehearsal:
        found = replace(found, vsn=seen.tables.running or found.vsn, erts=seen.erts)
    folder = session.settings.ledger.value
    made = (
        ledger_place.make_ledger(folder, origin=origin, tip_guard=session.settings.tip_guard.value)
        if makes_ledger
        else ledger_place.existing_ledger(folder)
    )
    folder = session.settle_again().ledger.value
    kind = Kind.REHEARSAL if rehearsal else Kind.LIVE
    claim = Claim(
        stream=stream_of(node, kind=kind, root_sha256=sha256(fsencode(root)).hexdigest()),
        root=str(root),
        facts=facts_of(found, stated),
        host=own_host(folder),
    )
    with (
        held_outside(session) as outside,
        bootstrap.open_record(folder, after=outside.hand_over) as (record, identity),
    ):
        contexts = bootstrap.contexts_of(identity, node=node, reason=reason, ticket=ticket)
        lock = drivers.installation_lock(root)
        registration = register(claim, record=record, handler=handler, lock=lock, contexts=contexts)
    if registration.node.root != claim.root:
        raise OtherRootError(node, registration.node.root)
    other = drivers.mark_installation(root, made.folder)
    if session.settings.group.value is not None:
        bootstrap.share_ledger(folder, session.settings.group.value)
    return _Done(ledger=made, registration=registration, other_ledger=other, stated=stated)


def root_of(options: InstallationOptions, session: Session) -> Path:
    """Return the root that is meant.

    Raises: RootMissingError, NotAnInstallationError; CanonicalError for a path that cannot be recorded.
    """
    named = Path(options.root) if options.root else session.settings.root.value
    if named is None:
        raise RootMissingError
    try:
        root = named.resolve()
    except (OSError, RuntimeError, ValueError) as exc:
        raise drivers.NotAnInstallationError(named, str(exc)) from exc
    check_recordable("the path of the root", str(root))
    return root


def check_recordable(what: str, text: str | None) -> None:
    """Accept *text* as part of a record, before anything is made.

    Raises: CanonicalError, naming it as *what*.
    """
    if text is None:
        return
    try:
        check_value(text)
    except CanonicalError as exc:
        raise CanonicalError(what, exc.fault) from exc


def _seen(handler: ReleaseHandler, session: Session) -> Observation:
    """Return what is there now.

    Raises: NodeDownError, and whatever makes a look impossible.
    """
    try:
        return handler.observe()
    except NodeDownError as exc:
        for line in exc.words:
            session.terminal.say(line)
        raise


def _lines(done: _Done) -> Iterator[str]:
    ledger, node = done.ledger, done.registration.node
    yield f"Ledger: {ledger.folder} ({'made' if ledger.made else 'there already'})"
    yield f"Origin: {ledger.origin}"
    yield f"Signing key: {ledger.key_file} (whoever can read it can sign another history)"
    yield f"Public key: {ledger.vkey}"
    yield f"Settings: {ledger.folder / 'config.toml'}"
    yield f"Installation: {node.root}"
    rehearsal = ", a rehearsal" if node.kind is Kind.REHEARSAL else ""
    recorded = "registered already" if done.registration.event is None else f"event {done.registration.event}"
    yield f"Node: {node.node}{rehearsal} ({recorded})"
    yield f"Running: {node.tables.running or 'not known'}"
    how = "" if done.registration.event is not None else "`unregister`, then `register` with "
    for name, option in STATED_WITH.items():
        unknown = f"not known, so it is not checked; {how}{option} states it"
        yield f"{_TITLES[name]}: {getattr(node.facts, name) or unknown}"


def _warn(done: _Done, session: Session) -> None:
    if done.other_ledger is not None:
        session.terminal.warn(f"this installation named another ledger before: {done.other_ledger}")
    recorded = done.registration.node.facts.to_record()
    late = [name for name, value in done.stated.to_record().items() if recorded.get(name) != value]
    if done.registration.event is None and late:
        session.terminal.warn(
            f"not taken: {', '.join(late)}; what an installation is was recorded when it was registered: "
            "`release-ledger unregister`, then `release-ledger register` states it anew"
        )


def _as_json(done: _Done) -> str:
    ledger, node = done.ledger, done.registration.node
    record: dict[str, object] = {
        "schema": SCHEMA,
        "ledger": str(ledger.folder),
        "made": ledger.made,
        "origin": ledger.origin,
        "vkey": ledger.vkey,
        "node": node.node,
        "kind": str(node.kind),
        "root": node.root,
        "facts": node.facts.to_record(),
        "unknown": unknown_of(node.facts),
        "releases": [{"vsn": vsn, "status": str(status)} for vsn, status in node.tables.memory],
    }
    if done.registration.event is not None:
        record["event"] = done.registration.event
    return json.dumps(record, separators=(",", ":")) + "\n"


_TITLES = {"edition": "Edition", "otp": "OTP", "os": "OS", "arch": "Architecture"}
