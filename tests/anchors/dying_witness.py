"""A witness that is killed after it stored what it cosigned and before it answers."""

import os
import signal
import sys
from collections.abc import Callable, Sequence

from cli.app import main
from ledger.adapters.witness_state import WitnessState
from ledger.tlog.note import Signer
from ledger.tlog.witness import AddCheckpoint, Decision

answer = WitnessState.answer


def answer_and_die(
    self: WitnessState, request: AddCheckpoint, *, signers: Callable[[], Sequence[Signer]], at: int
) -> Decision:
    decision = answer(self, request, signers=signers, at=at)
    os.kill(os.getpid(), signal.SIGKILL)
    return decision


if __name__ == "__main__":
    WitnessState.answer = answer_and_die  # type: ignore[method-assign] # the fault that is tested
    sys.exit(main(["witness", "serve", *sys.argv[1:]]))
