"""What a restart would do now: the version that boots, the table afterwards, what would be lost.

A node boots the last REL_VSN of emqx_vars and reads its table from RELEASES, which never holds
``current`` (otp.md 2.2). So a trial is lost, without a message from anybody.
"""

from ledger.dataclass import dataclass
from ledger.domain.tables import Table, Tables, status_in


@dataclass(frozen=True)
class Forecast:
    """A restart that did not happen: *boots* is None where the node would not come up, and *why* says so."""

    boots: str | None
    after: Table
    lost: tuple[str, ...]
    unchanged: bool
    why: str = ""

    @property
    def words(self) -> str:
        """The forecast on one line."""
        if self.boots is None:
            return f"does not boot: {self.why}"
        if self.unchanged:
            return f"boots {self.boots}; nothing changes"
        rows = ", ".join(f"{vsn} {status}" for vsn, status in self.after)
        lost = f"; lost: the trial of {', '.join(self.lost)}" if self.lost else ""
        return f"boots {self.boots}{lost}; then: {rows}"

    def to_record(self) -> dict[str, object]:
        """Return the forecast for machines."""
        if self.boots is None:
            return {"why_not": self.why}
        rows = [{"vsn": vsn, "status": str(status)} for vsn, status in self.after]
        return {"boots": self.boots, "releases": rows, "lost": list(self.lost)}


def restart_forecast(tables: Tables) -> Forecast:
    """Return what a restart would do to a node with these tables."""
    boots, after = tables.rel_vsn, tables.restarted().memory
    why = ""
    if boots is None:
        why = "emqx_vars names no version"
    elif tables.disk is None:
        why = "RELEASES cannot be read"
    elif status_in(tables.disk, boots) is None:
        why = f"emqx_vars names {boots}, which RELEASES does not know"
    lost = tables.reverted_by_restart()
    return Forecast(None if why else boots, after, lost, unchanged=after == tables.memory, why=why)
