"""Which host of a fleet signed which commits, as the checkpoints themselves say.

The lines of the notes are read and not verified: that is what ``verify`` does, and it refuses a
line that the key did not make. A line by a key that is not enrolled is told as well.
"""

from pathlib import Path

from ledger.adapters.ledger_folder import places_at
from ledger.adapters.postgres_server import reached
from ledger.dataclass import dataclass

# A note as PostgreSQL escapes it: a dash of three bytes begins a line, eight letters hold the key id (tlog-checkpoint).
_SIGNED = r"""
WITH line AS (
  SELECT c.size, encode(substr(decode(found[1], 'base64'), 1, 4), 'hex') AS key_id
  FROM log_checkpoint AS c,
  regexp_matches(encode(c.note, 'escape'), '\n\\342\\200\\224 [^ \n]+ ([A-Za-z0-9+/]{8})', 'g') AS found),
signed AS (
  SELECT key_id, count(*) AS commits, min(coalesce(first_idx, size - 1)) AS first, max(size - 1) AS last
  FROM line LEFT JOIN log_commit ON last_idx = size - 1 GROUP BY key_id)
SELECT coalesce(vkey, key_id), host, enrolled_at, coalesce(commits, 0), first, last
FROM log_key FULL JOIN signed USING (key_id) ORDER BY enrolled_at NULLS LAST, 1
"""


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """A key of the fleet: *vkey*, or only its id where it is not enrolled, and the commits that it signed.

    *first* is the first event of its first commit, *last* the last event of its last one.
    """

    vkey: str
    host: str | None
    enrolled_at: str | None
    commits: int
    first: int | None
    last: int | None


def host_keys(folder: Path) -> tuple[HostKey, ...] | None:
    """Return the keys of the ledger whose address lies in *folder*; None for a ledger of one host.

    Raises: the errors of reaching the server.
    """
    address = places_at(folder).address
    if address is None:
        return None
    with reached(address) as connection:
        rows = connection.execute(_SIGNED).fetchall()
    return tuple(
        HostKey(vkey=vkey, host=host, enrolled_at=at, commits=commits, first=first, last=last)
        for vkey, host, at, commits, first, last in rows
    )
