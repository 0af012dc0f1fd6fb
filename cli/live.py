"""Looking at nodes for a command that reads: under the lock of the installation, without changing anything.

The lock keeps a look from meeting a change half way. What is found is not recorded here.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from cli import drivers
from cli.here import own_host, refuse_elsewhere
from cli.session import Session
from ledger.application.ports import NodeDownError, ReleaseHandler

if TYPE_CHECKING:
    from ledger.domain.observation import Observation
    from ledger.domain.releases import NodeReleases


def handler_of(node: "NodeReleases", session: Session) -> ReleaseHandler:
    """Return the driver of *node*.

    Raises: NodeElsewhereError, OfflineChangeError; the errors of finding a node.
    """
    refuse_elsewhere(node, own_host(session.settings.ledger.value))
    return drivers.handler_of(node, driver=session.settings.driver.value, tell=session.terminal.advise)


def look_at(node: "NodeReleases", session: Session) -> "Observation":
    """Return what the node shows now; where it is down, say so in EMQX's words.

    Raises: LockedError; NodeDownError; whatever makes a look impossible.
    """
    try:
        with drivers.installation_lock(Path(node.root)).hold("look", wait=0):
            return handler_of(node, session).observe()
    except NodeDownError as exc:
        for line in exc.words:
            session.terminal.say(line)
        raise
