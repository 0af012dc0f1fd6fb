"""Situations: everything that the rules of a hot upgrade look at, gathered before anything is touched."""

from collections.abc import Mapping

from ledger.dataclass import dataclass, field
from ledger.domain.package_facts import PackageFacts
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import Driver, InstallationFacts, Verb
from ledger.domain.relup import Relup
from ledger.domain.tables import Tables
from ledger.domain.version import Vsn


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One verb on one installation, with the facts that decide whether it may go.

    *packed* tells that a package is read; *package* is what was found in it, and *package_reasons*
    says why there is none. *missing* names the parts of the target that were removed by hand.
    *relups* holds the relup files that are known, by version; *relup_faults* those that cannot
    be read. *foreign* names what does not belong to *owner*, the user of the installation.
    *free_bytes* is None where it is not known.
    """

    verb: Verb
    target: Vsn
    tables: Tables
    driver: Driver
    facts: InstallationFacts
    packed: bool = False
    package: PackageFacts | None = None
    package_reasons: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()
    relups: Mapping[str, Relup] = field(default_factory=dict)
    relup_faults: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    foreign: tuple[str, ...] = ()
    free_bytes: int | None = None
    running_erts: str | None = None
    erts_of: Mapping[str, str] = field(default_factory=dict)
    boot_problems: tuple[str, ...] = ()

    @property
    def running(self) -> Vsn | None:
        """The release that runs, None where it is none or its version cannot be ordered (rule 1 says so)."""
        return Vsn.known(self.tables.running)


@dataclass(frozen=True)
class Verdict:
    """What the rules say: the reasons that forbid, and the warnings that are recorded."""

    reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...]

    @property
    def boot_files(self) -> bool:
        """Tell whether rule 8 is among the reasons, which exits 5 and needs ``recover``."""
        return any(reason.rule is Rule.BOOT_FILES for reason in self.reasons)
