"""The keys that sign for one log, as the readers of its notes ask for them (``anchor_ports.LogKeys``).

Those of a fleet whose ledger is at hand are in ``ledger.adapters.anchor_served``: one that is new is asked for there.
"""

from collections.abc import Sequence

from ledger.adapters.signatures import verifier
from ledger.tlog.note import Note, Verifier
from ledger.tlog.vkey import Vkey


class ListedKeys:
    """The keys in a list."""

    def __init__(self, vkeys: Sequence[Vkey]) -> None:
        self._known = {(vkey.name, vkey.key_id): vkey for vkey in vkeys}

    def named_in(self, note: Note) -> Sequence[Verifier]:
        """Return those that *note* names.

        Raises: PrimitiveMissingError.
        """
        named = dict.fromkeys((line.name, line.key_id) for line in note.signatures)
        return tuple(verifier(self._known[key]) for key in named if key in self._known)
