"""What every outside holder must do: one contract, bound by a file, the system's log and a witness."""

import socket
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.adapters.anchors.file import FileAnchor
from ledger.adapters.anchors.syslog import SyslogAnchor
from ledger.application.anchor_ports import Anchor
from ledger.errors import CheckFailedError, EvidenceError
from ledger.tlog.note import BadSignatureError, UnverifiedNoteError
from tests.anchors.lab import LedgerLab, RunningWitness, forged, make_ledger
from tests.places import short_folder
from tests.tlog.keys import make_witness, verify_with


def hand_over(anchor: Anchor, lab: LedgerLab, *, last: int = 0) -> bytes:
    with lab.store() as store:
        tip = lab.tip()
        return anchor.hand_over(tip, tree=store.tree(tip.size), last=last)


@contextmanager
def listening_log() -> Iterator[tuple[socket.socket, Path]]:
    """Give a socket as the system's log has it, and its path."""
    with short_folder("rl-log-") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(folder / "log"))
        log.settimeout(120)
        yield log, folder / "log"


class HolderContract(ABC):
    """The behaviour that ``Outside`` builds on."""

    @abstractmethod
    def held(self) -> bytes:
        """Return what the holder itself has of the note handed over last."""

    def test_it_holds_what_it_was_handed(self, anchor: Anchor, ledger: LedgerLab) -> None:
        proof = hand_over(anchor, ledger)

        assert self.held() == proof
        assert anchor.read(proof) == ledger.tip().checkpoint

    def test_a_later_note_is_all_it_needs(self, anchor: Anchor, ledger: LedgerLab) -> None:
        hand_over(anchor, ledger)
        ledger.append(2)
        ledger.append(300)

        proof = hand_over(anchor, ledger, last=3)

        assert anchor.read(proof).size == 305

    def test_the_same_note_again_is_fine(self, anchor: Anchor, ledger: LedgerLab) -> None:
        hand_over(anchor, ledger)

        assert anchor.read(hand_over(anchor, ledger, last=3)).size == 3

    def test_a_receipt_with_a_damaged_line_of_the_log_is_refused(self, anchor: Anchor, ledger: LedgerLab) -> None:
        """evidence.md 7, row 16."""
        proof = hand_over(anchor, ledger)

        with pytest.raises(BadSignatureError):
            anchor.read(forged(proof, name=ledger.key.name))

    def test_a_receipt_for_another_ledger_shows_nothing(
        self, anchor: Anchor, ledger: LedgerLab, tmp_path: Path
    ) -> None:
        """evidence.md 7, row 12."""
        hand_over(anchor, ledger)
        other = make_ledger(tmp_path / "other").append()

        with pytest.raises(UnverifiedNoteError):
            anchor.read(other.note)

    def test_one_that_is_away_lags_and_raises_no_alarm(self, away: Anchor, ledger: LedgerLab) -> None:
        with pytest.raises(CheckFailedError) as caught:
            hand_over(away, ledger)

        assert not isinstance(caught.value, EvidenceError)
        assert caught.value.fact
        assert caught.value.hint


class TestFile(HolderContract):
    @pytest.fixture
    def anchor(self, ledger: LedgerLab, tmp_path: Path) -> Anchor:
        self._path = tmp_path / "notes"
        return FileAnchor(self._path, ledger.keys)

    @pytest.fixture
    def away(self, ledger: LedgerLab, tmp_path: Path) -> Anchor:
        return FileAnchor(tmp_path / "not mounted" / "notes", ledger.keys)

    def held(self) -> bytes:
        return self._path.read_bytes().removesuffix(b"\n")


class TestSyslog(HolderContract):
    @pytest.fixture
    def anchor(self, ledger: LedgerLab) -> Iterator[Anchor]:
        with listening_log() as (self._log, path):
            yield SyslogAnchor(ledger.keys, path)

    @pytest.fixture
    def away(self, ledger: LedgerLab, tmp_path: Path) -> Anchor:
        return SyslogAnchor(ledger.keys, tmp_path / "no log")

    def held(self) -> bytes:
        return b64decode(self._log.recv(65_536).rpartition(b" note=")[2])


class TestWitness(HolderContract):
    @pytest.fixture
    def anchor(self, witness: RunningWitness, ledger: LedgerLab) -> Anchor:
        self._witness, self._ledger = witness, ledger
        return witness.client(ledger)

    @pytest.fixture
    def away(self, witness: RunningWitness, ledger: LedgerLab) -> Anchor:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return replace(witness.client(ledger), url=f"http://127.0.0.1:{free.getsockname()[1]}/")

    def held(self) -> bytes:
        return self._witness.checkpoint(self._ledger.key.name)


def test_a_line_of_the_log_says_what_was_signed(ledger: LedgerLab) -> None:
    """evidence.md 4.3: one line with origin, size, root and note."""
    with listening_log() as (log, path):
        hand_over(SyslogAnchor(ledger.keys, path), ledger)
        line = log.recv(65_536).decode()

    assert line.startswith(f"<13>release-ledger: release-ledger checkpoint origin={ledger.key.origin} size=3 root=")
    assert "\n" not in line


def test_a_full_log_does_not_hold_up_a_change(ledger: LedgerLab) -> None:
    with listening_log() as (_, path):
        anchor = SyslogAnchor(ledger.keys, path, limit=0.05)

        with pytest.raises(CheckFailedError):  # nobody reads, so the queue of the socket fills
            _hand_over_for_ever(anchor, ledger)


def test_the_receipt_of_a_witness_needs_its_own_line(witness: RunningWitness, ledger: LedgerLab) -> None:
    """evidence.md 7, row 16: a known witness's damaged line is refused, an unknown one is ignored."""
    anchor = witness.client(ledger)
    proof = hand_over(anchor, ledger)
    stranger = replace(anchor, key=verify_with(make_witness(witness.vkey.name, 77)))

    with pytest.raises(BadSignatureError):
        anchor.read(forged(proof, name=witness.vkey.name))
    with pytest.raises(UnverifiedNoteError):
        anchor.read(ledger.tip().note)
    with pytest.raises(UnverifiedNoteError):
        stranger.read(forged(proof, name=witness.vkey.name))
    assert FileAnchor(Path("/x"), ledger.keys).read(forged(proof, name=witness.vkey.name)).size == 3


def _hand_over_for_ever(anchor: Anchor, lab: LedgerLab) -> None:
    while True:
        hand_over(anchor, lab)
