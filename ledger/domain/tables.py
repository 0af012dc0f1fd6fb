"""Tables of releases: memory, disk and the boot pointers, and OTP's transitions between them.

A node holds its releases in four places (otp.md section 1): the table in the memory of its
``release_handler``, the file RELEASES, ``start_erl.data`` and the last ``REL_VSN`` of
``emqx_vars``. The transitions here are those of otp.md section 2; they never refuse, because
they also replay what was recorded. ``unpack`` puts a release first, a change of status keeps
the order, and the disk never holds ``current``.
"""

from collections.abc import Mapping, Sequence

from ledger.dataclass import dataclass
from ledger.domain.status import ReleaseStatus

Row = tuple[str, ReleaseStatus]
Table = tuple[Row, ...]

_UNPACKED, _CURRENT = ReleaseStatus.UNPACKED, ReleaseStatus.CURRENT
_PERMANENT, _OLD = ReleaseStatus.PERMANENT, ReleaseStatus.OLD


def status_in(table: Table, vsn: str) -> ReleaseStatus | None:
    """Return the status of release *vsn* in *table*, None where it is not known."""
    return next((status for row, status in table if row == vsn), None)


def with_status(table: Table, status: ReleaseStatus) -> str | None:
    """Return the first release of *table* in this status."""
    return next((vsn for vsn, found in table if found is status), None)


def as_written(memory: Table) -> Table:
    """Return what the release handler writes to RELEASES: ``current`` becomes ``unpacked`` (otp.md 2.2)."""
    return tuple((vsn, _UNPACKED if status is _CURRENT else status) for vsn, status in memory)


def table_from(rows: Sequence[Sequence[str]]) -> Table:
    """Return the table that a record holds as ``[[vsn, status], …]``."""
    return tuple((vsn, ReleaseStatus(status)) for vsn, status in rows)


@dataclass(frozen=True)
class Tables:
    """The releases of one node in all four places.

    *disk* is None where RELEASES is missing or unreadable, *start_erl* and *rel_vsn* where
    their file names no version.
    """

    memory: Table
    disk: Table | None
    start_erl: str | None
    rel_vsn: str | None

    @property
    def running(self) -> str | None:
        """The release that runs: the ``current`` one, else the ``permanent`` one."""
        return with_status(self.memory, _CURRENT) or with_status(self.memory, _PERMANENT)

    @property
    def permanent(self) -> str | None:
        """The release that memory calls ``permanent``."""
        return with_status(self.memory, _PERMANENT)

    def status(self, vsn: str) -> ReleaseStatus | None:
        """Return the status of release *vsn* in memory, None where it is not known."""
        return status_in(self.memory, vsn)

    def boot_files_agree(self) -> bool:
        """Tell whether RELEASES, start_erl.data and emqx_vars name one permanent release (PRODUCT rule 8)."""
        if self.disk is None or self.permanent is None:
            return False
        return with_status(self.disk, _PERMANENT) == self.start_erl == self.rel_vsn == self.permanent

    def unpacked(self, vsn: str) -> "Tables":
        """Return the tables after ``unpack_release``."""
        if self.status(vsn) is not None:
            return self
        return self._written(((vsn, _UNPACKED), *self.memory))

    def installed(self, vsn: str) -> "Tables":
        """Return the tables after ``install_release``: the disk does not change (otp.md 2.2)."""
        kept = self.status(vsn) is _PERMANENT
        memory = tuple(
            (row, (_PERMANENT if kept else _CURRENT) if row == vsn else _OLD if status is _CURRENT else status)
            for row, status in self.memory
        )
        return _with(self, memory=memory)

    def made_permanent(self, vsn: str) -> "Tables":
        """Return the tables after ``make_permanent`` and the boot pointer of emqx_vars."""
        if self.status(vsn) is _PERMANENT:
            return _with(self, start_erl=vsn, rel_vsn=vsn)
        memory = tuple(
            (row, _PERMANENT if row == vsn else _OLD if status is _PERMANENT else status) for row, status in self.memory
        )
        return _with(self._written(memory), start_erl=vsn, rel_vsn=vsn)

    def removed(self, vsn: str) -> "Tables":
        """Return the tables after ``remove_release``."""
        return self._written(tuple(row for row in self.memory if row[0] != vsn))

    def restarted(self) -> "Tables":
        """Return the tables after a boot of the last REL_VSN: memory is read from disk (otp.md 2.1)."""
        if self.disk is None:
            return _with(self, memory=((self.rel_vsn, _PERMANENT),) if self.rel_vsn else self.memory)
        memory = tuple((vsn, self._booted_status(vsn, status)) for vsn, status in self.disk)
        if memory == self.disk:
            return _with(self, memory=memory)
        return self._written(memory)

    def reverted_by_restart(self) -> tuple[str, ...]:
        """Return the releases that a restart undoes: each one that is ``current`` (RULINGS 36)."""
        return self.undone_in(self.restarted())

    def undone_in(self, after: "Tables") -> tuple[str, ...]:
        """Return the releases that are ``current`` here and no longer in *after*, the tables after a restart."""
        return tuple(v for v, s in self.memory if s is _CURRENT and after.status(v) is not _CURRENT)

    def _booted_status(self, vsn: str, status: ReleaseStatus) -> ReleaseStatus:
        if status is not ReleaseStatus.TMP_CURRENT:
            return status
        return _CURRENT if vsn == self.rel_vsn else _UNPACKED

    def _written(self, memory: Table) -> "Tables":
        return _with(self, memory=memory, disk=as_written(memory))

    def to_record(self) -> dict[str, object]:
        """Return the tables as a record holds them; what is unknown is a missing member."""
        record: dict[str, object] = {"memory": [[vsn, str(status)] for vsn, status in self.memory]}
        if self.disk is not None:
            record["disk"] = [[vsn, str(status)] for vsn, status in self.disk]
        if self.start_erl is not None:
            record["start_erl"] = self.start_erl
        if self.rel_vsn is not None:
            record["rel_vsn"] = self.rel_vsn
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "Tables":
        """Return the tables that a record holds."""
        memory, disk = record["memory"], record.get("disk")
        start_erl, rel_vsn = record.get("start_erl"), record.get("rel_vsn")
        return cls(
            memory=table_from(memory),  # type: ignore[arg-type] # the record was checked when it was written
            disk=None if disk is None else table_from(disk),  # type: ignore[arg-type] # as above
            start_erl=None if start_erl is None else str(start_erl),
            rel_vsn=None if rel_vsn is None else str(rel_vsn),
        )


def _with(tables: Tables, **changed: object) -> Tables:
    """Return *tables* with some fields *changed*: ``dataclasses.replace`` in a tenth of its time, for replay."""
    copy = object.__new__(Tables)
    copy.__dict__.update(tables.__dict__, **changed)
    return copy
