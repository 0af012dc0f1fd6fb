"""Handing the newest note to outside holders, without ever holding up a change (evidence.md 5.2, step 10).

After each commit, outside the lock of the tip, every holder gets the newest note. One that does
not answer lags: that is said, and the next command tries it again; it then needs only the
newest note. Within one command a holder that failed is not asked again, and one that took
longer than *patience* in all is asked once more when the command ends.

A holder that speaks against the ledger raises an alarm. An alarm is kept as evidence and the
command exits 6, but what it does to the node is finished first; the next change is refused.
A holder that is only ahead of the note that it was shown may have it from another command, or from
another host: the ledger is read again, and where it has those events, its newer note is shown. It is
for the holder to find that this note continues the one that it has. Where another host can have made a
receipt, its holder is asked in each command, and counts for the policy where it took the note.

Where policy demands holders (``holders``), a risky command does not start until so many hold every
event that there was when it began. A receipt counts where it proves something; one that does not is
no reason to hand nothing over.
"""

from collections.abc import Callable, Sequence

from ledger.application.anchor_ports import (
    Anchor,
    AnchorStore,
    HeldHistoryError,
    HolderAheadError,
    Receipt,
    SignedTip,
    WitnessBook,
)
from ledger.application.standing_alarm import StandingAlarm
from ledger.dataclass import dataclass
from ledger.errors import CheckFailedError, EvidenceError, LedgerError, RefusedError
from ledger.tlog.vkey import Vkey
from ledger.tlog.witness_reply import WitnessAheadError

PATIENCE_SECONDS = 0.5
_STALE = 3


class TooFewHoldersError(RefusedError):
    """Policy demands more outside holders than hold all events."""

    def __init__(self, demanded: int, *, holding: Sequence[str], missing: Sequence[str]) -> None:
        super().__init__(
            f"policy demands {demanded} outside holders of all events, {len(holding)} hold them",
            fact=f"holding: {', '.join(holding) or 'none'}; not holding: {', '.join(missing) or 'none is configured'}",
            hint="see `release-ledger witness list`; bring a holder back, or change `holders` in the settings",
        )
        self.demanded, self.holding, self.missing = demanded, tuple(holding), tuple(missing)


class HolderSpeaksAgainstError(EvidenceError):
    """An outside holder has another history, so the tip is no matter of opinion."""

    kind = "failed"

    def __init__(self, late: "Late") -> None:
        super().__init__(
            f"the tip was not accepted: {late.sink} speaks against it",
            fact=f"{late.error}: {late.error.fact}",
            hint="keep ledger, tip guard and holder as they are; `recover --refill BUNDLE` puts back what was lost",
        )
        self.sink = late.sink


class HolderSilentError(EvidenceError):
    """An outside holder cannot be asked whether it knows of more."""

    kind = "undecided"

    def __init__(self, late: "Late") -> None:
        super().__init__(
            f"the tip was not accepted: {late.sink} could not be asked",
            fact=f"{late.error}: {late.error.fact}",
            hint="bring the holder back; one that is gone for good is taken out of the settings first",
        )
        self.sink = late.sink


class HolderOutrunError(CheckFailedError):
    """Others hand over faster than this command does."""

    kind = "undecided"

    def __init__(self, sink: str) -> None:
        super().__init__(
            f"{sink} had a newer checkpoint each time",
            fact=f"it was shown the newest one {_STALE} times; the ledger has each of those that it named",
            hint="another host or command hands over at the same time; the next command tries again",
        )
        self.sink = sink


@dataclass(frozen=True)
class Late:
    """A holder that does not hold the newest note, and why; *alarm* where it speaks against the ledger."""

    sink: str
    error: LedgerError

    @property
    def alarm(self) -> bool:
        """Say whether this is more than a delay."""
        return isinstance(self.error, EvidenceError)


@dataclass(frozen=True)
class Held:
    """The size that one holder has shown to hold."""

    sink: str
    size: int


@dataclass(frozen=True)
class Unheld:
    """How much of a ledger of *size* events is held outside: the first *held*; *since* is the first other's time."""

    size: int
    held: int
    since: str | None
    holders: tuple[Held, ...]

    @property
    def count(self) -> int:
        """Number of events that are only on this host."""
        return self.size - self.held

    def __str__(self) -> str:
        text = f"held outside: {self.held} of {self.size}"
        return text if self.since is None else f"{text} (last {self.count} only on this host, since {self.since})"


