"""The turn of one command among the writers of its host (evidence.md 5.2, step 1).

A command may have waited long for the installation, and a holder may have spoken against the
ledger meanwhile. So the alarms are read again when the command has its first turn, before it
records anything. Later turns are not refused: what has begun on a node is finished and recorded.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.adapters.anchors.alarm_file import standing_alarms
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.application.standing_alarm import AlarmStandsError

TURN_SECONDS = 30.0


class WritersTurn:
    """What ``record_ports.Recording`` calls for each turn of the ledger in *places*.

    *idle* is a command that only plans: what an alarm forbids it does not do anyway.
    """

    def __init__(self, places: LedgerFolder, *, idle: bool = False) -> None:
        self._places = places
        self._begun = idle

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold the lock of the tip for one commit, or one look at the tail.

        Raises: AlarmStandsError at the first turn; TipFolderLostError; LockHeldError, LockFileError.
        """
        with self._places.turn.hold("record", wait=TURN_SECONDS):
            if not self._begun:
                alarms = standing_alarms(self._places.tip)
                if alarms:
                    raise AlarmStandsError(alarms)
                self._begun = True
            yield
