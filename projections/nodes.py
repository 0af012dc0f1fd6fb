"""What the versions table says of one node at one moment.

The rows are plain texts, so that a reader needs neither the domain nor the events:
``NodeTable.from_text(table.to_text()) == table``.
"""

import json
from typing import NamedTuple


class OpenIntent(NamedTuple):
    """An attempt that had no outcome at that moment."""

    attempt: str
    verb: str
    to: str | None


class NodeFacts(NamedTuple):
    """What an installation is, as far as it is known (PRODUCT section 2)."""

    edition: str | None = None
    otp: str | None = None
    erts: str | None = None
    os: str | None = None
    arch: str | None = None


class Sight(NamedTuple):
    """The newest event that was learnt from a node itself, through a driver: notes and the like tell nothing of it."""

    stream: str
    number: int
    recorded_at: str
    type: str
    driver: str


class NodeTable(NamedTuple):
    """The releases of a node in the order of its list, what booted it, and what a restart would boot.

    *last_change* is the number of the event that made the table what it is; *registered* tells
    whether the installation was under the ledger then; *boots_agree* whether memory and all boot
    files name the same release permanent (rule 8).
    """

    stream: str
    node: str
    root: str
    kind: str
    releases: tuple[tuple[str, str], ...]
    running: str | None
    booted: str
    boots_next: str | None
    open_attempt: OpenIntent | None
    last_change: int
    registered: bool = True
    facts: NodeFacts = NodeFacts()
    boots_agree: bool = True

    @property
    def permanent(self) -> str | None:
        """The release that is permanent in the node's own table, None where none is."""
        return next((vsn for vsn, status in self.releases if status == "permanent"), None)

    def to_text(self) -> str:
        """Return the table as one line of JSON."""
        return json.dumps(self, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "NodeTable":
        """Return the table that ``to_text`` wrote.

        Raises: ValueError or TypeError for anything else.
        """
        *start, releases, running, booted, boots_next, intent, last_change, registered, facts, agree = json.loads(text)
        stream, node, root, kind = start
        rows = tuple((vsn, status) for vsn, status in releases)
        opened = None if intent is None else OpenIntent(*intent)
        known = NodeFacts(*facts)
        return cls(
            stream, node, root, kind, rows, running, booted, boots_next, opened, last_change, registered, known, agree
        )
