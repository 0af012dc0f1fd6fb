"""The table of releases in entries with their libraries, and back."""

from ledger.adapters.releases_file import ReleaseEntry
from ledger.dataclass import replace
from ledger.domain.tables import Table, Tables, as_written

Entries = tuple[ReleaseEntry, ...]


def table_of(entries: Entries) -> Table:
    """Return versions and statuses, in order."""
    return tuple((entry.vsn, entry.status) for entry in entries)


def tables_of(memory: Entries) -> Tables:
    """Return tables whose memory is that of *memory*, and whose disk is not known."""
    return Tables(memory=table_of(memory), disk=None, start_erl=None, rel_vsn=None)


def with_table(entries: Entries, table: Table) -> Entries:
    """Return *entries* with the statuses of *table*, which has the same releases in the same order."""
    return tuple(replace(entry, status=status) for entry, (_, status) in zip(entries, table, strict=True))


def written(memory: Entries) -> Entries:
    """Return what the release handler writes to RELEASES (otp.md 2.2)."""
    return with_table(memory, as_written(table_of(memory)))


def entry_of(entries: Entries, vsn: str) -> ReleaseEntry:
    """Return the entry of release *vsn*, which is one of *entries*."""
    return next(entry for entry in entries if entry.vsn == vsn)
