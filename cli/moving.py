"""Installations that move or leave, from the command line: one event each, and the history stays.

A renamed host or a moved root goes on in its stream; what was done to the node meanwhile is
noticed in the same commit. One that left can be registered again.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cli import bootstrap, drivers
from cli.changing import catch_up, confirm, why
from cli.discovery import node_name
from cli.here import own_host
from cli.installation_options import InstallationOptions
from cli.offline import at_hand
from cli.options import LeaveOptions
from cli.outside import held_outside
from cli.registering import root_of
from cli.session import Session
from cli.whom import choose
from ledger.application.reconcile import fold, notice
from ledger.dataclass import replace
from ledger.domain.decisions import decide_move, decide_unregister
from ledger.domain.outcomes import By
from ledger.domain.records import Kind
from ledger.domain.releases import NodeReleases
from ledger.domain.whereabouts import Whereabouts
from ledger.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.bootstrap import RecordOfCommand

MOVED_SCHEMA, LEFT_SCHEMA = "release-ledger/moved/1", "release-ledger/unregistered/1"


class NameTakenError(UsageError):
    """The name or the root that an installation is to have belongs to another one."""

    def __init__(self, taken: Whereabouts) -> None:
        super().__init__(
            "the new name or root belongs to another installation",
            fact=f"registered: {taken.node} at {taken.root}",
            hint="name the node with --node NAME@HOST, or `release-ledger unregister` the other one first",
        )
        self.taken = taken


class FactsStatedError(UsageError):
    """A moved installation stays what it was registered as."""

    def __init__(self) -> None:
        super().__init__(
            "--edition, --otp, --os and --arch do not go with --continues",
            fact="what an installation is was recorded when it was registered",
            hint="leave them away",
        )


def move_installation(options: InstallationOptions, *, continues: str, session: Session) -> int:
    """Let the installation *continues* go on at the root that is meant; return the exit code.

    Raises: NameTakenError, FactsStatedError, AttemptOpenError; the errors of looking and of recording.
    """
    if options.edition or options.otp or options.os or options.arch:
        raise FactsStatedError
    reason, ticket = why(options, session)
    root = root_of(options, session)
    found = drivers.find_out(root)
    name = node_name(session.settings.node.value, found.node_name, host=bootstrap.host_name())
    folder = session.settings.ledger.value
    try:
        with (
            at_hand(session, alone=False),
            held_outside(session) as outside,
            bootstrap.open_record(folder, after=outside.hand_over) as (
                record,
                identity,
            ),
        ):
            node, others = _meant(record, continues)
            host = own_host(folder)
            _refuse_taken(others, node.kind, name, root=root, host=host)
            contexts = bootstrap.contexts_of(identity, node=name, reason=reason, ticket=ticket)
            if (node.node, node.root) == (name, str(root)) and host in {None, node.host}:
                return _tell(node, (), session)
            handler = drivers.handler_of(
                replace(node, root=str(root)), driver=session.settings.driver.value, tell=session.terminal.advise
            )
            with drivers.installation_lock(root).hold("register", wait=0):
                by = By(context=contexts(None), driver=handler.driver)
                moved = decide_move(node, root=str(root), by=by)
                after = fold(node, (moved,))
                noticed = notice(after, handler.observe(), by=by)
                numbers = record.record((moved, *noticed))
            drivers.mark_installation(root, folder.absolute())
            return _tell(fold(after, noticed), numbers, session)
    finally:
        catch_up(session)


def unregister_installation(options: LeaveOptions, *, session: Session) -> int:
    """Let the installation that is meant leave the ledger; return the exit code.

    Raises: AttemptOpenError; NodeUnknownError, NodeAmbiguousError; the errors of recording.
    """
    reason, ticket = why(options, session)
    try:
        with (
            at_hand(session, alone=False),
            held_outside(session) as outside,
            bootstrap.open_record(session.settings.ledger.value, after=outside.hand_over) as (record, identity),
        ):
            node, _ = _meant(record, session.settings.node.value)
            if not options.yes:
                confirm(f"unregister {node.node}")
            contexts = bootstrap.contexts_of(identity, node=node.node, reason=reason, ticket=ticket)
            (number,) = record.record([decide_unregister(node, context=contexts(None))])
        if session.json:
            left = {"schema": LEFT_SCHEMA, "node": node.node, "root": node.root, "event": number}
            session.terminal.write(json.dumps(left, separators=(",", ":")) + "\n")
        else:
            session.terminal.say(f"Unregistered: {node.node} (event {number}); its history stays")
    finally:
        catch_up(session)
    return 0


def _meant(record: "RecordOfCommand", name: str | None) -> "tuple[NodeReleases, Sequence[Whereabouts]]":
    """Return the installation that *name* means, and where the others are."""
    places = [place for place in record.whereabouts() if place.registered]
    meant = choose([(place.node, place.id, place) for place in places], name)
    return record.releases(meant.id), [place for place in places if place != meant]


def _refuse_taken(others: "Sequence[Whereabouts]", kind: Kind, name: str, *, root: Path, host: str | None) -> None:
    for other in others:
        same_root = str(root) == other.root and host in {None, other.host}
        if other.kind is kind and (same_root or name == other.node):
            raise NameTakenError(other)


def _tell(node: NodeReleases, numbers: tuple[int, ...], session: Session) -> int:
    if session.json:
        record: dict[str, object] = {
            "schema": MOVED_SCHEMA,
            "node": node.node,
            "root": node.root,
            "events": list(numbers),
            "releases": [{"vsn": vsn, "status": str(status)} for vsn, status in node.tables.memory],
        }
        session.terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
        return 0
    session.terminal.say(f"Installation: {node.root}")
    recorded = f"event {numbers[0]}" if numbers else "there already"
    session.terminal.say(f"Node: {node.node} ({recorded}); its history goes on")
    return 0
