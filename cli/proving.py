"""Proofs for reading commands: where an event stands in the newest signed tree (C2SP tlog-proof).

The tree is that of the record itself, so a proof shows something only to whoever opens its
checkpoint with a key that he has from elsewhere. Nothing but a command with ``--proof`` imports
this module.
"""

import sqlite3
from collections.abc import Callable

from cli.plain_text import plain
from projections.evidence import EvidenceReader


def proofs_of(ledger: sqlite3.Connection, size: int) -> Callable[[int], str]:
    """Return what gives the text of an event's proof, in the tree of *size* events.

    Raises: UnsignedRecordError, EvidenceReadError, RecordDiffersError.
    """
    prove = EvidenceReader(ledger).proofs(size)
    return lambda number: prove(number).encode().decode()


def proof_paragraph(number: int, proof: str) -> str:
    """Return a proof for people, below what it is of."""
    lines = "".join(f"{plain(line)}\n" for line in proof.removesuffix("\n").split("\n"))
    return f"\nproof that event {number} stands in the signed tree:\n\n{lines}"
