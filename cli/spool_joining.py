"""Bringing what a host recorded alone into the ledger of its fleet, with its own proof.

The spool is verified whole, its tip guard with it. Its leaves and checkpoints are then carried in the
ledger byte for byte, behind the events that each stream has there (``ledger.application.importing``).
What was broken off goes on: the carriers that are there tell how far it got. All of it is read back
from the ledger before anybody may take the spool away.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cli import bootstrap
from cli.changing import catch_up
from cli.outside import held_outside
from cli.session import Session
from ledger.application.importing import Import
from ledger.dataclass import replace
from ledger.domain.events import InstallationEvent, SpoolBegun
from ledger.domain.ledger_events import AnyEvent, AnyImported, ImportForm
from ledger.domain.records import Context
from ledger.domain.spooling import refuse_other_events
from ledger.errors import EvidenceError


class NotReadBackError(EvidenceError):
    """The ledger does not hold all that was brought into it a moment ago."""

    kind = "failed"

    def __init__(self, folder: Path, missing: int) -> None:
        super().__init__(
            "the ledger does not hold what this host has just brought into it",
            fact=f"{missing} events are missing when they are read back; what was recorded here is kept in {folder}",
            hint="keep it; run `release-ledger verify`, and `release-ledger spool join` when it is known what happened",
        )
        self.missing = missing


def join(session: Session, folder: Path) -> tuple[int, ...]:
    """Bring the spool in *folder* into the ledger, and read it back; return the numbers of what was recorded for it.

    Raises: the errors of verifying; StreamWentOnError; those of ``Import`` and of recording; NotReadBackError.
    """
    try:
        with (
            bootstrap.original_at(folder, policy=bootstrap.own_policy(folder), progress=_nobody) as verified,
            held_outside(session) as outside,
            bootstrap.open_record(session.settings.ledger.value, after=outside.hand_over) as (record, identity),
        ):
            spool = replace(verified, form=ImportForm.SPOOL)
            record.verify_tail()
            firsts = begun_in(folder)
            for begun in firsts:
                refuse_other_events(begun, _others(record.stored(begun.originator_id), spool.origin))
            context = Context(actor=identity.actor, source=identity.source)
            run = Import(spool, record, into=record.origin)
            imported = run.run(context=lambda node: replace(context, node=node), progress=_nobody)
            missing = Import(spool, record, into=record.origin).check()
            if missing:
                raise NotReadBackError(folder, missing)
            record.verify_tail()
            if record.keeper is not None:
                for begun in firsts:
                    record.keeper.learn(record.releases(begun.originator_id))
            return imported.events
    finally:
        catch_up(session)


def begun_in(folder: Path) -> Sequence[SpoolBegun]:
    """Return the first event of each installation in a spool, in their order.

    Raises: the errors of reading a ledger.
    """
    with bootstrap.open_record(folder, after=None) as (record, _):
        firsts = (next(record.stored(stream)) for stream in record.streams())
        return tuple(event for event in firsts if isinstance(event, SpoolBegun))


def _others(events: Iterator[AnyEvent], origin: str) -> Iterator[InstallationEvent]:
    """Yield the events of a stream that are not of the spool itself: a join that was broken off left some."""
    for event in events:
        if isinstance(event, InstallationEvent) and not (isinstance(event, AnyImported) and event.origin == origin):
            yield event


def _nobody(done: int, total: int) -> None:
    """Show nobody how many of *total* events are done: a spool is short."""
