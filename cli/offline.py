"""A command whose ledger may be out of reach: what stands in for it, decided before anything is asked of it.

Only a ledger in PostgreSQL can be. What ``cli.spooling`` then does is loaded for such a ledger alone.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cli.config import REFUSE

if TYPE_CHECKING:
    from cli.session import Session
    from ledger.application.readiness import Point
    from ledger.domain.releases import NodeReleases


@contextmanager
def at_hand(
    session: "Session", *, wait: float = 0.0, dry: bool = False, plan: str | None = None, alone: bool = True
) -> Iterator[None]:
    """Let a change go on: in the ledger, joined by what waits on this host, or by policy on this host.

    *wait* is as `--wait`, *dry* a command that only plans, *plan* the fleet's plan in which it is a turn; what cannot
    be done *alone* needs the ledger. Where it goes on is told on stderr, and stands in the settings of *session* from
    then on.
    Raises: the errors of joining and of beginning.
    """
    address = _address(session)
    if address is None:
        yield
        return
    from cli.spooling import Asked, working  # noqa: PLC0415 # only a ledger in PostgreSQL pays for it

    with working(session, address, Asked(wait=wait, dry=dry, plan=plan, alone=alone)):
        yield


def answer(session: "Session") -> None:
    """Let a question go on, from what this host recorded where the ledger is out of reach; it is told on stderr.

    Raises: the errors of beginning.
    """
    address = _address(session)
    if address is not None and _could_be_apart(session):
        from cli.spooling import looking  # noqa: PLC0415 # as above

        looking(session, address)


def keep_seen(session: "Session", nodes: "Sequence[NodeReleases]") -> None:
    """Keep *nodes*, which were seen on this host, where it is to go on without its ledger."""
    if nodes and _address(session) is not None and _could_be_apart(session):
        from cli.spooling import keep  # noqa: PLC0415 # as above

        keep(session, nodes)


def spool_point(session: "Session") -> "Iterator[Point]":
    """Yield what is to be said of events that wait on this host, where some could."""
    if session.apart is not None or (_address(session) is not None and _could_be_apart(session)):
        from cli.spooling import point  # noqa: PLC0415 # as above

        yield from point(session)


def _could_be_apart(session: "Session") -> bool:
    """Tell whether this host may go on without its ledger, or did so."""
    if session.settings.offline.value != REFUSE:
        return True
    with suppress(OSError, UnicodeDecodeError):
        place = (session.settings.ledger.value / "place").read_text(encoding="utf-8").removesuffix("\n")
        return os.path.isdir(f"{place}/spool")  # noqa: PTH112 # as below
    return False


def _address(session: "Session") -> str | None:
    folder = session.settings.ledger.value
    if not os.path.isfile(folder / "address"):  # noqa: PTH113 # unlike pathlib, it says no where it may not look
        return None
    from cli.ledger_place import address_in  # noqa: PLC0415 # as above

    return address_in(folder)
