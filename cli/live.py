"""Looking at nodes for a command that reads: under the lock of the installation, without changing anything.

The lock keeps a look from meeting a change half way. What is found is not recorded here.
"""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cli import drivers
from cli.here import own_host, refuse_elsewhere
from cli.session import Session
from ledger.application.ports import NodeDownError, ReleaseHandler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.domain.observation import Observation
    from ledger.domain.releases import NodeReleases
    from ledger.domain.whereabouts import Whereabouts

_Place = TypeVar("_Place", "Whereabouts", "NodeReleases")


def handler_of(node: "NodeReleases", session: Session) -> ReleaseHandler:
    """Return the driver of *node*.

    Raises: NodeElsewhereError, OfflineChangeError; the errors of finding a node.
    """
    refuse_elsewhere(node, own_host(session.settings.ledger.value))
    return drivers.handler_of(node, driver=session.settings.driver.value, tell=session.terminal.advise)


def own_of(places: "Sequence[_Place]", session: Session) -> "tuple[_Place, ...]":
    """Return those of *places* that are on this host; that those of others are not asked is said.

    Raises: NodeElsewhereError where none is.
    """
    host = own_host(session.settings.ledger.value)
    own = tuple(place for place in places if host in {None, place.host})
    if places and not own:
        refuse_elsewhere(places[0], host)
    if elsewhere := len(places) - len(own):
        nodes = "1 node, which is on another host" if elsewhere == 1 else f"{elsewhere} nodes, which are on other hosts"
        session.terminal.complain(f"not asked: {nodes}\n")
    return own


def look_at(node: "NodeReleases", session: Session) -> "Observation":
    """Return what the node shows now; where it is down, say so in EMQX's words.

    Raises: NotAnInstallationError; LockedError; NodeDownError; whatever makes a look impossible.
    """
    drivers.check_installation(Path(node.root))
    try:
        with drivers.installation_lock(Path(node.root)).hold("look", wait=0):
            return handler_of(node, session).observe()
    except NodeDownError as exc:
        for line in exc.words:
            session.terminal.say(line)
        raise
