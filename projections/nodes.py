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


class NodeTable(NamedTuple):
    """The releases of a node in the order of its list, what booted it, and what a restart would boot.

    *last_change* is the number of the event that made the table what it is; *registered* tells
    whether the installation was under the ledger then.
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

    def to_text(self) -> str:
        """Return the table as one line of JSON."""
        return json.dumps(self, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "NodeTable":
        """Return the table that ``to_text`` wrote.

        Raises: ValueError or TypeError for anything else.
        """
        stream, node, root, kind, releases, running, booted, boots_next, intent, last_change, registered = json.loads(
            text
        )
        rows = tuple((vsn, status) for vsn, status in releases)
        opened = None if intent is None else OpenIntent(*intent)
        return cls(stream, node, root, kind, rows, running, booted, boots_next, opened, last_change, registered)
