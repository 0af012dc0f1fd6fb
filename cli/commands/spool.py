"""Tell what this host recorded alone while its ledger was out of reach, or bring it into the ledger."""

from cli.session import Session
from cli.spool_telling import join_spool, tell_spool

EXAMPLE = "spool status"


def status(*, session: Session) -> int:
    """Tell how many events wait on this host, since when, and whether they verify; exit 7 while some wait."""
    return tell_spool(session=session)


def join(*, session: Session) -> int:
    """Bring what waits on this host into the ledger, with its own proof; the next change does it too."""
    return join_spool(session=session)


SUBCOMMANDS = {"status": (status, "spool status"), "join": (join, "spool join")}