class Outside:
    """The outside holders of one ledger, for the length of one command."""

    def __init__(
        self,
        anchors: Sequence[Anchor],
        *,
        store: AnchorStore,
        seconds: Callable[[], float],
        keep_alarm: Callable[[str, int, EvidenceError], None],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._anchors = tuple(anchors)
        self._store = store
        self._seconds = seconds
        self._keep_alarm = keep_alarm
        self._patience = patience
        self._spent = dict.fromkeys((anchor.name for anchor in anchors), 0.0)
        self._failed: dict[str, Late] = {}
        self._given: dict[str, int] = {}

    @property
    def late(self) -> tuple[Late, ...]:
        """The holders that failed in this command."""
        return tuple(self._failed.values())

    @property
    def alarms(self) -> tuple[EvidenceError, ...]:
        """What holders said against the ledger in this command."""
        return tuple(late.error for late in self.late if isinstance(late.error, EvidenceError))

    def hand_over(self, *, patient: bool = False) -> tuple[Late, ...]:
        """Give the newest note to each holder that lags; return those that failed just now.

        *patient* also asks those that used up their time, as the end of a command does. Never raises.
        """
        news = []
        for anchor in self._anchors:
            if anchor.name in self._failed or (not patient and self._spent[anchor.name] > self._patience):
                continue
            begun = self._seconds()
            try:
                self._give(anchor)
            except LedgerError as exc:
                news.append(self._fail(anchor.name, exc))
            self._spent[anchor.name] += self._seconds() - begun
        return tuple(news)

    def demand(self, holders: int) -> None:
        """Let a risky command begin only when *holders* of them hold every event.

        Raises: TooFewHoldersError; EvidenceError for an alarm.
        """
        if holders <= 0:
            return
        tip = self._store.tip()
        self.hand_over(patient=True)
        for alarm in self.alarms:
            raise alarm
        state = unheld(self._anchors, store=self._store)
        shown = {held.sink for held in state.holders if tip is not None and held.size >= tip.size}
        holding = [a.name for a in self._anchors if a.name in shown and (a.vouches or a.name not in self._failed)]
        if len(holding) < holders:
            missing = [anchor.name for anchor in self._anchors if anchor.name not in holding]
            raise TooFewHoldersError(holders, holding=holding, missing=missing)

    def confront(self) -> tuple[str, ...]:
        """Show the newest note to every holder, whatever was received of it before, and return their names.

        Raises: HolderSpeaksAgainstError, HolderSilentError where one did not take it.
        """
        for anchor in self._anchors:
            try:
                self._give(anchor, again=True)
            except LedgerError as exc:
                self._fail(anchor.name, exc)
        for late in sorted(self.late, key=lambda late: not late.alarm):
            raise (HolderSpeaksAgainstError if late.alarm else HolderSilentError)(late)
        return tuple(anchor.name for anchor in self._anchors)

    def _give(self, anchor: Anchor, *, again: bool = False) -> None:
        held = self._store.receipts().get(anchor.name)
        tip = self._store.tip()
        if tip is None or (not again and self._has(anchor, tip, held)):
            return
        for _ in range(_STALE):
            try:
                proof = anchor.hand_over(tip, tree=self._store.tree(tip.size), last=held.size if held else 0)
            except (HolderAheadError, WitnessAheadError) as exc:
                tip = self._store.tip()
                if tip is None or tip.size < exc.size:
                    raise
            else:
                self._store.keep(anchor.name, Receipt(tip.size, proof))
                self._given[anchor.name] = tip.size
                return
        raise HolderOutrunError(anchor.name)

    def _has(self, anchor: Anchor, tip: SignedTip, held: Receipt | None) -> bool:
        if self._given.get(anchor.name) == tip.size:
            return True
        if held is None or held.size != tip.size or not anchor.vouches:
            return False
        try:
            return _checked(anchor, held, tip=tip, store=self._store) == tip.size
        except EvidenceError:
            return False  # anybody who records can write a row; `witness list` tells of it

    def _fail(self, sink: str, error: LedgerError) -> Late:
        late = self._failed[sink] = Late(sink, error)
        if isinstance(error, EvidenceError):
            self._keep_alarm(sink, self._size(), error)
        return late

    def _size(self) -> int:
        try:
            tip = self._store.tip()
        except LedgerError:
            return 0  # an alarm is kept under whatever name
        return tip.size if tip else 0


@dataclass(frozen=True)
class Holders:
    """The holders of one ledger, for which *vkey* signs here, the record of what they hold, and its witnesses.

    *standing* is what holders said against the ledger in earlier commands.
    """

    outside: Outside
    anchors: tuple[Anchor, ...]
    store: AnchorStore
    witnesses: WitnessBook
    vkey: Vkey
    standing: tuple[StandingAlarm, ...] = ()


def unheld(anchors: Sequence[Anchor], *, store: AnchorStore, holders: int = 1) -> Unheld:
    """Return how much of the ledger at least *holders* of *anchors* have shown to hold.

    A receipt counts only if it is signed as its holder signs and shows this ledger's own tree.
    Raises: SignatureError, FormatError, HeldHistoryError for one that does not.
    """
    receipts = store.receipts()
    tip = store.tip()  # behind the receipts: another host may commit and hand over in between
    size = tip.size if tip else 0
    shown = tuple(
        Held(anchor.name, _checked(anchor, receipts[anchor.name], tip=tip, store=store))
        for anchor in anchors
        if anchor.name in receipts
    )
    sizes = sorted((held.size for held in shown), reverse=True)
    held = sizes[holders - 1] if 0 < holders <= len(sizes) else 0
    return Unheld(size, held, store.recorded_at(held) if held < size else None, shown)


def _checked(anchor: Anchor, receipt: Receipt, *, tip: SignedTip | None, store: AnchorStore) -> int:
    checkpoint = anchor.read(receipt.proof)
    size = tip.size if tip else 0
    if checkpoint.size != receipt.size:
        raise HeldHistoryError(anchor.name, f"its receipt for size {receipt.size} is of size {checkpoint.size}")
    if checkpoint.size > size:
        raise HeldHistoryError(anchor.name, f"it holds {checkpoint.size} events, the ledger has {size}")
    if store.tree(checkpoint.size).root() != checkpoint.root:
        raise HeldHistoryError(anchor.name, f"its root for the first {checkpoint.size} events is not the ledger's")
    return checkpoint.size
