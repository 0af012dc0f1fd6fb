"""Mending the tip of a ledger: putting back what it lost, or accepting it as it is (evidence.md 5.4 and 5.5).

A tip is accepted where its guard does not vouch for it: the guard is missing, damaged, that of
another ledger, or behind by more than one commit. Nothing of that proves that the ledger is
whole, or that it is not: only the operator can know, after a full verification. A guard that
proves a cut or a fork is never a matter of opinion, so it is refused here as everywhere.

The acceptance is an event directly behind the tip, and the guard is swapped to its note after
its commit, as after any other. A process that ends between the two leaves the event and the
guard as it was; accepting again then records a second event. It never takes the first for its
own: whoever removes a guard once more must not find a way past the record.
"""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from ledger.adapters.audit_sqlite import SqliteSource, open_source
from ledger.adapters.durable import make_folder
from ledger.adapters.ledger_folder import LedgerFolder, open_folder
from ledger.adapters.refill import newest_note, refill
from ledger.adapters.tip_guard import (
    Tip,
    TipDoubtedError,
    TipLostError,
    judge_tip,
    open_guard,
)
from ledger.application.audit_walk import SourceTiles
from ledger.application.doubtful_tip import DoubtfulTip
from ledger.application.refill import Refilled
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.tiled_tree import root_of_size

if TYPE_CHECKING:
    from ledger.adapters.postgres_place import HostPlace

_PRIVATE = 0o700


class TipDesk:
    """The tip of the ledger in *places*."""

    def __init__(self, places: LedgerFolder) -> None:
        self._places = places

    def doubt(self) -> DoubtfulTip | None:
        """Return what is in doubt about the tip; None where its guard vouches for it, or nothing is recorded.

        Raises: TipRollbackError, TipRewrittenError, TipKeyError; GuardAccessError; the errors of the key;
        SignatureError, FormatError; PartMissingError.
        """
        places, key = self._places, self._places.read_key()
        held = places.guard.read()
        with open_source(places.database) as source:
            newest = newest_note(source)
            if newest is None:
                return None
            tip = open_checkpoint(newest, logs=(key,)).checkpoint
            try:
                if held is None:
                    raise TipLostError(tip.size)
                guard = open_guard(held, log=key)
                judge_tip(guard, _tip_of(source, tip.size, guard.size))
            except TipDoubtedError as exc:
                return exc.about(tip, newest=newest, held=held, place=places.tip / "tip")
        return None

    def refill(self, source: str, *, wait: float) -> Refilled:
        """Put back what was lost, from the bundle or the copy at *source*.

        Raises: the errors of ``ledger.adapters.refill``.
        """
        return refill(self._places, Path(source), wait=wait)

    def make_room(self) -> None:
        """Make the folder of the guard where it is gone.

        Raises: WriteFailedError.
        """
        make_folder(self._places.tip.resolve(), mode=_PRIVATE)


def desk_at(folder: Path) -> TipDesk:
    """Return what mends the tip of the ledger in *folder*.

    Raises: the errors of opening a ledger.
    """
    places = open_folder(folder)
    if places.address is None:
        return TipDesk(places)
    from ledger.adapters.fleet_tip import FleetTipDesk  # noqa: PLC0415 # a ledger in a folder needs no libpq

    return FleetTipDesk(cast("HostPlace", places))


def _tip_of(source: SqliteSource, size: int, guarded: int) -> Tip:
    newer = [above for above, _ in source.checkpoints(guarded) if above is not None]
    root = root_of_size(guarded, reader=SourceTiles(source)) if guarded <= size else b""
    return Tip(size, newer, root)
