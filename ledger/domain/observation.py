"""Observations: what node and disk show at one moment.

Success is judged by these, never by a text or an exit code (otp.md section 12).
"""

from collections.abc import Mapping

from ledger.dataclass import dataclass, field
from ledger.domain.records import Run
from ledger.domain.tables import Tables


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The tables of a node, the release that booted it, and the run that was seen.

    *code* is the version of the code that runs, *erts* the emulator; *erts_of* the emulator that
    RELEASES names for each release; *problems* says what is wrong with the boot files, in words.
    """

    tables: Tables
    booted: str
    run: Run
    code: str | None = None
    erts: str | None = None
    erts_of: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
